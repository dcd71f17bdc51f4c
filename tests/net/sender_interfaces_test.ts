/** The sender on interfaces as the kernel really has them. */
import assert from "node:assert/strict";
import type { FlushAck, NeighborReport } from "../../lib/wire/ack.ts";
import { formatPrefix } from "../../lib/wire/addresses.ts";
import { run } from "../support/command.ts";
import { connect, ip, openNetworkNamespace } from "../support/namespaces.ts";
import { ack, report } from "../unit/sender/helpers.ts";
import { runCommand, runSender, senderCommand, withFolder } from "../unit/sender/sender_process.ts";
import { startStandInHost } from "../unit/sender/stand_in_host.ts";

const ownMac = "02:00:00:00:00:01";
const otherMac = "02:00:00:00:00:09";

/** A link of a router's, ending in another namespace; both go when it is disposed of. */
async function openLink(
  name: string,
  addresses: readonly string[],
  linkLayerAddress: string,
): Promise<AsyncDisposable> {
  const namespace = await openNetworkNamespace("far");
  const far = { namespace, name: "e0", addresses: [] };
  await connect({ namespace: null, name, addresses, linkLayerAddress }, far);
  return {
    [Symbol.asyncDispose]: async () => {
      await ip(null, [`link del ${name}`]);
      await namespace[Symbol.asyncDispose]();
    },
  };
}

/** Answers broadcasts that come back to this machine, reporting one link-layer address for all. */
function answering(linkLayerAddress: string) {
  return startStandInHost((request): FlushAck[] => {
    const reports = request.addresses.map((): NeighborReport =>
      report("neighbor", linkLayerAddress)
    );
    return [ack(request, "flushed", { host: "host0", reports })];
  }, { hostname: "0.0.0.0" });
}

Deno.test("send.ts -a broadcasts on each interface and asks for the addresses it holds there", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink(
      "e0",
      ["192.0.2.2/24", "192.0.2.1/32", "2001:db8::1/64"],
      ownMac,
    );
    await using _e1 = await openLink("e1", ["198.51.100.2/26", "10.0.0.0/31"], otherMac);
    await using host = answering(ownMac);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-c", "1", "-w", "500ms", "--json", "-a"];
    const { code, stdout } = await runSender(args);
    const document = JSON.parse(stdout);
    assert.equal(code, 0);
    assert.equal(document.hosts[0].state, "healed");
    assert.deepEqual(document.targets.map(({ target }: { target: string }) => target).sort(), [
      "192.0.2.255",
      "198.51.100.63",
    ]);
    assert.equal(host.received.length, 2);
    const asked = host.received[0].request.addresses.map(formatPrefix);
    assert.deepEqual(asked.slice(0, 1), ["192.0.2.1"]);
    assert.deepEqual(asked.filter((text) => !text.startsWith("fe80")).sort(), [
      "10.0.0.0",
      "192.0.2.1",
      "192.0.2.2",
      "198.51.100.2",
      "2001:db8::1",
    ]);
  }));

Deno.test("send.ts takes a labelled address for one of its interface", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink("e0", ["192.0.2.2/24"], ownMac);
    await ip(null, ["addr add 192.0.2.1/32 dev e0 label e0:vip"]);
    await using host = answering(ownMac);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-a", "--interface", "e0", "--expect", "1"];
    const { code, stdout } = await runSender([...args, "--json"]);
    assert.equal(code, 0);
    assert.equal(JSON.parse(stdout).hosts[0].state, "healed");
    assert.equal(formatPrefix(host.received[0].request.addresses[0]), "192.0.2.1");
  }));

Deno.test("send.ts names a host stuck at the other router's link-layer address", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink("e0", ["192.0.2.1/24"], ownMac);
    await using host = answering(otherMac);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-a", "--expect", "1"];
    const { code, stdout } = await runSender(args);
    assert.equal(code, 3);
    assert.match(stdout, /^host0 .* STUCK 192\.0\.2\.1 at 02:00:00:00:00:09/m);
  }));

Deno.test("send.ts -a sends on the other interfaces when one is down", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink("e0", ["192.0.2.1/24"], ownMac);
    await using _e1 = await openLink("e1", ["198.51.100.1/24"], otherMac);
    await ip(null, ["link set e1 down"]);
    await using host = answering(ownMac);
    const args = ["-k", keyFile, "-p", `${host.port}`, "-a", "-c", "1", "-w", "500ms", "--json"];
    const { code, stdout } = await runSender(args);
    assert.equal(code, 0);
    assert.deepEqual(
      JSON.parse(stdout).targets.map((
        one: Record<string, unknown>,
      ) => [one.target, one.sent, one.error]),
      [["192.0.2.255", 1, null], ["198.51.100.255", 0, "Network is unreachable"]],
    );
  }));

