/** The neighbor cache of Linux: the table of the network namespace this process is in. */
import { messageOf } from "../errors.ts";
import { sleep, systemTime, type Time } from "../time.ts";
import type { NeighborReport } from "../wire/ack.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  type InterfaceInfo,
  isLoopback,
  isWholeAddress,
  type OwnInterface,
  ownInterfaces,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import {
  createIpCommand,
  EEXIST,
  ENODEV,
  ENOENT,
  type IpCommand,
  type KernelNeighbor,
  parseGateways,
  parseNeighbors,
  readFlushes,
  readIpResult,
  unreadable,
  wasOvertaken,
} from "./iproute2.ts";
import { type FlushScope, type NeighborCache, NeighborCacheError } from "./neighbor_cache.ts";

/** What the cache stands on. */
interface LinuxCacheOptions {
  /** @default createIpCommand() */
  readonly ip?: IpCommand;
  /** @default Deno.networkInterfaces */
  readonly interfaces?: () => readonly InterfaceInfo[];
  /** How long `resolve` waits for answers. @default 1000 */
  readonly resolveMs?: number;
  /** @default the process's own */
  readonly time?: Time;
}

/** Where a neighbor is looked for. */
interface Place {
  /** A whole address. */
  readonly address: AddressPrefix;
  readonly device: string;
}

/**
 * The cache over iproute2. Changing it needs CAP_NET_ADMIN. What is on a link follows from the
 * addresses and prefix lengths of its interface: a network that is on-link by a route alone isn't
 * looked at.
 */
export function createLinuxCache(options: LinuxCacheOptions = {}): NeighborCache {
  const {
    ip = createIpCommand(),
    interfaces = Deno.networkInterfaces,
    resolveMs = 1000,
    time = systemTime,
  } = options;

  async function report(
    addresses: readonly AddressPrefix[],
    source: AddressPrefix | undefined,
    read: (places: readonly Place[]) => Promise<KernelNeighbor[]>,
  ): Promise<NeighborReport[]> {
    const own = readInterfaces(interfaces);
    const placesOf = addresses.map((address) =>
      isWholeAddress(address)
        ? interfacesToward(own, address, source).map((device) => ({ address, device }))
        : []
    );
    const places = new Map(placesOf.flat().map((place) => [placeText(place), place]));
    const neighbors = places.size === 0 ? [] : await read([...places.values()]);
    return placesOf.map((places) => reportOf(neighbors, places));
  }

  return {
    description: "iproute2 (ip)",
    async list() {
      const neighbors = await readTable(ip, ["neigh show"]);
      return neighbors.map(({ device, ...neighbor }) => ({ ...neighbor, interfaceName: device }));
    },
    async flush(scope) {
      const start = time.monotonic();
      const removed = await flushScope(ip, scope);
      return { removed, micros: Math.round((time.monotonic() - start) * 1000), notes: [] };
    },
    resolve: (addresses, source) =>
      report(addresses, source, (places) => resolveAnew(ip, places, time, resolveMs)),
    look: (addresses, source) => report(addresses, source, () => readTable(ip, [showAll])),
    async gateways() {
      const [ipv4, ipv6] = await Promise.all(
        ["-4", "-6"].map((family) => readGateways(ip, family)),
      );
      return [...ipv4, ...ipv6];
    },
  };
}

function readInterfaces(interfaces: () => readonly InterfaceInfo[]): OwnInterface[] {
  try {
    return ownInterfaces(interfaces()).filter(({ name }) => isBatchWord(name));
  } catch (error) {
    throw new NeighborCacheError(`Cannot list the network interfaces: ${messageOf(error)}`);
  }
}

/**
 * The names of the interfaces on which an address can be a neighbor: those with the longest prefix
 * that holds it; of several, those that `source` is on, if any. Empty for an address of the host
 * itself, a loopback address, and one that is on no link.
 */
