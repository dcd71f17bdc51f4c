/**
 * The report's last word on networks as they are found: no host that is stuck is called good, and no
 * good host bad.
 */
import assert from "node:assert/strict";
import { isInstalled, pause, run, until } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { startServiceProcess } from "../support/programs.ts";
import {
  deadMac,
  entry,
  folder,
  isRight,
  openSegment,
  reports,
  routerMac,
  settingsText,
  withHost,
} from "./chain.ts";

const withoutNft = !await isInstalled("nft");

/** Rules of the router's firewall, until it is disposed of. */
async function openFirewall(rules: string): Promise<AsyncDisposable> {
  await run(["nft", "-f", "-"], { input: rules });
  return { [Symbol.asyncDispose]: async () => void await run(["nft", "flush", "ruleset"]) };
}

Deno.test("an address that is the link's only one is in question", () =>
  withHost(async (segment, host) => {
    await ip(null, ["addr flush dev br0 scope global", "addr add 192.0.2.7/24 dev br0"]);
    // The host's acks go where the entry leads.
    await entry(host, "192.0.2.7", deadMac, "permanent");
    await reports(segment, ["-a"], 3, /1 missing/);
    await entry(host, "192.0.2.7", deadMac, "reachable");
    await reports(segment, ["-a"], 0, /^host0 .* healed/m);
    await isRight(host, "192.0.2.7");
  }));

Deno.test("of 80 links each gets the request, and the host on one of them is told apart", () =>
  withHost(async (segment, host) => {
    const ids = Array.from({ length: 80 }, (_, i) => i + 1);
    await ip(
      null,
      ids.flatMap((id) => [
        `link add v${id} type veth peer name far${id}`,
        `link set far${id} up addrgenmode none`,
        `link set v${id} up`,
        `addr add 10.8.${id}.1/24 dev v${id}`,
      ]),
    );
    await host.goStale();
    const text = await reports(segment, ["-a", "--json"], 0);
    await ip(null, ids.map((id) => `link del v${id}`));
    const { targets, hosts } = JSON.parse(text);
    assert.equal(targets.length, 81);
    assert.ok(targets.every(({ sent }: { sent: number }) => sent === 2), text);
    assert.deepEqual(hosts.map(({ state }: { state: string }) => state), ["healed"]);
  }));

Deno.test("what an administrator or a routing program set survives start, flush, listed flush and refresh", () =>
  withHost(async (segment, host) => {
    // A NOARP entry alone may go at any time: the kernel collects it first where all namespaces together
    // have many entries. Of that one the kernel's tests look at once.
    const kept = {
      "192.0.2.60": "permanent",
      "192.0.2.61": "permanent extern_learn",
      "192.0.2.62": "noarp extern_learn proto bird",
    };
    for (const [address, state] of Object.entries(kept)) {
      await entry(host, address, "02:00:00:00:00:60", state);
    }
    const addresses = Object.keys(kept);
    const assertKept = async (when: string, at = host) => {
      const table = await ip(at.namespace, ["neigh show nud all"]);
      for (const address of addresses) {
        assert.ok(
          table.includes(`${address} dev e0 lladdr 02:00:00:00:00:60 `),
          `${when}: ${table}`,
        );
      }
    };
    await reports(segment, ["-a"], 0);
    await assertKept("-a");
    await reports(
      segment,
      ["192.0.2.100", "--only", ...addresses.flatMap((one) => ["-A", one])],
      3,
    );
    await assertKept("--only");
    const second = await segment.host();
    for (const [address, state] of Object.entries(kept)) {
      await entry(second, address, "02:00:00:00:00:60", state);
    }
    await second.serve([`RefreshAddresses = ${JSON.stringify(addresses)}`, "RefreshSeconds = 1"]);
    await pause(2_500);
    await assertKept("a refresh", second);
  }));

Deno.test({
  name:
    "a router's stateful firewall is named where it drops acks, and a rule for the ports lets them in",
  ignore: withoutNft,
  fn: () =>
    withHost(async (segment, host) => {
      await using _firewall = await openFirewall(`table inet filter { chain input {
        type filter hook input priority 0; policy drop;
        iif lo accept; ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept; }; }`);
      await host.goStale();
      const rule =
        /1 missing; no ack came in: a firewall here must let in UDP to ports 27736 to 27799/;
      await reports(segment, ["-a"], 3, rule);
      // It was heard for all that.
      await isRight(host, "192.0.2.1");
      const admit = (ports: string) =>
        run(["nft", "add", "rule", "inet", "filter", "input", ...ports.split(" ")]);
      await admit("udp dport 40100-40103 accept");
      await reports(segment, ["-a", "--source-port", "40100-40103"], 0, /1 healed/);
      await admit("udp sport 27735 udp dport 27736-27799 accept");
      await reports(segment, ["-a"], 0, /1 healed/);
    }),
});

Deno.test("ten runs at once each hear a healthy host within its hold-down", () =>
  withHost(async (segment, host) => {
    await host.goStale();
    const runs = Array.from({ length: 10 }, () => segment.send("-a", "-i", "300ms", "-w", "2s"));
    for (const { code, stdout } of await Promise.all(runs)) {
      assert.equal(code, 0, stdout);
      assert.match(stdout, /1 host answered: 1 healed$/m);
    }
  }, []));

