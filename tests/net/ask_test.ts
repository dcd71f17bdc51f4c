/** Hosts that run no service are asked, and each verdict is what the host's own kernel has. */
import assert from "node:assert/strict";
import { compilePeers } from "../measure/peers.ts";
import {
  type CommandOutcome,
  isInstalled,
  linesOf,
  outcomeOf,
  pause,
  run,
  until,
} from "../support/command.ts";
import { ip, linkLayerAddressOf, setNeighbors } from "../support/namespaces.ts";
import {
  type AskedHost,
  type AskedNetwork,
  type Kind,
  macs,
  openAskedNetwork,
  virtualAddresses,
} from "./asked_hosts.ts";

const withoutTcpdump = !await isInstalled("tcpdump");
const withoutCompiler = !await isInstalled("cc");
const [ipv4, ipv6] = virtualAddresses;

/** A result as --json has it. */
interface Asked {
  readonly host: string;
  readonly address: string;
  readonly verdict: string;
  readonly linkLayerAddress: string | null;
  readonly ms: number;
}

function reportOf({ stdout, stderr }: CommandOutcome) {
  assert.ok(stdout.startsWith("{"), stdout + stderr);
  const { asked, askRemarks }: { asked: readonly Asked[]; askRemarks: readonly string[] } = JSON
    .parse(stdout);
  return { asked: new Map(asked.map((one) => [one.host, one])), askRemarks };
}

/** What is to be said of a host of each kind that nobody remembers, and of one that is remembered. */
type Expected = readonly [unknown: string, known: string];
const verdicts: Readonly<Record<Kind, { readonly ipv4: Expected; readonly ipv6: Expected }>> = {
  "plain": { ipv4: ["healed", "healed"], ipv6: ["healed", "healed"] },
  "GARP dropped": { ipv4: ["healed", "healed"], ipv6: ["healed", "healed"] },
  "drop_gratuitous_arp": { ipv4: ["healed", "healed"], ipv6: ["healed", "healed"] },
  "echo firewalled": { ipv4: ["healed", "healed"], ipv6: ["healed", "healed"] },
  "all inbound firewalled": { ipv4: ["asked", "asked"], ipv6: ["healed", "healed"] },
  "permanent entry": { ipv4: ["stuck", "stuck"], ipv6: ["stuck", "stuck"] },
  "by way of the old master": { ipv4: ["stuck", "stuck"], ipv6: ["stuck", "stuck"] },
  "drops the router's ARP": { ipv4: ["no answer", "stuck"], ipv6: ["no answer", "stuck"] },
  "off": { ipv4: ["no answer", "no answer"], ipv6: ["no answer", "no answer"] },
};
const allKinds = Object.keys(verdicts) as Kind[];

/** A verdict must be the host's own kernel's word. */
async function agrees(host: AskedHost, address: string, result: Asked | undefined, what: string) {
  if (host.kind === "off") return;
  const isRight = await linkLayerAddressOf(host.namespace, address) === macs.router;
  assert.equal(isRight, ["healed", "ok", "asked"].includes(result?.verdict ?? ""), what);
  if (result?.verdict !== "stuck") return;
  // A neighbor advertisement by way of another is none, so nobody says where an IPv6 host sends it.
  const at = host.kind === "by way of the old master" ? macs.old : macs.dead;
  const isSeen = address === ipv4 || result.linkLayerAddress !== null;
  if (isSeen) assert.equal(result.linkLayerAddress, at, what);
}

for (const [family, address] of [["ipv4", ipv4], ["ipv6", ipv6]] as const) {
  Deno.test(`--ask judges a host of each kind by what its own kernel has for ${address}`, async () => {
    await using network = await openAskedNetwork(allKinds.map((kind) => [kind, 1]));
    for (const known of [false, true]) {
      await network.goStale();
      if (known) await network.learn();
      const named = network.hosts.flatMap((host) => host[family]);
      const outcome = await network.ask(["--json", "--pace", "1000", "-A", address, ...named]);
      const { asked } = reportOf(outcome);
      for (const host of network.hosts) {
        const result = asked.get(host[family][0]);
        const what = `${host.kind}, ${known ? "known" : "unknown"}: ${JSON.stringify(result)}`;
        assert.equal(result?.verdict, verdicts[host.kind][family][Number(known)], what);
        await agrees(host, address, result, what);
      }
      assert.equal(outcome.code, 3);
    }
  });
}

