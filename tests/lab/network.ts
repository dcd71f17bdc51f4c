/**
 * The lab's machines, in its own namespaces: bridges, and a network namespace for each router and host.
 * All share one file tree, which is what an administrator has after packaging/INSTALL.txt.
 */
import { type CommandLine, linesOf, run, until } from "../support/command.ts";
import { ip, type NetworkNamespace, openNetworkNamespace, plug } from "../support/namespaces.ts";

/** The address that the routers hand on: what every host probes. */
export const virtualAddress = "192.0.2.254";
/** The port of the routers' echo: RFC 862's. */
const echoPort = 7;
/** The user that keepalived runs scripts as when its configuration names none. */
export const scriptUser = "keepalived_script";
const systemLogPath = "/run/systemd/journal/dev-log";
const proberCopy = "/run/lab/prober.ts";

/** Called with each line of a program, from stdout and stderr alike. */
export type OnLine = (line: string) => void;

/** An Ethernet: a bridge, on which this process hears every broadcast. */
export interface Link {
  readonly bridge: string;
  /** The first three bytes of its IPv4 networks, all /24. */
  readonly networks: readonly string[];
  /** The /64 that it has besides. @default none */
  readonly network6?: string;
}

/** The link of labs that have one. */
export const lan: Link = { bridge: "lan", networks: ["192.0.2"] };

/** A router or a host, with an interface e0, e1 … on each of its links. */
export interface Station {
  readonly name: string;
  /** Its first address. */
  readonly address: string;
  /** That of its first interface. */
  readonly linkLayerAddress: string;
  readonly namespace: NetworkNamespace;
  /** Where its cables end: ports of the bridges. */
  readonly ports: readonly string[];
}

/**
 * Prepares the file tree. /run must be private and empty, and the working directory the
 * project's root, with dist/arpflush packed.
 */
export async function prepareMachine(): Promise<void> {
  await run(["mkdir", "-p", "/run/lab", "/run/systemd/journal", "/run/arpflush-router"]);
  const prober = await Deno.readTextFile(new URL("prober.ts", import.meta.url));
  await Deno.writeTextFile(proberCopy, prober);
  await run(["cp", "-a", "/etc", "/run/lab/etc"]);
  await run(["rm", "-rf", "/run/lab/etc/arpflush"]);
  await run(["mount", "--bind", "/run/lab/etc", "/etc"]);
  const users = await Deno.readTextFile("/etc/passwd");
  if (!users.split("\n").some((line) => line.startsWith(`${scriptUser}:`))) {
    const entry = `${scriptUser}:x:64123:64123::/nonexistent:/usr/sbin/nologin\n`;
    await Deno.writeTextFile("/etc/passwd", entry, { append: true });
    await Deno.writeTextFile("/etc/group", `${scriptUser}:x:64123:\n`, { append: true });
  }
  await run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/opt"]);
  // A relative path: the working directory stays reachable even if /opt hides it.
  await run(["cp", "-r", "dist/arpflush", "/opt/"]);
  await run(["chown", "-R", "root:root", "/opt/arpflush"]);
  await Deno.mkdir("/etc/arpflush", { mode: 0o755 });
  const keyFile = "/etc/arpflush/key";
  await Deno.writeTextFile(keyFile, await run(["/opt/arpflush/arpflush", "--keygen"]));
  await Deno.chmod(keyFile, 0o400);
  const publicKey = (await run(["/opt/arpflush/arpflush", "--public-key"])).trim();
  await Deno.writeTextFile("/etc/arpflush/arpflush.toml", `RouterKeys = ["${publicKey}"]\n`);
  await run(["chown", scriptUser, keyFile]);
  await run(["install", "-d", "-o", scriptUser, "/run/arpflush"]);
}

/** Makes the bridges of links. */
export async function openLinks(links: readonly Link[] = [lan]): Promise<void> {
  for (const { bridge, networks: [network] } of links) {
    await ip(null, [
      `link add name ${bridge} type bridge`,
      `link set ${bridge} up`,
      `addr add ${network}.249/24 dev ${bridge}`,
    ]);
  }
}

/**
 * Opens a station's namespace and plugs it into links, or into those of them that `on` has; `number`
 * ends its addresses, 2 to 248.
 */
export async function openStation(
  number: number,
  name: string,
  links: readonly Link[] = [lan],
  on: readonly number[] = [...links.keys()],
): Promise<Station> {
  const hex = number.toString(16).padStart(2, "0");
  const namespace = await openNetworkNamespace(name);
  for (const i of on) {
    const { bridge, networks, network6 } = links[i];
    const addresses = networks.map((network) => `${network}.${number}/24`);
    if (network6 !== undefined) addresses.push(`${network6}::${number.toString(16)}/64`);
    const linkLayerAddress = `02:00:00:00:0${i}:${hex}`;
    await plug({ namespace, name: `e${i}`, addresses, linkLayerAddress }, `${name}-${i}`, bridge);
  }
  const [first] = on;
  return {
    name,
    address: `${links[first].networks[0]}.${number}`,
    linkLayerAddress: `02:00:00:00:0${first}:${hex}`,
    namespace,
    ports: on.map((i) => `${name}-${i}`),
  };
}

/** Pulls a station's cables, or puts them back. */
export async function setLink({ ports }: Station, state: "up" | "down"): Promise<void> {
  await ip(null, ports.map((port) => `link set dev ${port} ${state}`));
}

/** Gives a station another network card. */
export async function replaceCard({ namespace }: Station, linkLayerAddress: string): Promise<void> {
  await ip(namespace, [`link set dev e0 address ${linkLayerAddress}`]);
}