export function interfacesToward(
  interfaces: readonly OwnInterface[],
  address: AddressPrefix,
  source?: AddressPrefix,
): string[] {
  const own = interfaces.flatMap(({ addresses }) => addresses);
  if (isLoopback(address) || own.some((one) => samePrefix(one.address, address))) return [];
  const holding = own.filter(({ network }) => prefixContains(network, address));
  const longest = Math.max(...holding.map(({ network }) => network.length));
  const candidates = interfaces.filter(({ addresses }) =>
    addresses.some((one) => one.network.length === longest && holding.includes(one))
  );
  const near = candidates.filter(({ addresses }) =>
    source !== undefined && addresses.some(({ network }) => prefixContains(network, source))
  );
  return (near.length > 0 ? near : candidates).map(({ name }) => name);
}

/** What is known at the first of the places where there is a neighbor. */
function reportOf(
  neighbors: readonly KernelNeighbor[],
  places: readonly Place[],
): NeighborReport {
  for (const place of places) {
    const entry = entryAt(neighbors, place);
    if (entry === undefined || entry.linkLayerAddress === null) continue;
    const { permanent, linkLayerAddress } = entry;
    return { state: permanent ? "permanent" : "neighbor", linkLayerAddress };
  }
  const state = places.length === 0 ? "not looked at" : "no neighbor";
  return { state, linkLayerAddress: new Uint8Array(6) };
}

function entryAt(
  neighbors: readonly KernelNeighbor[],
  { address, device }: Place,
): KernelNeighbor | undefined {
  return neighbors.find((neighbor) =>
    neighbor.device === device && samePrefix(neighbor.address, address)
  );
}

function placeText({ address, device }: Place): string {
  return `${formatAddress(address)} dev ${device}`;
}

