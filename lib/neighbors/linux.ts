/** The neighbor cache of Linux, over iproute2. */
import { messageOf } from "../errors.ts";
import type { NeighborReport } from "../wire/ack.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  type InterfaceInfo,
  interfaceNameOf,
  isLoopback,
  isWholeAddress,
  parseOwnAddress,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import {
  bailsOut,
  createIpCommand,
  eexist,
  type IpCommand,
  type KernelNeighbor,
  parseGateways,
  parseIpLine,
  parseNeighbors,
  readFlushes,
  readIpResult,
  wasOvertaken,
} from "./iproute2.ts";
import {
  type FlushScope,
  type Neighbor,
  type NeighborCache,
  NeighborCacheError,
} from "./neighbor_cache.ts";

/** What the cache stands on. */
export interface LinuxCacheOptions extends ResolveOptions {
  /** @default createIpCommand() */
  readonly ip?: IpCommand;
  /** @default Deno.networkInterfaces */
  readonly interfaces?: () => readonly Omit<InterfaceInfo, "mac">[];
}

/**
 * The cache of the network namespace this process is in. Changing it needs CAP_NET_ADMIN. A
 * link is what an interface's address and prefix length say: a network that is on-link only by
 * a route isn't looked at.
 */
export function createLinuxCache(options: LinuxCacheOptions = {}): NeighborCache {
  const { ip = createIpCommand(), interfaces = Deno.networkInterfaces } = options;
  const now = options.now ?? (() => performance.now());
  const table = createKernelTable(ip);

  function readLinks(): Link[] {
    try {
      return linksOf(interfaces());
    } catch (error) {
      const reason = messageOf(error);
      throw new NeighborCacheError(`Cannot list the network interfaces: ${reason}`);
    }
  }

  /** For each address where it can be a neighbor, in order; nowhere: it isn't looked at. */
  function targetsOf(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix | undefined,
  ): NeighborTarget[][] {
    const links = readLinks().filter((link) => isPlainInterfaceName(link.interfaceName));
    return addresses.map((address) => {
      if (!isWholeAddress(address)) return [];
      return interfacesToward(links, address, source)
        .map((interfaceName) => ({ address, interfaceName }));
    });
  }

  async function report(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix | undefined,
    read: (targets: readonly NeighborTarget[]) => Promise<KernelNeighbor[]>,
  ): Promise<NeighborReport[]> {
    const targets = targetsOf(addresses, source);
    const all = withoutDoubles(targets.flat());
    const neighbors = all.length === 0 ? [] : await read(all);
    return targets.map((places) => reportOf(neighbors, places));
  }

  return {
    description: "iproute2 (ip)",
    list: async () => (await table.list()).map(neighborOf),
    flush: async (scope) => {
      const start = now();
      const removed = await table.flush(scope);
      const micros = Math.round((now() - start) * 1000);
      return { removed, micros, notes: [] };
    },
    resolve: (addresses, source) =>
      report(addresses, source, (targets) => resolveAnew(table, targets, options)),
    look: (addresses, source) => report(addresses, source, () => table.listAll()),
    gateways: () => table.gateways(),
  };
}

function withoutDoubles(targets: readonly NeighborTarget[]): NeighborTarget[] {
  return targets.filter((target, i) =>
    i ===
      targets.findIndex((other) =>
        other.interfaceName === target.interfaceName && samePrefix(other.address, target.address)
      )
  );
}

function neighborOf(entry: KernelNeighbor): Neighbor {
  const { address, device, linkLayerAddress } = entry;
  return { address, interfaceName: device, linkLayerAddress, permanent: isPermanent(entry) };
}

/** What is known at the first of the places where there is a neighbor. */
function reportOf(
  neighbors: readonly KernelNeighbor[],
  places: readonly NeighborTarget[],
): NeighborReport {
  for (const place of places) {
    const entry = entryAt(neighbors, place);
    if (entry === undefined || entry.linkLayerAddress === null) continue;
    const state = isPermanent(entry) ? "permanent" : "neighbor";
    return { state, linkLayerAddress: entry.linkLayerAddress };
  }
  const state = places.length === 0 ? "not looked at" : "no neighbor";
  return { state, linkLayerAddress: new Uint8Array(6) };
}

// What a flush removed, counted from the table before and after it.

/** How many entries are gone, or at another link-layer address. */
export function countRemoved(before: readonly Neighbor[], after: readonly Neighbor[]): number {
  const left = new Map(after.map((neighbor) => [keyOf(neighbor), linkLayerText(neighbor)]));
  return before.filter((neighbor) => left.get(keyOf(neighbor)) !== linkLayerText(neighbor)).length;
}

function keyOf({ address, interfaceName }: Neighbor): string {
  return `${formatAddress(address)} ${interfaceName}`;
}

