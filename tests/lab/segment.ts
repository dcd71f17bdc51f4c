/**
 * The lab's segment: a bridge in the lab's own network namespace, which so hears every broadcast,
 * and a namespace for each router and host. Its interface is `e0` there; the other end, here, has
 * the station's name: taking that one down is pulling the station's cable.
 */
import { run } from "../support/command.ts";
import { connect, ip, type NetworkNamespace, openNetworkNamespace } from "../support/namespaces.ts";

/** The address that the routers hand on: what every host probes. */
export const virtualAddress = "192.0.2.254";
/** The segment's directed broadcast address. */
export const broadcastAddress = "192.0.2.255";

/** A router or a host. */
export interface Station {
  readonly name: string;
  readonly address: string;
  readonly linkLayerAddress: string;
}

/** A station that has been connected, with the namespace it lives in. */
export interface ConnectedStation extends Station {
  readonly namespace: NetworkNamespace;
}

/** A station by its number in the segment, 2 to 250. */
export function stationAt(number: number, name: string): Station {
  const hex = number.toString(16).padStart(2, "0");
  return { name, address: `192.0.2.${number}`, linkLayerAddress: `02:00:00:00:00:${hex}` };
}

/** Makes the bridge. */
export async function makeSegment(): Promise<void> {
  await ip(null, [
    "link add name segment type bridge",
    "link set segment up",
    "addr add 192.0.2.1/24 dev segment",
  ]);
}

/** Makes a station's namespace and connects it. */
export async function connectStation(station: Station): Promise<ConnectedStation> {
  const { name, address, linkLayerAddress } = station;
  const namespace = await openNetworkNamespace(name);
  await connect(
    { namespace, name: "e0", addresses: [`${address}/24`], linkLayerAddress },
    { namespace: null, name, addresses: [] },
  );
  await ip(null, [`link set dev ${name} master segment`]);
  return { ...station, namespace };
}

/** Pulls a station's cable, or puts it back. */
export async function setLink({ name }: Station, state: "up" | "down"): Promise<void> {
  await ip(null, [`link set dev ${name} ${state}`]);
}

/** Gives a station another network card: its link-layer address changes. */
export async function replaceCard(
  { namespace }: ConnectedStation,
  linkLayerAddress: string,
): Promise<void> {
  await ip(namespace, [`link set dev e0 address ${linkLayerAddress}`]);
}

/**
 * Makes a host behave as those do that ArpFlush is for: what it once resolved it believes for ten
 * hours, and of ARP packets from the virtual address it heeds only those addressed to itself. So it
 * ignores gratuitous ARP and the new master's requests for other hosts, which Linux would learn
 * from too; its own requests are answered as ever.
 */
export async function ignoreGratuitousArp(
  { namespace, address }: ConnectedStation,
): Promise<void> {
  const reachable = "/proc/sys/net/ipv4/neigh/e0/base_reachable_time_ms";
  await run([...namespace.argv, "sh", "-c", `echo 36000000 > ${reachable}`]);
  const rules = [
    "add table arp lab",
    "add chain arp lab input { type filter hook input priority 0; }",
    `add rule arp lab input arp saddr ip ${virtualAddress} arp daddr ip != ${address} counter drop`,
  ];
  await run([...namespace.argv, "nft", "-f", "-"], { input: rules.join("\n") });
}

/** How many ARP packets a host has ignored. */
export async function ignoredArpPackets({ namespace }: ConnectedStation): Promise<number> {
  const rules = await run([...namespace.argv, "nft", "list", "chain", "arp", "lab", "input"]);
  return Number(/counter packets (\d+)/.exec(rules)?.[1]);
}
