/**
 * One Ethernet with a router that has just become master, the old one, and hosts of all kinds that run
 * no service: each is a network namespace of its own on a bridge, and its kernel's table is the truth.
 */
import { type CommandOutcome, outcomeOf, run } from "../support/command.ts";
import {
  ip,
  type NetworkNamespace,
  openNetworkNamespace,
  plug,
  setNeighbors,
} from "../support/namespaces.ts";
import { programLine } from "../support/programs.ts";

/** The master's link-layer address, the old one's, and one that nobody has any more. */
export const macs = {
  router: "02:00:00:00:00:01",
  old: "02:00:00:00:00:02",
  dead: "02:00:00:00:00:99",
} as const;
/** The addresses in question. */
export const virtualAddresses = ["198.18.0.1", "2001:db8::1"] as const;

const nft = (...rules: readonly string[]) => (name: string) => [
  `nft -f - <<EOF\n${rules.join("\n")}\nEOF`.replaceAll("NAME", name),
];
const inputChain = (family: string) => [
  `add table ${family} t`,
  `add chain ${family} t input { type filter hook input priority 0; }`,
];
const sysctl = (file: string, value: number) => `echo ${value} > /proc/sys/net/${file}`;
const dropsGarp = [
  ...inputChain("arp"),
  "add rule arp t input arp saddr ip 198.18.0.1 arp daddr ip 198.18.0.1 drop",
];

/** What makes a host one of its kind: commands of its shell, given its number. */
const kinds = {
  plain: () => [],
  "GARP dropped": nft(...dropsGarp),
  "drop_gratuitous_arp": () => [sysctl("ipv4/conf/e0/drop_gratuitous_arp", 1)],
  "echo firewalled": nft(
    ...dropsGarp,
    ...inputChain("inet"),
    "add rule inet t input icmp type echo-request drop",
    "add rule inet t input icmpv6 type echo-request drop",
  ),
  "all inbound firewalled": nft(
    ...inputChain("inet"),
    "add rule inet t input icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
    "add rule inet t input drop",
  ),
  "permanent entry": () =>
    virtualAddresses.map((one) =>
      `ip neigh replace ${one} lladdr ${macs.dead} nud permanent dev e0`
    ),
  "by way of the old master": () =>
    virtualAddresses.map((one) =>
      `ip neigh replace ${one} lladdr ${macs.old} nud permanent dev e0`
    ),
  "drops the router's ARP": nft(
    ...inputChain("arp"),
    `add rule arp t input arp saddr ether ${macs.router} drop`,
    "add table netdev t",
    "add chain netdev t in { type filter hook ingress device e0 priority 0; }",
    `add rule netdev t in ether saddr ${macs.router} icmpv6 type nd-neighbor-solicit drop`,
  ),
  "off": () => ["ip link set e0 down"],
} as const satisfies Record<string, (name: string) => readonly string[]>;
export type Kind = keyof typeof kinds;

/** A host with some addresses of each family. */
export interface AskedHost {
  readonly kind: Kind;
  readonly namespace: NetworkNamespace;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly linkLayerAddress: string;
}

/** How the sender is started. */
interface AskStart {
  /** @default "router" */
  readonly program?: "router" | "sender";
  /** Put before its command line. @default nothing */
  readonly argv?: readonly string[];
}

/** The Ethernet. */
export interface AskedNetwork extends AsyncDisposable {
  readonly router: NetworkNamespace;
  readonly hosts: readonly AskedHost[];
  /** Puts every host's entries at the dead link-layer address, but for permanent ones. */
  goStale(): Promise<void>;
  /** Tells the router's kernel where the hosts are. */
  learn(): Promise<void>;
  /** Runs the sender on the router, by default with the permissions of the daemon. */
  ask(args: readonly string[], start?: AskStart): Promise<CommandOutcome>;
}

/** Makes the Ethernet, with hosts of these kinds, each with so many addresses of each family. */
export async function openAskedNetwork(
  wanted: readonly (readonly [kind: Kind, addresses: number])[],
): Promise<AskedNetwork> {
  const parts = new AsyncDisposableStack();
  await ip(null, ["link add name br0 type bridge", "link set br0 up"]);
  parts.defer(async () => void await ip(null, ["link del br0"]));
  const open = async (name: string, linkLayerAddress: string, addresses: readonly string[]) => {
    const namespace = parts.use(await openNetworkNamespace(name));
    await plug({ namespace, name: "e0", addresses, linkLayerAddress }, name, "br0");
    return namespace;
  };
  const count = wanted.reduce((sum, [, addresses]) => sum + addresses, 0);
  const length = count > 251 ? 22 : 24;
  const own = [`198.18.0.2/${length}`, "2001:db8::2/64", "198.18.0.1/32", "2001:db8::1/128"];
  const router = await open("router", macs.router, own);
  const old = await open("old", macs.old, [`198.18.0.3/${length}`, "2001:db8::3/64"]);
  await shell(old, [
    sysctl("ipv4/ip_forward", 1),
    sysctl("ipv6/conf/all/forwarding", 1),
    sysctl("ipv4/conf/all/send_redirects", 0),
    sysctl("ipv4/conf/e0/send_redirects", 0),
  ]);
  const hosts: AskedHost[] = [];
  let next = 4;
  for (const [i, [kind, count]] of wanted.entries()) {
    const numbers = Array.from({ length: count }, () => next++);
    const ipv4 = numbers.map((n) => `198.18.${n >> 8}.${n & 255}`);
    const ipv6 = numbers.map((n) => `2001:db8::${n.toString(16)}:1`);
    const linkLayerAddress = `02:00:00:00:01:${(i + 1).toString(16).padStart(2, "0")}`;
    const namespace = await open(`h${i}`, linkLayerAddress, [
      ...ipv4.map((one) => `${one}/${length}`),
      ...ipv6.map((one) => `${one}/64`),
    ]);
    hosts.push({ kind, namespace, ipv4, ipv6, linkLayerAddress });
    await shell(namespace, [
      sysctl("ipv4/neigh/e0/base_reachable_time_ms", 36_000_000),
      sysctl("ipv6/neigh/e0/base_reachable_time_ms", 36_000_000),
      ...kinds[kind](`h${i}`),
    ]);
  }
  const others = hosts.filter(({ kind }) => kind !== "off");
  return {
    router,
    hosts,
    goStale: async () => {
      for (const { kind, namespace } of others) {
        if (kind === "permanent entry" || kind === "by way of the old master") continue;
        await setNeighbors(namespace, virtualAddresses, macs.dead, "reachable");
      }
    },
    learn: async () => {
      for (const { ipv4, ipv6, linkLayerAddress } of hosts) {
        await setNeighbors(router, [...ipv4, ...ipv6], linkLayerAddress, "stale");
      }
    },
    ask: (args, { program = "router", argv = [] } = {}) =>
      outcomeOf([...router.argv, ...argv, ...programLine(program, ["--ask", ...args])]),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function shell({ argv }: NetworkNamespace, lines: readonly string[]): Promise<string> {
  return run([...argv, "sh", "-ec", lines.join("\n")]);
}