/**
 * Makes a host behave as those do that ArpFlush is for: it believes for ten hours what it once
 * resolved, and of ARP packets from virtual addresses it heeds only those addressed to itself. So it
 * ignores gratuitous ARP, and the new master's requests for other hosts, from which Linux would learn
 * too; its own requests are answered. Of IPv6 it ignores unsolicited advertisements.
 */
export async function ignoreGratuitousArp(
  { namespace, address }: Station,
  own: readonly string[] = [address],
  addresses: readonly string[] = [virtualAddress],
  devices: readonly string[] = ["e0"],
): Promise<void> {
  const script = "for name; do for family in 4 6; do " +
    "echo 36000000 > /proc/sys/net/ipv$family/neigh/$name/base_reachable_time_ms; done; done";
  await run([...namespace.argv, "sh", "-c", script, "sh", ...devices]);
  const ipv4 = addresses.filter((address) => !address.includes(":"));
  const rules = [
    "add table arp lab",
    "add chain arp lab input { type filter hook input priority 0; }",
    ...ipv4.map((address) =>
      `add rule arp lab input arp saddr ip ${address} arp daddr ip != { ${own} } counter drop`
    ),
    "add table ip6 lab",
    "add chain ip6 lab input { type filter hook input priority 0; }",
    "add rule ip6 lab input icmpv6 type nd-neighbor-advert ip6 daddr ff00::/8 drop",
  ];
  await run([...namespace.argv, "nft", "-f", "-"], { input: rules.join("\n") });
}

/** How many ARP packets a host has ignored. */
export async function ignoredArpPackets({ namespace }: Station): Promise<number> {
  const rules = await run([...namespace.argv, "nft", "list", "chain", "arp", "lab", "input"]);
  return Number(/counter packets (\d+)/.exec(rules)?.[1]);
}

/** A program that runs at a station. */
export interface Program {
  kill(signal: Deno.Signal): void;
  readonly ended: Promise<void>;
}

/**
 * Starts a program, which ends with the lab's process namespace; says so if it ends earlier. A service
 * keeps its host's key in the station's own folder.
 */
function start({ name, namespace }: Station, line: CommandLine, onLine: OnLine): Program {
  const [program, ...args] = [...namespace.argv, ...line];
  const env = {
    PATH: "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    STATE_DIRECTORY: `/run/arpflush/${name}`,
  };
  const streams = { stdin: "null", stdout: "piped", stderr: "piped" } as const;
  const child = new Deno.Command(program, { args, clearEnv: true, env, ...streams }).spawn();
  const reading = [child.stdout, child.stderr].map(async (stream) => {
    for await (const line of linesOf(stream)) onLine(line);
  });
  const ended = Promise.all(reading).then(() => child.status)
    .then(({ code }) => onLine(`"${line.join(" ")}" ended with code ${code}`));
  return { kill: (signal) => child.kill(signal), ended };
}

/** Starts a program, and waits for its first line that matches. */
export async function startUntil(
  pattern: RegExp,
  station: Station,
  line: CommandLine,
  onLine: OnLine,
): Promise<Program> {
  let isUp = false;
  const program = start(station, line, (text) => {
    isUp ||= pattern.test(text);
    onLine(text);
  });
  await until(() => isUp, `${pattern} of ${line[0]} on ${station.name}`);
  return program;
}

/** Starts the service of a host. */
export async function startService(host: Station, onLine: OnLine = () => {}): Promise<void> {
  await startUntil(/Started/, host, ["/opt/arpflush/arpflush-service"], onLine);
}

/** Where keepalived tells the daemon of a router; both routers share one file tree. */
export const fifoOf = ({ name }: Station): string => `/run/arpflush/${name}.fifo`;

/** Starts the daemon of a router as its unit does, and waits until it reads its FIFO. */
export async function startFollower(
  router: Station,
  options: readonly string[],
  onLine: OnLine,
): Promise<Program> {
  const fifo = fifoOf(router);
  await run(["sh", "-c", 'test -p "$1" || mkfifo -m 600 "$1"', "sh", fifo]);
  const program = ["nice", "-n", "-5", "/opt/arpflush/arpflush-router", "--follow", fifo];
  return await startUntil(/Following/, router, [...program, ...options], onLine);
}

/** Starts the echo of a router. */
export async function startEcho(router: Station, onLine: OnLine): Promise<void> {
  // It binds the virtual address, which its router may not hold yet.
  const nonlocal = "echo 1 > /proc/sys/net/ipv4/ip_nonlocal_bind";
  await run([...router.namespace.argv, "sh", "-c", nonlocal]);
  startProgram("echo", router, onLine);
}

/** Starts the prober of a host; `answers` gets the time of each answer, in ms of Unix time. */
export async function startProber(
  host: Station,
  answers: number[],
  onLine: OnLine,
): Promise<void> {
  startProgram("probe", host, (line) => {
    if (Number(line) > 0) answers.push(Number(line));
    else onLine(line);
  });
  await until(() => answers.length > 100, `answers to ${host.name}`);
}

function startProgram(role: "echo" | "probe", station: Station, onLine: OnLine): void {
  const flags = ["--quiet", "--no-config", "--no-lock", "--unstable-net", "--allow-net"];
  const args = [proberCopy, role, virtualAddress, String(echoPort)];
  start(station, ["/opt/arpflush/deno", "run", ...flags, ...args], onLine);
}

/** Opens a system log, where /dev/log leads to under systemd; `onMessage` gets each message. */
export async function openSystemLog(onMessage: (message: string) => void): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: systemLogPath });
  await Deno.chmod(systemLogPath, 0o666);
  (async () => {
    for await (const [bytes] of socket) onMessage(new TextDecoder().decode(bytes));
  })();
}