Deno.test("the sending machine's own service is none of the hosts that are waited for", async () => {
  await using segment = await openSegment();
  const settings = `${folder}/router.toml`;
  await Deno.writeTextFile(settings, settingsText(["HoldDownSeconds = 1"]), { mode: 0o600 });
  const env = { STATE_DIRECTORY: `${folder}/router` };
  await using own = startServiceProcess({ args: ["--config", settings], env });
  await own.line(/Started/);
  await reports(segment, ["-a"], 3, /\(this machine\)$/m, /0 hosts answered: 1 missing/);
  await (await segment.host()).serve();
  await reports(segment, ["-a"], 0, /1 host answered: 1 healed/);
  await reports(segment, ["-a", "--expect", "2"], 3, /1 host answered: 1 healed, 1 missing/);
});

Deno.test("a host that nobody expects leaves every copy to one that misses the first", () =>
  withHost(async (segment) => {
    const late = await segment.host();
    await late.serve();
    await late.goStale();
    await Deno.writeTextFile(`${folder}/hosts`, "host1\n");
    await ip(null, ["link set p1 down"]);
    const sending = segment.send("-a", "-c", "6", "-i", "500ms", "--expect", `${folder}/hosts`);
    await pause(1_200);
    await ip(null, ["link set p1 up"]);
    const { code, stdout } = await sending;
    assert.equal(code, 0, stdout);
    assert.match(stdout, /6 copies .* 2 hosts answered: 2 healed/);
    await isRight(late, "192.0.2.1");
  }));

Deno.test("two hosts of one name are two hosts, and one that can't flush is not hidden", async () => {
  await using segment = await openSegment();
  const hosts = [await segment.host(), await segment.host()];
  for (const { namespace } of hosts) await run([...namespace.argv, "hostname", "template"]);
  await hosts[0].serve(["HoldDownSeconds = 1"]);
  const rights = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
  const weak = await hosts[1].serve(["HoldDownSeconds = 1"], rights);
  await reports(
    segment,
    ["-a", "--expect", "2"],
    3,
    /^template .* FAILED, error 1$/m,
    /^template .* healed$/m,
    /several hosts are named template/,
  );
  await weak.stop();
  await hosts[1].serve(["HoldDownSeconds = 1"]);
  await reports(segment, ["-a", "--expect", "2"], 0, /2 hosts answered: 2 healed/);
});

/** Files for --expect, by the command that makes each. */
const files: readonly (readonly [what: string, make: string, code: number, said: RegExp])[] = [
  ["isn't there", "rm -f", 4, /Cannot read expected hosts from .*: No such file/],
  ["is a pipe", "mkfifo", 4, /Cannot read expected hosts from .*: it is not a regular file/],
  ["names somebody else", "echo host7 2001:db8::7 >", 3, /1 missing/],
];
for (const [what, make, code, said] of files) {
  Deno.test(`a file for --expect that ${what} keeps no datagram back`, () =>
    withHost(async (segment, host) => {
      const path = `${folder}/expected`;
      await run(["sh", "-c", `${make} ${path}`]);
      await host.goStale();
      await reports(segment, ["-a", "--expect", path], code, said);
      await isRight(host, "192.0.2.1");
    }));
}

Deno.test("a network that is listed hides no stuck address of this router in it", () =>
  withHost(async (segment, host) => {
    await entry(host, "192.0.2.1", deadMac, "permanent");
    for (const args of [["--probe"], ["--only"], []]) {
      await reports(
        segment,
        ["-a", "-A", "192.0.2.0/24", ...args],
        3,
        /^host0 .* STUCK 192\.0\.2\.1/m,
      );
    }
  }));

Deno.test("a run whose address leaves this router calls nobody healed for it, and goes on for others", () =>
  withHost(async (segment, host) => {
    await host.goStale();
    const running = segment.send("-a", "-c", "20", "--json");
    await until(
      async () => await host.linkLayerAddressOf("192.0.2.1") === routerMac,
      "healed",
      5_000,
    );
    await ip(null, ["addr del 192.0.2.1/32 dev br0"]);
    const { code, stdout } = await running;
    const { hindrances, copies, hosts: [{ reports }] } = JSON.parse(stdout);
    assert.deepEqual([code, hindrances], [4, ["no longer on this router: 192.0.2.1"]]);
    assert.equal(copies, 20);
    const told = reports.map(({ address }: { address: string }) => address);
    assert.ok(told.includes("192.0.2.2") && !told.includes("192.0.2.1"), told.join());
  }));

Deno.test("of two links with one network each gets the request, and --interface means its own", () =>
  withHost(async (segment) => {
    const other = await segment.host();
    await ip(null, ["link set p1 nomaster", "addr add 192.0.2.3/24 dev p1"]);
    await other.serve(["HoldDownSeconds = 1"]);
    await reports(segment, ["-a", "--expect", "2"], 0, /2 hosts answered: 2 healed/);
    await reports(segment, ["-a", "--interface", "p1"], 0, /^host1 .* healed$/m, /1 host answered/);
    await reports(
      segment,
      ["-a", "--interface", "br0"],
      0,
      /^host0 .* healed$/m,
      /1 host answered/,
    );
  }));

Deno.test("hosts of a link with IPv6 alone are asked by -a and by their group, with its interface", () =>
  withHost(async (segment, host) => {
    await ip(host.namespace, ["addr flush dev e0 scope global", "addr add 2001:db8::64/64 dev e0"]);
    await ip(null, ["addr del 192.0.2.1/32 dev br0", "addr del 192.0.2.2/24 dev br0"]);
    for (const target of ["-a", "ff02::1%br0"]) {
      await entry(host, "2001:db8::1", deadMac, "reachable");
      await reports(segment, [target], 0, /^host0 .* healed$/m);
      await isRight(host, "2001:db8::1");
    }
    await reports(segment, ["ff02::1"], 2, /"ff02::1" is link-local: append the interface/);
  }, ["HoldDownSeconds = 1", 'Listen = "::"']));