/** Requests from the virtual addresses on the wire, each with its time (Unix, in ms). */
function watchRequests(): { readonly times: number[]; end(): Promise<void> } {
  const expression =
    `(arp[6:2] = 1 and arp src host ${ipv4}) or (ip6[40] = 135 and src host ${ipv6})`;
  const child = new Deno.Command("tcpdump", {
    args: ["-lttni", "br0", expression],
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const times: number[] = [];
  const reading = (async () => {
    for await (const line of linesOf(child.stdout)) {
      if (/ARP|ICMP6/.test(line)) times.push(Number(line.split(" ")[0]) * 1_000);
    }
  })();
  return {
    times,
    end: async () => {
      child.kill("SIGTERM");
      await reading;
      await child.status;
    },
  };
}

Deno.test({
  name: "--probe --ask finds out, asks nobody from the virtual address, and changes nothing",
  ignore: withoutTcpdump,
  fn: async () => {
    await using network = await openAskedNetwork([
      ["plain", 2],
      ["plain", 1],
      ["echo firewalled", 1],
      ["off", 1],
    ]);
    await network.goStale();
    const [wrong, right, firewalled] = network.hosts;
    for (const { namespace } of [right, firewalled]) {
      await setNeighbors(namespace, virtualAddresses, macs.router, "reachable");
    }
    const watch = watchRequests();
    // Nobody is known at first: the router's own address finds out where they are.
    for (const [family, address] of [["ipv4", ipv4], ["ipv6", ipv6]] as const) {
      const named = network.hosts.flatMap((host) => host[family]);
      const outcome = await network.ask(["--probe", "--json", "-A", address, ...named]);
      const { asked } = reportOf(outcome);
      for (const one of wrong[family]) {
        const { verdict, linkLayerAddress } = asked.get(one) ?? {};
        assert.deepEqual([verdict, linkLayerAddress], ["stuck", macs.dead], one);
      }
      assert.equal(asked.get(right[family][0])?.verdict, "ok");
      // TCP tells for IPv4; for IPv6 nothing but a question would.
      const behind = asked.get(firewalled[family][0])?.verdict;
      assert.equal(behind, family === "ipv4" ? "ok" : "not asked");
      assert.equal(await linkLayerAddressOf(wrong.namespace, address), macs.dead);
      assert.equal(outcome.code, 3);
    }
    await watch.end();
    assert.deepEqual(watch.times, []);
  },
});

/** How the router gives its addresses up. */
const givingUp: Readonly<Record<string, (network: AskedNetwork) => Promise<unknown>>> = {
  "leave the router": ({ router }) =>
    ip(router, [`addr del ${ipv4}/32 dev e0`, `addr del ${ipv6}/128 dev e0`]),
  "leave a router that may bind any address": async ({ router }) => {
    const files = ["ipv4/ip_nonlocal_bind", "ipv6/ip_nonlocal_bind"];
    const lines = files.map((file) => `echo 1 > /proc/sys/net/${file}`);
    await run([...router.argv, "sh", "-ec", lines.join("\n")]);
    await ip(router, [`addr del ${ipv4}/32 dev e0`, `addr del ${ipv6}/128 dev e0`]);
  },
  "move to another interface": ({ router }) =>
    ip(router, [
      ...virtualAddresses.map((one) => `addr del ${one} dev e0`),
      ...virtualAddresses.map((one) => `addr add ${one} dev lo`),
    ]),
};
for (const [what, giveUp] of Object.entries(givingUp)) {
  Deno.test({
    name: `--ask asks nobody any more when the addresses ${what}`,
    ignore: withoutTcpdump,
    fn: async () => {
      await using network = await openAskedNetwork([["plain", 40], ["off", 5]]);
      const watch = watchRequests();
      const named = network.hosts.flatMap(({ ipv4, ipv6 }) => [...ipv4, ...ipv6]);
      const asking = network.ask(["--json", "--pace", "40", "--expect", "90", ...named]);
      await until(() => watch.times.length >= 15, "the first requests");
      const before = watch.times.length;
      await giveUp(network);
      const gone = Date.now();
      const { asked } = reportOf(await asking);
      await watch.end();
      const late = watch.times.filter((at) => at > gone + 100).length;
      assert.equal(late, 0, `${late} requests of ${watch.times.length}, ${before} before`);
      const verdicts = [...asked.values()].map(({ verdict }) => verdict);
      assert.ok(verdicts.filter((verdict) => verdict === "not asked").length > 40, `${verdicts}`);
    },
  });
}

Deno.test("--ask without packet sockets connects, and says so", async () => {
  const kinds: Kind[] = ["plain", "permanent entry", "all inbound firewalled", "off"];
  await using network = await openAskedNetwork(kinds.map((kind) => [kind, 1]));
  const [plain, permanent, firewalled, off] = network.hosts.map((host) => host.ipv4[0]);
  const without = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"];
  const ways = [
    [{ program: "sender" }, "this program has no FFI permission"],
    [{ argv: without }, "operation not permitted, it needs CAP_NET_RAW"],
  ] as const;
  for (const [start, reason] of ways) {
    const args = ["--json", "-A", ipv4, plain, permanent, firewalled, off];
    const outcome = await network.ask(args, start);
    const { asked, askRemarks } = reportOf(outcome);
    assert.match(askRemarks[0], new RegExp(`${reason}: hosts are only connected to`));
    assert.equal(asked.get(plain)?.verdict, "ok");
    assert.equal(asked.get(permanent)?.verdict, "stuck");
    assert.equal(asked.get(firewalled)?.verdict, "not asked");
    assert.equal(asked.get(off)?.verdict, "not asked");
    assert.equal(outcome.code, 3);
  }
});

Deno.test("--ask leaves out a host that holds the address, and the address of a virtual router's interface", async () => {
  await using network = await openAskedNetwork([["plain", 1], ["plain", 1]]);
  const [holder, plain] = network.hosts;
  // A server behind a load balancer, as LVS calls it direct routing.
  const quiet = ["arp_ignore 1", "arp_announce 2"].map((line) => line.split(" "))
    .map(([name, value]) => `echo ${value} > /proc/sys/net/ipv4/conf/all/${name}`);
  await run([...holder.namespace.argv, "sh", "-ec", quiet.join("\n")]);
  await ip(holder.namespace, [`addr add ${ipv4}/32 dev lo`]);
  await ip(network.router, [
    "link add link e0 name vrrp51 address 00:00:5e:00:01:33 type macvlan mode private",
    "addr add 198.18.0.77/32 dev vrrp51",
    "link set vrrp51 up",
  ]);
  const outcome = await network.ask(["--json", holder.ipv4[0], plain.ipv4[0]]);
  const { asked, askRemarks } = reportOf(outcome);
  assert.deepEqual([...asked.values()].map(({ host, address }) => [host, address]), [
    [plain.ipv4[0], ipv4],
  ]);
  assert.deepEqual(askRemarks, [
    "nothing to ask for at 198.18.0.77: it keeps its link-layer address (use_vmac)",
    `not judged, they hold the address themselves: ${holder.ipv4[0]}`,
  ]);
  assert.equal(outcome.code, 0);
});

/** Sends a frame again and again for two seconds. */
const sender = `import socket, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("e0", 0))
for _ in range(40):
    link.send(bytes.fromhex(sys.argv[1]))
    time.sleep(0.05)`;

for (const [what, tag, verdict] of [["a", "81000007", "no answer"], ["no", "", "asked"]] as const) {
  Deno.test(`--ask takes an ARP reply with ${what} VLAN tag for ${verdict}`, async () => {
    await using network = await openAskedNetwork([["off", 1], ["plain", 1]]);
    const [off, other] = network.hosts;
    const mac = other.linkLayerAddress.replaceAll(":", "");
    const router = macs.router.replaceAll(":", "");
    const own = other.linkLayerAddress.replaceAll(":", "");
    const arp = `0806000108000604${"0002"}${own}c6120004${router}c6120001`;
    const line = [...other.namespace.argv, "python3", "-c", sender, router + mac + tag + arp];
    const sending = outcomeOf(line);
    const outcome = await network.ask(["--json", "-A", ipv4, off.ipv4[0]]);
    assert.equal((await sending).code, 0);
    assert.equal(reportOf(outcome).asked.get(off.ipv4[0])?.verdict, verdict);
  });
}

Deno.test("arpflush-router remembers whom it heard, and probes them after the kernel has forgotten", async () => {
  await run(["mount", "-n", "-t", "tmpfs", "tmpfs", "/var/lib"]);
  const file = "/var/lib/arpflush-router/hosts";
  await Deno.mkdir("/var/lib/arpflush-router");
  await using network = await openAskedNetwork([["plain", 1], ["off", 1]]);
  const [plain] = network.hosts;
  await network.ask(["-A", ipv4, plain.ipv4[0]]);
  const line = new RegExp(`^${plain.ipv4[0]} ${plain.linkLayerAddress} e0 \\S+Z\\n$`);
  assert.match(await Deno.readTextFile(file), line);
  await ip(network.router, ["neigh flush dev e0"]);
  await network.goStale();
  await Deno.writeTextFile(file, "not a line\n\0\n", { append: true });
  const { stdout } = await network.ask(["--probe", "-A", ipv4]);
  assert.match(stdout, new RegExp(`^${plain.ipv4[0]} .* STUCK ${ipv4} at ${macs.dead}$`, "m"));
  assert.match(await Deno.readTextFile(file), line);
});

Deno.test({
  name: "--ask under up to 145,000 foreign packets a second judges as without, within 1 s",
  ignore: withoutCompiler,
  fn: async () => {
    const folder = await Deno.makeTempDir();
    await compilePeers(folder, ["flood"]);
    await using network = await openAskedNetwork([["plain", 60], ["permanent entry", 2]]);
    const named = network.hosts.flatMap((host) => host.ipv4);
    const ask = async () => {
      await network.goStale();
      const before = await receivedFrames(network);
      const start = performance.now();
      // The shell says behind the report how long its child was on a processor.
      const argv = ["sh", "-c", '"$@"; code=$?; times; exit $code', "sh"];
      const arguments_ = ["--json", "--pace", "100000", "-A", ipv4, ...named];
      const { stdout, ...rest } = await network.ask(arguments_, { argv });
      const perSecond = (await receivedFrames(network) - before) * 1_000 /
        (performance.now() - start);
      const [json, times] = stdout.split(/(?<=^\})$/m);
      const [user, system] = [...times.matchAll(/(\d+)m([\d.]+)s/g)].slice(2)
        .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds));
      const { asked } = reportOf({ ...rest, stdout: json });
      // All of the plain host's addresses have one entry: once it is healed the others are "ok".
      const right = asked.values().filter(({ verdict }) => verdict !== "stuck").toArray();
      assert.ok(right.every(({ verdict }) => verdict === "healed" || verdict === "ok"), json);
      assert.deepEqual([right.length, asked.size], [60, 62], json);
      const last = Math.max(...right.map(({ ms }) => ms));
      return { perSecond, last, processor: user + system };
    };
    const quiet = await ask();
    // To a link-layer address that nobody has, so that the bridge sends it to all; only the router is
    // to have it, since each copy costs the sender's processor as much again.
    const [flooder] = network.hosts;
    await run(["sh", "-c", "for port in old h0 h1; do bridge link set dev $port flood off; done"]);
    await setNeighbors(flooder.namespace, ["198.18.0.250"], macs.dead, "permanent");
    let flooded = quiet;
    // Beside other tests the flood may not get the processor that it needs.
    for (let tries = 0; tries < 3 && flooded.perSecond <= 20_000; tries++) {
      const flood = outcomeOf([
        ...flooder.namespace.argv,
        ...[`${folder}/flood`, "198.18.0.250", "9", "160000", "5"],
      ], { input: Uint8Array.of(0, 40, ...Array(40).fill(1)) });
      await pause(500);
      flooded = await ask();
      await flood;
    }
    await Deno.remove(folder, { recursive: true });
    const text = JSON.stringify({ quiet, flooded });
    console.log(text);
    assert.ok(flooded.perSecond > 20_000, text);
    assert.ok(flooded.last <= 1_000 && flooded.processor <= 0.3, text);
  },
});

/** Frames that the router's interface has taken in so far. */
async function receivedFrames({ router }: AskedNetwork): Promise<number> {
  const [link] = JSON.parse(await run([...router.argv, ..."ip -s -json link show e0".split(" ")]));
  return link.stats64.rx.packets;
}
