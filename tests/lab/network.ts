/**
 * The lab's machines, in its own namespaces: a bridge, and a network namespace for each router and
 * host. The interface of a station is `e0` there; its other end, on the bridge, has the station's
 * name, and taking that one down is pulling the station's cable. All share one file tree, which is
 * what an administrator has after packaging/INSTALL.txt.
 */
import { type CommandLine, linesOf, run } from "../support/command.ts";
import { connect, ip, type NetworkNamespace, openNetworkNamespace } from "../support/namespaces.ts";

/** The address that the routers hand on: what every host probes. */
export const virtualAddress = "192.0.2.254";
/** The segment's directed broadcast address. */
export const broadcastAddress = "192.0.2.255";
/** The port of the routers' echo: RFC 862's. */
const echoPort = 7;
/** The user that keepalived runs scripts as when its configuration names none. */
export const scriptUser = "keepalived_script";
const systemLogPath = "/run/systemd/journal/dev-log";
const proberCopy = "/run/lab/prober.ts";

/** Called with each line of a program, from stdout and stderr alike. */
type OnLine = (line: string) => void;

/** A router or a host on the segment. */
export interface Station {
  readonly name: string;
  readonly address: string;
  readonly linkLayerAddress: string;
  readonly namespace: NetworkNamespace;
}

/**
 * Prepares the file tree. /run must be private and empty, and the working directory the
 * project's root, with dist/arpflush packed.
 */
export async function prepareMachine(): Promise<void> {
  await run(["mkdir", "-p", "/run/lab", "/run/systemd/journal"]);
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
}

/** Makes the bridge, on which this process hears every broadcast. */
export async function openSegment(): Promise<void> {
  await ip(null, [
    "link add name segment type bridge",
    "link set segment up",
    "addr add 192.0.2.1/24 dev segment",
  ]);
}

/** Opens a station's namespace and plugs it into a bridge; `number` ends its addresses, 2 to 250. */
export async function openStation(
  number: number,
  name: string,
  bridge = "segment",
): Promise<Station> {
  const hex = number.toString(16).padStart(2, "0");
  const address = `192.0.2.${number}`;
  const namespace = await openNetworkNamespace(name);
  const linkLayerAddress = `02:00:00:00:00:${hex}`;
  await connect(
    { namespace, name: "e0", addresses: [`${address}/24`], linkLayerAddress },
    { namespace: null, name, addresses: [] },
  );
  await ip(null, [`link set dev ${name} master ${bridge}`]);
  return { name, address, linkLayerAddress, namespace };
}

/** Pulls a station's cable, or puts it back. */
export async function setLink({ name }: Station, state: "up" | "down"): Promise<void> {
  await ip(null, [`link set dev ${name} ${state}`]);
}

/** Gives a station another network card. */
export async function replaceCard({ namespace }: Station, linkLayerAddress: string): Promise<void> {
  await ip(namespace, [`link set dev e0 address ${linkLayerAddress}`]);
}

/**
 * Makes a host behave as those do that ArpFlush is for: it believes for ten hours what it once
 * resolved, and of ARP packets from the virtual address it heeds only those addressed to itself. So
 * it ignores gratuitous ARP, and the new master's requests for other hosts, from which Linux would
 * learn too; its own requests are answered.
 */
export async function ignoreGratuitousArp(host: Station): Promise<void> {
  await ignoreGratuitousArpOf(host, [host.address], [virtualAddress], ["e0"]);
}

/** The same for several addresses and interfaces; of IPv6, unsolicited advertisements are ignored. */
export async function ignoreGratuitousArpOf(
  { namespace }: Station,
  own: readonly string[],
  addresses: readonly string[],
  devices: readonly string[],
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

/**
 * Starts a program that ends with the lab's process namespace; says so if it ends earlier. A service
 * keeps its host's key in the station's own folder.
 */
export function start({ name, namespace }: Station, line: CommandLine, onLine: OnLine): void {
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
  Promise.all(reading).then(() => child.status)
    .then(({ code }) => onLine(`"${line.join(" ")}" ended with code ${code}`));
}

/** Starts the echo of a router or the prober of a host. */
export async function startProber(
  role: "echo" | "probe",
  station: Station,
  onLine: OnLine,
): Promise<void> {
  const nonlocal = "/proc/sys/net/ipv4/ip_nonlocal_bind";
  // The echo binds the virtual address, which its router may not hold yet.
  await run([...station.namespace.argv, "sh", "-c", `echo 1 > ${nonlocal}`]);
  const flags = ["--quiet", "--no-config", "--no-lock", "--unstable-net", "--allow-net"];
  const args = [proberCopy, role, virtualAddress, String(echoPort)];
  start(station, ["/opt/arpflush/deno", "run", ...flags, ...args], onLine);
}

/** A router's keepalived. */
interface KeepalivedSettings {
  readonly priority: number;
  /** What it runs when it becomes master. @default nothing */
  readonly notify?: string;
  /** What it tells of its states. @default nothing */
  readonly fifo?: string;
  /** The prefix length that it adds the address with. @default 24 */
  readonly length?: number;
}

/**
 * Starts keepalived on a router. Both routers start as backup and don't preempt, so that only a
 * failure moves the address. There is no `use_vmac`: with it the address keeps one link-layer address
 * and there is nothing to heal.
 */
export async function startKeepalived(
  router: Station,
  { priority, notify, fifo, length = 24 }: KeepalivedSettings,
  onLine: OnLine,
): Promise<void> {
  await runKeepalived(
    router,
    `global_defs {
    router_id ${router.name}
    enable_script_security
    ${fifo === undefined ? "" : `vrrp_notify_fifo ${fifo}`}
}
vrrp_instance lan {
    state BACKUP
    nopreempt
    interface e0
    virtual_router_id 51
    priority ${priority}
    advert_int 1
    virtual_ipaddress {
        ${virtualAddress}/${length}
    }
    ${notify === undefined ? "" : `notify_master "${notify}"`}
}
`,
    onLine,
  );
}

/** Starts keepalived in the foreground by a configuration; its log goes to `onLine` without its clock. */
export async function runKeepalived(
  router: Station,
  configuration: string,
  onLine: OnLine,
): Promise<void> {
  const base = `/run/lab/${router.name}`;
  await Deno.writeTextFile(`${base}.conf`, configuration);
  const files = ["-f", `${base}.conf`, "-p", `${base}.pid`, "-r", `${base}.vrrp.pid`];
  const options = ["--dont-fork", "--log-console", "--log-detail", "--no-syslog", "--vrrp"];
  start(router, ["keepalived", ...options, ...files], (line) => {
    onLine(line.replace(/^\w{3} \w{3} [ \d]\d [\d:]{8} \d{4}: /, ""));
  });
}

/** Opens a system log, where /dev/log leads to under systemd; `onMessage` gets each message. */
export async function openSystemLog(onMessage: (message: string) => void): Promise<void> {
  const socket = Deno.listenDatagram({ transport: "unixpacket", path: systemLogPath });
  await Deno.chmod(systemLogPath, 0o666);
  (async () => {
    for await (const [bytes] of socket) onMessage(new TextDecoder().decode(bytes));
  })();
}