Deno.test("send.ts exits 1 when every interface is down", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink("e0", ["192.0.2.1/24"], ownMac);
    await ip(null, ["link set e0 down"]);
    const { code, stderr } = await runSender(["-k", keyFile, "-a", "-c", "2", "-i", "1ms"]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      "arpflush: Flush not sent; cannot send to 192.0.2.255: Network is unreachable\n",
    );
  }));

Deno.test("send.ts -a exits 1 when no interface can broadcast", () =>
  withFolder(async (_, keyFile) => {
    const { code, stderr } = await runSender(["-k", keyFile, "-a"]);
    assert.equal(code, 1);
    assert.equal(stderr, "arpflush: No interface has an IPv4 broadcast address\n");
  }));

/** A firewall's rules; what they refuse fails with EPERM. */
async function withRules(rules: string, test: () => Promise<void>): Promise<void> {
  await run(["nft", "-f", "-"], { input: rules });
  try {
    await test();
  } finally {
    await run(["nft", "delete", "table", "ip", "arpflush_test"]);
  }
}

const hasNft = await run(["nft", "--version"]).then(() => true, () => false);

Deno.test({
  name: "send.ts sends to the others when a firewall forbids one target",
  ignore: !hasNft,
  fn: () =>
    withFolder(async (_, keyFile) => {
      await using _e0 = await openLink("e0", ["192.0.2.1/24"], ownMac);
      await using _e1 = await openLink("e1", ["198.51.100.1/24"], otherMac);
      await using host = answering(ownMac);
      const rules = `table ip arpflush_test { chain out { type filter hook output priority 0;
        ip daddr 198.51.100.255 udp dport ${host.port} drop; }; }`;
      await withRules(rules, async () => {
        const args = [
          "-k",
          keyFile,
          "-p",
          `${host.port}`,
          "-a",
          "-c",
          "2",
          "-i",
          "50ms",
          "-w",
          "500ms",
        ];
        const { code, stdout } = await runSender([...args, "--json"]);
        assert.equal(code, 0);
        assert.deepEqual(
          JSON.parse(stdout).targets.map((one: Record<string, unknown>) => [one.sent, one.error]),
          [[2, null], [0, "Operation not permitted"]],
        );
      });
    }),
});

/** The address that the kernel gives an interface once it has a carrier; waits 5 s at most. */
async function linkLocalAddress(interfaceName: string): Promise<string> {
  const end = performance.now() + 5000;
  while (performance.now() < end) {
    const own = Deno.networkInterfaces().find(({ name, address }) =>
      name === interfaceName && address.startsWith("fe80::")
    );
    if (own !== undefined) return own.address;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`No link-local address on ${interfaceName}`);
}

Deno.test("send.ts reaches a host by its link-local address and zone", () =>
  withFolder(async (_, keyFile) => {
    await using _e0 = await openLink("e0", ["192.0.2.1/24"], ownMac);
    const own = await linkLocalAddress("e0");
    await using host = startStandInHost((request) => {
      // Asked by its own clock it is content: the repeated request has found its way, too.
      const clock = Date.now() + 600_000;
      const isStale = clock - request.created > 60_000;
      return [ack(request, isStale ? "stale" : "flushed", { clock, host: "host0" })];
    }, { hostname: "::" });
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1"];
    const { code, stdout } = await runSender([...args, `${own}%e0`]);
    assert.equal(code, 0);
    assert.match(stdout, /^host0 +fe80::[0-9a-f:]+ .* ahead +flushed$/m);
  }));

Deno.test("send.ts finds host names in the machine's own list of hosts", () =>
  withFolder(async (folder, keyFile) => {
    await using host = startStandInHost((request) => [ack(request, "flushed")]);
    await Deno.writeTextFile(`${folder}/hosts`, "127.0.0.1 web1.test\n");
    const script = 'mount -n --bind "$1" /etc/hosts && shift && exec "$@"';
    const args = ["-k", keyFile, "-p", `${host.port}`, "--no-verify", "--expect", "1", "web1.test"];
    const { code } = await runCommand(
      [
        "unshare",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
        `${folder}/hosts`,
        ...senderCommand,
        ...args,
      ],
    );
    assert.equal(code, 0);
  }));