function linkLayerText({ linkLayerAddress }: Neighbor): string {
  return linkLayerAddress?.toHex() ?? "";
}

// Resolving neighbors anew on Linux: forget, solicit, look until all is known or time is over.

/** How long it may take, and the clock it is measured by. */
export interface ResolveOptions {
  /** @default 1000 */
  readonly timeoutMs?: number;
  /** Monotonic, in ms. @default performance.now */
  readonly now?: () => number;
  /** @default a timer */
  readonly sleep?: (ms: number) => Promise<void>;
}

/** What resolving needs of the table. */
export type ResolvableTable = Pick<KernelTable, "forget" | "solicit" | "listAll">;

const firstWaitMs = 10;
const longestWaitMs = 160;

/**
 * The table after each target was resolved anew, or as far as that came within the time. Entries are
 * dropped first: a stale one would be used, and probed, for seconds before the kernel asks again.
 * What has a link-layer address afterwards was therefore learned meanwhile. A flush by somebody else
 * in between only costs time: what is missing is asked for again.
 */
export async function resolveAnew(
  table: ResolvableTable,
  targets: readonly NeighborTarget[],
  options: ResolveOptions = {},
): Promise<KernelNeighbor[]> {
  const {
    timeoutMs = 1000,
    now = () => performance.now(),
    sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  } = options;
  const end = now() + timeoutMs;
  let neighbors = await table.forget(targets);
  for (let wait = firstWaitMs;; wait = Math.min(2 * wait, longestWaitMs)) {
    const missing = targets.filter((target) => entryAt(neighbors, target) === undefined);
    if (missing.length > 0) neighbors = await table.solicit(missing);
    const left = end - now();
    if (left <= 0 || targets.every((target) => isSettled(entryAt(neighbors, target)))) {
      return neighbors;
    }
    await sleep(Math.min(wait, left));
    neighbors = await table.listAll();
  }
}

/** The entry of a target, if there is one. */
export function entryAt(
  neighbors: readonly KernelNeighbor[],
  { address, interfaceName }: NeighborTarget,
): KernelNeighbor | undefined {
  return neighbors.find((neighbor) =>
    neighbor.device === interfaceName && samePrefix(neighbor.address, address)
  );
}

/** Whether waiting can't change the answer: there is one, or the kernel has given up. */
function isSettled(entry: KernelNeighbor | undefined): boolean {
  if (entry === undefined) return false;
  return entry.linkLayerAddress !== null || entry.state === "FAILED" || isPermanent(entry);
}

/** Whether an administrator set the entry, so that a flush leaves it alone. */
export function isPermanent(entry: KernelNeighbor): boolean {
  return entry.state === "PERMANENT" || entry.state === "NOARP";
}

// Which of the host's links an address is on. Pure: the interfaces are handed in.

/** One address of an interface, with the network it is in. */
export interface Link {
  readonly interfaceName: string;
  readonly own: AddressPrefix;
  readonly network: AddressPrefix;
}

/** The links of `Deno.networkInterfaces()`; what isn't an address with a prefix length is left out. */
export function linksOf(interfaces: readonly Omit<InterfaceInfo, "mac">[]): Link[] {
  return interfaces.flatMap((info) => {
    const own = parseOwnAddress(info);
    if (own === null) return [];
    return [{ interfaceName: interfaceNameOf(info), own: own.address, network: own.network }];
  });
}

/**
 * The names of the interfaces on which an address can be a neighbor: those with the longest prefix
 * that holds it; of several, those that `source` is on, if any. Empty for an address of the host
 * itself, a loopback address, and one that is on no link.
 */
export function interfacesToward(
  links: readonly Link[],
  address: AddressPrefix,
  source?: AddressPrefix,
): string[] {
  if (links.some((link) => samePrefix(link.own, address))) return [];
  if (isLoopback(address)) return [];
  const holding = links.filter((link) => prefixContains(link.network, address));
  const longest = Math.max(...holding.map((link) => link.network.length));
  const names = new Set(
    holding.filter((link) => link.network.length === longest).map((link) => link.interfaceName),
  );
  if (source === undefined || names.size < 2) return [...names];
  const near = links.filter((link) =>
    names.has(link.interfaceName) && prefixContains(link.network, source)
  );
  return near.length === 0 ? [...names] : [...new Set(near.map((link) => link.interfaceName))];
}

// The kernel's neighbor table through `ip`: one function for each thing asked of it.

/** Where a neighbor is looked for. */
export interface NeighborTarget {
  /** A whole address. */
  readonly address: AddressPrefix;
  readonly interfaceName: string;
}

