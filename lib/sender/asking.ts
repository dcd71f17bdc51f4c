/**
 * `--ask`: the part of a run that asks hosts which run no service. It finds out whom to ask for what,
 * asks them over packet sockets or, where those can't be opened, by connections, and remembers whom it
 * heard. It is loaded when it is used.
 */
import { ask, type OpenSocket } from "../ask/asker.ts";
import { addKnownHosts, HostMemory, readKnownHosts } from "../ask/known_hosts.ts";
import { type NamedHost, questionsOf } from "../ask/questions.ts";
import type { AskReport, AskResult, Neighbor } from "../ask/verdicts.ts";
import { messageOf } from "../errors.ts";
import { cString, type Libc, openLibc } from "../libc/libc.ts";
import { readNeighborTable } from "../libc/neighbor_table.ts";
import { checkPacketSockets, openPacketSocket } from "../libc/packet_socket.ts";
import { listText } from "../text.ts";
import { type Time, within } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  isLinkLocal,
  isWholeAddress,
  type OwnInterface,
  ownInterfaces,
  parseAddress,
  prefixContains,
  prefixOf,
  samePrefix,
} from "../wire/addresses.ts";
import type { SendOptions } from "./arguments.ts";
import type { ExpectedHosts } from "./expectation.ts";
import { isVirtualRouters } from "./own_link_layer.ts";
import { chooseTargets, type Target } from "./targets.ts";

/** Where hosts that were heard are kept, if this program may write there. */
const knownHostsFile = "/var/lib/arpflush-router/hosts";
/** How long the resolver may take for the names of hosts. */
const resolverMs = 2_000;
/** What a line names before it counts the rest. */
const maxNamed = 3;

/** What the asking of a run needs of it. */
interface Asking {
  readonly options: SendOptions;
  readonly how: NonNullable<SendOptions["ask"]>;
  readonly expected: ExpectedHosts;
  readonly interfaces: () => readonly OwnInterface[];
  readonly time: Time;
  /** Whether a host's own service has said that all is well. */
  readonly isTold: (host: AddressPrefix) => boolean;
  readonly watch: (result: AskResult) => void;
}

/** Asks until each host has a verdict, or the signal is aborted. Never rejects. */
export async function askHosts(asking: Asking, signal: AbortSignal): Promise<AskReport> {
  const { options, how: { pace, sweep }, interfaces, time, isTold, watch } = asking;
  const now = interfaces();
  const probeOnly = options.action === "probe";
  const { addresses, remarks } = addressesInQuestion(options, now);
  const { libc, lack } = openSockets();
  const learned = await neighborsOf(libc, now);
  const named = await namedHosts(options.hosts, asking.expected, time);
  const { questions, remarks: unasked } = questionsOf({
    interfaces: now,
    addresses,
    named: named.hosts,
    neighbors: learned.neighbors,
    everyone: options.all,
    // A drill finds out about hosts that are known, and asks around only if it is told to.
    sweep: sweep ? "large" : probeOnly ? "none" : "small",
  });
  const before = [...remarks, ...learned.remarks, ...named.remarks, ...unasked];
  let report: AskReport;
  if (libc === null || lack !== null) {
    const { askByConnecting } = await import("../ask/connect.ts");
    before.unshift(`${lack}: hosts are only connected to, and link-layer addresses not seen`);
    report = await askByConnecting(questions, { interfaces, time, pace, isTold }, signal);
  } else {
    const openSocket: OpenSocket = (link, filter) =>
      openPacketSocket(libc, link, filter, { promiscuous: true });
    const how = { openSocket, interfaces, time, pace, probeOnly, isTold, watch };
    report = await ask(questions, how, signal);
  }
  const lastSeen = time.wall();
  const heard = report.hosts.map((host) => ({ ...host, lastSeen }));
  const after = await addKnownHosts(knownHostsFile, heard).then(
    () => [],
    (error) => [messageOf(error)],
  );
  return { ...report, remarks: [...before, ...report.remarks, ...after] };
}

/** What hears hosts in this process; null if it is no daemon. */
let listening: HostMemory | null = null;

/**
 * Listens for hosts, and remembers them for runs to come. With this the FFI permission is given up.
 * Throws an Error of one line if no packet socket can be opened: runs only connect to hosts then.
 */
export function openHostMemory(time: Time, warn: (line: string) => void): HostMemory {
  const { libc, lack } = openSockets();
  if (libc === null || lack !== null) throw new Error(lack ?? "Cannot open packet sockets");
  return listening = new HostMemory({
    path: knownHostsFile,
    openSocket: (link, filter) => openPacketSocket(libc, link, filter, { promiscuous: false }),
    interfaces: () => ownInterfaces(Deno.networkInterfaces()),
    time,
    warn,
  });
}

/** The C library, which also knows the kernel's neighbors, and why no packet socket can be opened. */
function openSockets(): { readonly libc: Libc | null; readonly lack: string | null } {
  let libc: Libc | null = null;
  try {
    libc = openLibc();
    checkPacketSockets(libc);
    return { libc, lack: null };
  } catch (error) {
    return { libc, lack: messageOf(error) };
  }
}

/**
 * The addresses in question on each link that is asked, by the link's name: those of `--address` that
 * this machine holds, else its own as a datagram would name them, if there are several; where some
 * are without a network, as virtual addresses are added, those alone.
 */
