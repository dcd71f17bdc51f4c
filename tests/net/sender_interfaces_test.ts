/** The sender on interfaces as the kernel really has them. */
import assert from "node:assert/strict";
import type { NeighborReport } from "../../lib/wire/ack.ts";
import { formatPrefix } from "../../lib/wire/addresses.ts";
import { type CommandOutcome, isInstalled, run, until } from "../support/command.ts";
import { connect, ip, type NetworkNamespace, openNetworkNamespace } from "../support/namespaces.ts";
import {
  runCommand,
  senderCommand,
  startStandInHost,
  withFolder,
} from "../unit/sender/sender_process.ts";

const ownMac = "02:00:00:00:00:01";
const otherMac = "02:00:00:00:00:09";

/** A router in a namespace of its own. Its links end here, where stand-ins for hosts listen. */
interface Router {
  readonly namespace: NetworkNamespace;
  /** Gives it a link, with its addresses, and with the host's. */
  link(
    name: string,
    addresses: readonly string[],
    linkLayerAddress: string,
    hostAddresses?: readonly string[],
  ): Promise<void>;
  /** Runs the sender there, by a command that `around` puts before it. */
  send(args: readonly string[], around?: readonly string[]): Promise<CommandOutcome>;
}

async function withRouter(test: (router: Router, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder, keyFile) => {
    await using namespace = await openNetworkNamespace("router");
    const links: string[] = [];
    try {
      await test({
        namespace,
        async link(name, addresses, linkLayerAddress, hostAddresses = []) {
          links.push(`far-${name}`);
          await connect({ namespace, name, addresses, linkLayerAddress }, {
            namespace: null,
            name: `far-${name}`,
            addresses: hostAddresses,
          });
        },
        send: (args, around = []) =>
          runCommand([...namespace.argv, ...around, ...senderCommand, "-k", keyFile, ...args]),
      }, folder);
    } finally {
      await ip(null, links.map((name) => `link del ${name}`));
    }
  });
}

/** Answers everybody, reporting one link-layer address for all. */
function answering(linkLayerAddress: string) {
  const neighbor: NeighborReport = {
    state: "neighbor",
    cached: true,
    gateway: false,
    linkLayerAddress: Uint8Array.fromHex(linkLayerAddress.replaceAll(":", "")),
  };
  return startStandInHost(
    ({ addresses }) => [{ host: "host0", reports: addresses.map(() => neighbor) }],
    { hostname: "0.0.0.0" },
  );
}

const brief = (port: number) => ["-p", `${port}`, "-c", "1", "-w", "500ms", "--json", "-a"];
type Document = {
  readonly hosts: readonly { readonly state: string }[];
  readonly targets: readonly {
    readonly target: string;
    readonly sent: number;
    readonly error: string | null;
  }[];
};

Deno.test("send.ts -a broadcasts on each interface and asks for the addresses it holds, those there first", () =>
  withRouter(async (router) => {
    const addresses = ["192.0.2.2/24", "192.0.2.1/32", "2001:db8::1/64"];
    await router.link("e0", addresses, ownMac, ["192.0.2.20/24"]);
    await router.link("e1", ["198.51.100.2/26", "10.0.0.0/31"], otherMac, [
      "198.51.100.20/26",
      "10.0.0.1/31",
    ]);
    await using host = answering(ownMac);
    const { code, stdout, stderr } = await router.send(brief(host.port));
    assert.equal(code, 0, stdout + stderr);
    const { hosts, targets }: Document = JSON.parse(stdout);
    assert.deepEqual(hosts.map(({ state }) => state), ["healed"]);
    assert.deepEqual(targets.map(({ target }) => target), [
      "192.0.2.255",
      "198.51.100.63",
      "255.255.255.255",
    ]);
    const asked = host.received.map(({ request }) =>
      request.addresses.map(formatPrefix).filter((text) => !text.startsWith("fe80"))
    );
    // By the network of two addresses, too.
    const onSecond = ["198.51.100.2", "10.0.0.0", "192.0.2.1", "192.0.2.2", "2001:db8::1"];
    assert.deepEqual(asked.sort(), [
      ["192.0.2.1", "192.0.2.2", "2001:db8::1", "198.51.100.2", "10.0.0.0"],
      ...[onSecond, onSecond],
    ]);
  }));