/** The table. Every method is one run of `ip` and rejects with a `NeighborCacheError`. */
export interface KernelTable {
  /** Every entry but those that need no resolution (NOARP: the kernel's own for multicast). */
  list(): Promise<KernelNeighbor[]>;
  /** Every entry, NOARP included. */
  listAll(): Promise<KernelNeighbor[]>;
  /**
   * Flushes; permanent and NOARP entries stay. Counts the entries that were there at its beginning
   * and that it removed, as far as nothing else removed entries at the same time.
   */
  flush(scope: FlushScope): Promise<number>;
  /** Drops the entries at these targets, but for permanent and NOARP ones; then as `listAll`. */
  forget(targets: readonly NeighborTarget[]): Promise<KernelNeighbor[]>;
  /**
   * Makes the kernel ask for neighbors it has no entry for (ARP, Neighbor Solicitation) and doesn't
   * wait for answers; then as `listAll`. If an entry came up meanwhile, targets behind it in the
   * list may be left out.
   */
  solicit(targets: readonly NeighborTarget[]): Promise<KernelNeighbor[]>;
  /** The default gateways, IPv4 first; two runs. */
  gateways(): Promise<AddressPrefix[]>;
}

const show = "neigh show";
const showAll = "neigh show nud all";
/** Runs of a flush that is overtaken each time; more than one is rare already. */
const attemptsMost = 10;

/** Names that the syntax of `ip -batch` takes as they are: no blank, quote, backslash or #. */
const plainName = /^[!$-&(-[\]-~]{1,15}$/;

/** Whether a name can be handed to `ip` in a batch. */
export function isPlainInterfaceName(name: string): boolean {
  return plainName.test(name);
}

/** The table as `ip` shows and changes it. */
export function createKernelTable(ip: IpCommand): KernelTable {
  /**
   * Runs a batch, and again while one of its flushes is overtaken; the lines of each run. `-force`:
   * a flush that bails out is done.
   */
  async function run(batch: readonly string[], option: string): Promise<string[][]> {
    const args = ["-force", option, "-batch", "-"];
    const outputs: string[][] = [];
    for (;;) {
      const { lines, failure } = readIpResult(await ip(args, `${batch.join("\n")}\n`));
      outputs.push(lines);
      if (failure === null) return outputs;
      if (!wasOvertaken(failure) || outputs.length === attemptsMost) throw failure;
    }
  }

  /** Runs a batch that shows the table once. */
  async function runAndList(batch: readonly string[]): Promise<KernelNeighbor[]> {
    const lines = (await run(batch, "-json")).at(-1) ?? [];
    const tables = lines.filter((line) => !bailsOut(line));
    if (tables.length !== 1) throw countError(`${tables.length} tables instead of 1`);
    return parseNeighbors(parseIpLine(tables[0]));
  }

  function runAndListAll(batch: readonly string[]): Promise<KernelNeighbor[]> {
    return runAndList([...batch, showAll]);
  }

  async function gatewaysOf(family: "-4" | "-6"): Promise<AddressPrefix[]> {
    const result = await ip([family, "-json", "route", "show", "default"], "");
    const { lines, failure } = readIpResult(result);
    if (failure !== null) throw failure;
    return lines.map(parseIpLine).flatMap(parseGateways);
  }

  return {
    list: () => runAndList([show]),
    listAll: () => runAndListAll([]),
    flush: async (scope) => {
      const places = scope === "all"
        ? ["all"]
        : scope.map((prefix) => `to ${formatPrefix(prefix)}`);
      const outputs = await run(places.map((place) => `neigh flush ${place}`), "-statistics");
      const counts = outputs.map(readFlushes);
      const ended = counts.at(-1)?.ended;
      if (ended !== places.length) throw countError(`${ended} flushes instead of ${places.length}`);
      return counts.reduce((sum, { removed }) => sum + removed, 0);
    },
    forget: (targets) => runAndListAll(targets.map((target) => `neigh flush to ${place(target)}`)),
    solicit: async (targets) => {
      // "add", because "replace … use" turns a permanent entry into an incomplete one; "nud none",
      // because "ip" asks for a permanent entry otherwise, which the kernel never collects.
      const batch = targets.map((target) => `neigh add ${place(target)} nud none use`);
      try {
        return await runAndListAll(batch);
      } catch (error) {
        if (!(error instanceof NeighborCacheError) || error.code !== eexist) throw error;
        return await runAndListAll([]);
      }
    },
    gateways: async () => {
      const [ipv4, ipv6] = await Promise.all([gatewaysOf("-4"), gatewaysOf("-6")]);
      return [...ipv4, ...ipv6];
    },
  };
}

function countError(what: string): NeighborCacheError {
  return new NeighborCacheError(`Cannot read the output of "ip": ${what}`);
}

function place({ address, interfaceName }: NeighborTarget): string {
  return `${formatAddress(address)} dev ${interfaceName}`;
}