export function addressesInQuestion(
  { all, interfaceNames, addresses: named }: Pick<
    SendOptions,
    "all" | "interfaceNames" | "addresses"
  >,
  interfaces: readonly OwnInterface[],
): {
  readonly addresses: ReadonlyMap<string, readonly AddressPrefix[]>;
  readonly remarks: readonly string[];
} {
  const narrowed = { all: true, interfaceNames: all ? interfaceNames : [], hosts: [] };
  const { groups } = chooseTargets(narrowed, interfaces);
  const virtual = interfaces.filter(isVirtualRouters).flatMap((own) => own.addresses)
    .map(({ address }) => address);
  const isVirtual = (address: AddressPrefix) => virtual.some((own) => samePrefix(own, address));
  const bare = interfaces.flatMap((own) => own.addresses)
    .filter(({ network }) => isWholeAddress(network)).map(({ address }) => address);
  const isBare = (address: AddressPrefix) => bare.some((own) => samePrefix(own, address));
  const skipped = new Set<string>();
  const links = groups.filter(({ isMore }) => !isMore);
  const found = links.map(({ targets, onLink }): [string, AddressPrefix[]] => {
    const [link] = targets.flatMap(({ interfaceNames }) => interfaceNames);
    const own = interfaces.filter(({ name }) => name === link).flatMap((one) => one.addresses)
      .map(({ address }) => address);
    const held = uniqueAddresses([...onLink, ...own]).filter((address) => {
      if (!isVirtual(address)) return true;
      skipped.add(formatAddress(address));
      return false;
    });
    if (named !== null) {
      return [link, held.filter((one) => named.some((prefix) => prefixContains(prefix, one)))];
    }
    const global = Map.groupBy(
      held.filter((address) => !isLinkLocal(address)),
      ({ family }) => family,
    );
    // The only one is the router's own, which never moves.
    const virtual = [...global.values()].map((some) => {
      const bare = some.filter(isBare);
      return bare.length > 0 ? bare : some.length > 1 ? some : [];
    });
    return [link, virtual.flat()];
  });
  const asked = found.flatMap(([, addresses]) => addresses);
  const absent = (named ?? []).filter((prefix) =>
    !asked.some((address) => prefixContains(prefix, address)) &&
    !virtual.some((address) => prefixContains(prefix, address))
  );
  const remarks = [
    ...skipped.size > 0
      ? [
        `nothing to ask for at ${
          listText(skipped, maxNamed)
        }: it keeps its link-layer address (use_vmac)`,
      ]
      : [],
    ...absent.length > 0
      ? [`nobody is asked for ${listText(absent.map(formatAddress), maxNamed)}: not on this router`]
      : [],
    ...named === null && asked.length === 0 && skipped.size === 0
      ? ["nobody is asked: no link has an address besides the router's own, give --address"]
      : [],
  ];
  return { addresses: new Map(found.filter(([, addresses]) => addresses.length > 0)), remarks };
}

function uniqueAddresses(addresses: readonly AddressPrefix[]): AddressPrefix[] {
  return [...new Map(addresses.map((address) => [formatAddress(address), address])).values()];
}

/** Hosts that the kernel knows, then those that were heard before. */
async function neighborsOf(
  libc: Libc | null,
  interfaces: readonly OwnInterface[],
): Promise<{ readonly neighbors: readonly Neighbor[]; readonly remarks: readonly string[] }> {
  const neighbors: Neighbor[] = [];
  const remarks: string[] = [];
  try {
    if (libc !== null) {
      const names = new Map(
        interfaces.map(({ name }) => [libc.if_nametoindex(cString(name)), name]),
      );
      for (const { family, interfaceIndex, address, linkLayerAddress } of readNeighborTable(libc)) {
        const link = names.get(interfaceIndex);
        if (link === undefined) continue;
        neighbors.push({
          link,
          address: prefixOf(family, 8 * address.length, ...address),
          linkLayerAddress,
        });
      }
    }
    if (listening !== null) {
      listening.look();
      neighbors.push(...listening.heard());
    }
    neighbors.push(...await readKnownHosts(knownHostsFile));
  } catch (error) {
    remarks.push(messageOf(error));
  }
  return { neighbors, remarks };
}

/** Hosts that are named by the command line or expected, with all the addresses of their names. */
async function namedHosts(
  targets: readonly Target[],
  expected: ExpectedHosts,
  time: Time,
): Promise<{ readonly hosts: readonly NamedHost[]; readonly remarks: readonly string[] }> {
  const lost: string[] = [];
  const resolve = async (name: string): Promise<AddressPrefix[]> => {
    const { lookup } = await import("node:dns/promises");
    const found = lookup(name, { all: true }).catch(() => []);
    const addresses = (await within(time.after, resolverMs, found, []))
      .flatMap(({ address }) => parseAddress(address) ?? []);
    if (addresses.length === 0) lost.push(name);
    return addresses;
  };
  const resolved = await Promise.all([
    ...targets.map(async ({ hostname, address, interfaceNames }): Promise<NamedHost[]> => {
      const link = interfaceNames[0] ?? null;
      if (address !== null) return [{ address, link, name: null }];
      return (await resolve(hostname)).map((address) => ({ address, link, name: hostname }));
    }),
    ...expected.hosts.map(async ({ label, names, addresses }): Promise<NamedHost[]> => {
      const known = addresses.flatMap((text) => parseAddress(text) ?? []);
      const found = known.length > 0 || names.length === 0 ? known : await resolve(names[0]);
      return found.map((address) => ({ address, link: null, name: label }));
    }),
  ]);
  const remarks = lost.length > 0 ? [`no address is known of ${listText(lost, maxNamed)}`] : [];
  return { hosts: resolved.flat(), remarks };
}