/** Whether `ip -batch` takes a name as it is: no blank, quote, backslash or # in it. */
function isBatchWord(name: string): boolean {
  return /^[!$-&(-[\]-~]{1,15}$/.test(name);
}

/** Every entry, those that need no resolution (NOARP: the kernel's own for multicast) too. */
const showAll = "neigh show nud all";
/** `-force` goes on after a command that failed. */
const batchOptions = ["-force", "-json", "-batch", "-"];

const lines = (commands: readonly string[]) => commands.map((command) => `${command}\n`).join("");

/** Runs commands of which one, `neigh show`, prints a table; complaints may be tolerable. */
async function readTable(
  ip: IpCommand,
  commands: readonly string[],
  tolerable?: readonly number[],
): Promise<KernelNeighbor[]> {
  const output = readIpResult(await ip(batchOptions, lines(commands)), tolerable);
  if (output.failure !== null) throw output.failure;
  return parseNeighbors(onlyLine(output.lines));
}

function onlyLine(printed: readonly string[]): string {
  if (printed.length !== 1) throw unreadable(`${printed.length} tables instead of 1`);
  return printed[0];
}

/**
 * Flushes; permanent entries stay. Returns how many entries it removed, as far as nothing else
 * removed entries at the same time.
 *
 * `neigh flush` spares PERMANENT and NOARP entries, but not those that a routing program set
 * (extern_learn): its filter by state passes them whatever their state. The same filter of
 * `neigh show nud none` lists them and next to nothing else. Where there are some in the scope, and
 * where another flush came between, entries are deleted one by one.
 */
async function flushScope(ip: IpCommand, scope: FlushScope): Promise<number> {
  const isInScope = ({ address }: KernelNeighbor) =>
    scope === "all" || scope.some((prefix) => prefixContains(prefix, address));
  const flushes = scope === "all"
    ? ["neigh flush all"]
    : scope.map((prefix) => `neigh flush to ${formatPrefix(prefix)}`);
  let oneByOne = false;
  const result = await ip(["-statistics", ...batchOptions], "neigh show nud none\n", (line) => {
    oneByOne = parseNeighbors(line).some((entry) => entry.permanent && isInScope(entry));
    return oneByOne ? "" : lines(flushes);
  });
  const { failure, lines: printed } = readIpResult(result);
  const { removed, ended } = readFlushes(printed);
  if (failure !== null && !wasOvertaken(failure)) throw failure;
  if (oneByOne || failure !== null) return removed + (await removeEntries(ip, isInScope)).removed;
  if (ended !== flushes.length) {
    throw unreadable(`${ended} flushes instead of ${flushes.length}`);
  }
  return removed;
}

/**
 * Deletes the chosen entries, but not permanent ones, one by one; the table behind that. An entry or
 * an interface that is gone meanwhile hinders nothing.
 */
async function removeEntries(
  ip: IpCommand,
  isChosen: (entry: KernelNeighbor) => boolean,
): Promise<{ readonly removed: number; readonly neighbors: KernelNeighbor[] }> {
  let chosen: KernelNeighbor[] = [];
  const result = await ip(batchOptions, lines([showAll]), (line) => {
    chosen = parseNeighbors(line).filter((entry) => !entry.permanent && isChosen(entry));
    const named = chosen.filter(({ device }) => isBatchWord(device));
    return lines([...named.map((entry) => `neigh del ${placeText(entry)}`), showAll]);
  });
  const { lines: printed, failure, tolerated } = readIpResult(result, [ENOENT, ENODEV]);
  if (failure !== null) throw failure;
  for (const { address, device } of chosen.filter(({ device }) => !isBatchWord(device))) {
    const args = ["neigh", "del", formatAddress(address), "dev", device];
    const { failure } = readIpResult(await ip(args, ""), [ENOENT, ENODEV]);
    if (failure !== null) throw failure;
  }
  const neighbors = parseNeighbors(onlyLine(printed.slice(1)));
  return { removed: chosen.length - tolerated, neighbors };
}

const firstWaitMs = 10;
const maxWaitMs = 160;

/**
 * The table after each place was resolved anew, or as far as that came within the time. Entries are
 * dropped first: a stale one would be used, and probed, for seconds before the kernel asks again.
 * What has a link-layer address afterwards was therefore learned meanwhile. A flush by somebody else
 * in between only costs time: what is missing is asked for again.
 */
async function resolveAnew(
  ip: IpCommand,
  places: readonly Place[],
  time: Time,
  resolveMs: number,
): Promise<KernelNeighbor[]> {
  const end = time.monotonic() + resolveMs;
  const wanted = new Set(places.map(placeText));
  let { neighbors } = await removeEntries(ip, (entry) => wanted.has(placeText(entry)));
  for (let wait = firstWaitMs;; wait = Math.min(2 * wait, maxWaitMs)) {
    const missing = places.filter((place) => entryAt(neighbors, place) === undefined);
    if (missing.length > 0) neighbors = await solicit(ip, missing);
    const left = end - time.monotonic();
    if (left <= 0 || places.every((place) => isSettled(entryAt(neighbors, place)))) {
      return neighbors;
    }
    await sleep(time.after, Math.min(wait, left));
    neighbors = await readTable(ip, [showAll]);
  }
}

/**
 * Makes the kernel ask for neighbors that it has no entry for (ARP, Neighbor Solicitation), and
 * returns the table without waiting for answers. The commands are "add", because "replace … use"
 * turns a permanent entry into an incomplete one, and "nud none", because `ip` asks for a permanent
 * entry otherwise, which the kernel never collects. Traffic may have made an entry meanwhile.
 */
function solicit(ip: IpCommand, places: readonly Place[]): Promise<KernelNeighbor[]> {
  const commands = places.map((place) => `neigh add ${placeText(place)} nud none use`);
  return readTable(ip, [...commands, showAll], [EEXIST]);
}

/** Whether waiting can't change the answer: there is one, or the kernel has given up. */
function isSettled(entry: KernelNeighbor | undefined): boolean {
  if (entry === undefined) return false;
  return entry.linkLayerAddress !== null || entry.state === "FAILED" || entry.permanent;
}

/** The gateways of the default routes of a family, `-4` or `-6`. */
async function readGateways(ip: IpCommand, family: string): Promise<AddressPrefix[]> {
  const result = await ip([family, "-json", "route", "show", "default"], "");
  const { lines: printed, failure } = readIpResult(result);
  if (failure !== null) throw failure;
  return printed.flatMap(parseGateways);
}