Deno.test({
  name: "send.ts -a sends on the other interfaces when one is down and a firewall forbids another",
  ignore: !await isInstalled("nft"),
  fn: () =>
    withRouter(async (router) => {
      await router.link("e0", ["192.0.2.1/24"], ownMac, ["192.0.2.20/24"]);
      await router.link("e1", ["198.51.100.1/24"], ownMac);
      await router.link("e2", ["203.0.113.1/24"], ownMac);
      await ip(router.namespace, ["link set e1 down"]);
      await using host = answering(ownMac);
      const rules = `table ip filter { chain out { type filter hook output priority 0;
        ip daddr 203.0.113.255 udp dport ${host.port} drop; }; }`;
      await run([...router.namespace.argv, "nft", "-f", "-"], { input: rules });
      const { code, stdout } = await router.send([...brief(host.port), "-c", "2", "-i", "50ms"]);
      assert.equal(code, 0);
      const { targets }: Document = JSON.parse(stdout);
      assert.deepEqual(targets.map(({ target, sent, error }) => [target, sent, error]), [
        ["192.0.2.255", 2, null],
        ["198.51.100.255", 0, "Network is unreachable"],
        ["203.0.113.255", 0, "Operation not permitted"],
      ]);
    }),
});

Deno.test("send.ts exits 1 when every interface is down", () =>
  withRouter(async (router) => {
    await router.link("e0", ["192.0.2.1/24"], ownMac);
    await ip(router.namespace, ["link set e0 down"]);
    const { code, stderr } = await router.send(["-a", "-c", "2", "-i", "1ms"]);
    assert.equal(code, 1);
    assert.equal(
      stderr,
      "arpflush: Flush not sent; cannot send to 192.0.2.255: Network is unreachable\n",
    );
  }));

Deno.test("send.ts -a exits 1 when no interface can broadcast", () =>
  withRouter(async (router) => {
    const { code, stderr } = await router.send(["-a"]);
    assert.equal(code, 1);
    assert.equal(stderr, "arpflush: No interface has a broadcast address\n");
  }));

/** The address that the kernel gives an interface here once it has a carrier. */
async function linkLocalAddress(interfaceName: string): Promise<string> {
  const find = () =>
    Deno.networkInterfaces().find(({ name, address }) =>
      name === interfaceName && address.startsWith("fe80::")
    );
  await until(() => find() !== undefined, `a link-local address on ${interfaceName}`, 5_000);
  return find()?.address ?? "";
}

Deno.test("send.ts reaches a host by its link-local address and zone", () =>
  withRouter(async (router) => {
    await router.link("e0", ["192.0.2.1/24"], ownMac);
    const address = await linkLocalAddress("far-e0");
    await using host = startStandInHost(({ challenge }) => {
      // Content with its challenge: the repeated request has found its way, too.
      const clock = Date.now() + 600_000;
      const isStale = challenge.every((byte) => byte === 0);
      const stale = { status: "stale", challenge: new Uint8Array(8).fill(7), host: "" } as const;
      return [isStale ? { ...stale, clock, entries: 0 } : { clock, host: "host0" }];
    }, { hostname: "::" });
    const args = ["-p", `${host.port}`, "--no-verify", "-c", "1"];
    const { code, stdout } = await router.send([...args, `${address}%e0`]);
    assert.equal(code, 0);
    assert.match(stdout, /^host0 +fe80::[0-9a-f:]+ .* ahead +flushed$/m);
  }));

Deno.test("send.ts finds host names in the machine's own list of hosts", () =>
  withRouter(async (router, folder) => {
    await router.link("e0", ["192.0.2.1/24"], ownMac, ["192.0.2.20/24"]);
    await using host = answering(ownMac);
    await Deno.writeTextFile(`${folder}/hosts`, "192.0.2.20 web1.test\n");
    const script = 'mount -n --bind "$1" /etc/hosts && shift && exec "$@"';
    const around = ["unshare", "--mount", "sh", "-c", script, "sh", `${folder}/hosts`];
    const args = [
      "-p",
      `${host.port}`,
      "--no-verify",
      "-c",
      "1",
      "-w",
      "20s",
      "--expect",
      "1",
      "web1.test",
    ];
    const { code, stdout, stderr } = await router.send(args, around);
    assert.equal(code, 0, stdout + stderr);
  }));
