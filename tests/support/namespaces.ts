/**
 * Throw-away Linux namespaces for the demo and the tests. They have no names: when the processes in
 * them have ended, the kernel takes everything away, whichever way they ended.
 */
import { CommandError, type CommandLine, run } from "./command.ts";

/** Network, mounts and processes; with the first process in there all others end. */
const unshare = [
  "unshare",
  ...["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"],
];
/** Lets somebody who isn't root be root in there. */
const asRoot = ["--user", "--map-root-user"];
/** /run is a place for files that vanish, and hides the machine's own; -n: no note of it there. */
const prepare = 'mount -n -t tmpfs -o mode=755 tmpfs /run && ip link set lo up && exec "$@"';

/** How a program is started in namespaces of its own, or why that can't be done here. */
export type Isolation = { readonly argv: CommandLine } | { readonly missing: string };

/**
 * Finds out by trying: as root, otherwise through an unprivileged user namespace. Put a program and
 * its arguments behind `argv`: it is root there, alone in its process namespace, with an
 * empty /run and no interface but a loopback that is up.
 */
export async function findIsolation(): Promise<Isolation> {
  if (Deno.build.os !== "linux") return { missing: `network namespaces (${Deno.build.os})` };
  let missing = "";
  for (const rights of [[], asRoot]) {
    const argv = [...unshare, ...rights, "sh", "-c", prepare, "sh"];
    try {
      await run([...argv, "ip", "link", "add", "name", "v0", "type", "veth"]);
      return { argv };
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      missing = error.complaint;
    }
  }
  return { missing: `network namespaces (${missing})` };
}

/** A network namespace with a host name of its own. Disposing of it ends what holds it. */
export interface NetworkNamespace extends AsyncDisposable {
  /** The process that holds it. */
  readonly pid: number;
  /** Put a program and its arguments behind this to run it in there. */
  readonly argv: CommandLine;
}

/**
 * Takes every link away, and with some of them others. The kernel would do it, too, but some time after
 * the namespace has ended.
 */
const unplug = `ip -oneline link show | while IFS=': @' read -r index name rest; do
  if [ "$name" != lo ] && ip link show "$name" >/dev/null 2>&1; then ip link del "$name"; fi
done`;

/** Opens one; its interfaces are its loopback, up. Ends with this process at the latest. */
export async function openNetworkNamespace(hostName: string): Promise<NetworkNamespace> {
  // "cat" says when it is ready, and ends when this process does: its input is closed then.
  const hold = 'hostname "$1" && ip link set lo up && echo ready && exec cat';
  const holder = new Deno.Command("unshare", {
    args: ["--net", "--uts", "sh", "-c", hold, "sh", hostName],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const { value } = await holder.stdout.values().next();
  if (value === undefined) throw new Error(`Cannot open a network namespace for "${hostName}"`);
  const { pid } = holder;
  const argv = ["nsenter", "--target", String(pid), "--net", "--uts"];
  return {
    pid,
    argv,
    [Symbol.asyncDispose]: async () => {
      await run([...argv, "sh", "-c", unplug]);
      await holder.stdin.close();
      await holder.status;
    },
  };
}

/** One end of a link: in which namespace, null for this process's own, and how it is set up. */
interface LinkEnd {
  readonly namespace: NetworkNamespace | null;
  readonly name: string;
  /** With prefix lengths, both families. */
  readonly addresses: readonly string[];
  /** @default one that the kernel makes up */
  readonly linkLayerAddress?: string;
}

/** Connects two ends with an Ethernet of their own; when this returns it carries both families. */
export async function connect(a: LinkEnd, b: LinkEnd): Promise<void> {
  await run(["ip", "link", "add", ...nameAt(a), "type", "veth", "peer", ...nameAt(b)]);
  for (const { namespace, name, addresses, linkLayerAddress } of [a, b]) {
    // For a second or two after an interface comes up its IPv6 addresses couldn't be used otherwise.
    await setUp(namespace, `ipv6/conf/${name}/accept_dad`, 0, [
      ...(linkLayerAddress === undefined ? [] : [`link set ${name} address ${linkLayerAddress}`]),
      ...addresses.map((address) => `addr add ${address} dev ${name}`),
      `link set ${name} up`,
    ]);
  }
}

/** Plugs a namespace into a bridge here by a port of that name, on which nobody here speaks. */
export async function plug(end: LinkEnd, port: string, bridge: string): Promise<void> {
  await connect(end, { namespace: null, name: port, addresses: [] });
  await setUp(null, `ipv6/conf/${port}/disable_ipv6`, 1, [`link set ${port} master ${bridge}`]);
}

function nameAt({ namespace, name }: LinkEnd): string[] {
  return ["name", name, ...(namespace === null ? [] : ["netns", String(namespace.pid)])];
}

/** Writes a setting of the kernel's below /proc/sys/net, if it has it, and runs commands of `ip`. */
async function setUp(
  namespace: NetworkNamespace | null,
  setting: string,
  value: number,
  lines: readonly string[],
): Promise<void> {
  const script = 'if [ -e "$1" ]; then echo "$2" > "$1"; fi; exec ip -batch -';
  const line = ["sh", "-c", script, "sh", `/proc/sys/net/${setting}`, `${value}`];
  await run([...namespace?.argv ?? [], ...line], { input: `${lines.join("\n")}\n` });
}

/** Runs commands of `ip` in a namespace, null for this process's own; gives what they print. */
export function ip(
  namespace: NetworkNamespace | null,
  lines: readonly string[],
): Promise<string> {
  return run([...namespace?.argv ?? [], "ip", "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/** The link-layer address that a namespace's kernel has for an address, in any state; null for none. */
export async function linkLayerAddressOf(
  namespace: NetworkNamespace,
  address: string,
): Promise<string | null> {
  const shown = await ip(namespace, [`neigh show to ${address} nud all`]);
  return /lladdr (\S+)/.exec(shown)?.[1] ?? null;
}

/** Sets entries of a namespace's table: addresses at a link-layer address, in a state of `ip neigh`. */
export function setNeighbors(
  namespace: NetworkNamespace,
  addresses: readonly string[],
  linkLayerAddress: string,
  state: string,
  device = "e0",
): Promise<string> {
  const what = `lladdr ${linkLayerAddress} dev ${device} nud ${state}`;
  return ip(namespace, addresses.map((address) => `neigh replace ${address} ${what}`));
}
