/** The neighbor cache of Linux: the table of the network namespace this process is in. */
import { sleep, systemTime, type Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  type InterfaceInfo,
  isWholeAddress,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import {
  batchOptions,
  createIpCommand,
  EEXIST,
  ENODEV,
  ENOENT,
  ETIMEDOUT,
  type IpCommand,
  type KernelNeighbor,
  lines,
  parseNeighbors,
  readFlushes,
  readIpResult,
  runBatch,
  runIp,
  unreadable,
  type Wanted,
  wantedAt,
} from "./iproute2.ts";
import { createPlacesOf, type Place, readGateways } from "./linux_routes.ts";
import {
  type FlushScope,
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "./neighbor_cache.ts";

/** What the cache stands on. */
interface LinuxCacheOptions {
  /** @default createIpCommand() */
  readonly ip?: IpCommand;
  /** @default Deno.networkInterfaces */
  readonly interfaces?: () => readonly InterfaceInfo[];
  /** @default the process's own */
  readonly time?: Time;
}

/** The cache over iproute2. Changing it needs CAP_NET_ADMIN. */
export function createLinuxCache(options: LinuxCacheOptions = {}): NeighborCache {
  const { ip = createIpCommand(), interfaces = Deno.networkInterfaces, time = systemTime } =
    options;
  const placesOf = createPlacesOf(ip, interfaces, time);

  return {
    description: "iproute2 (ip)",
    list: () => readTable(ip, "neigh show"),
    async flush(scope) {
      const start = time.monotonic();
      const flushed = await flushScope(ip, scope);
      return { ...flushed, micros: Math.round((time.monotonic() - start) * 1000), notes: [] };
    },
    async resolve(addresses, source, settled) {
      return await resolveAnew(ip, await placesOf(addresses, source), time, settled);
    },
    async look(addresses, source) {
      const places = await placesOf(addresses, source);
      const isSomewhere = places.some((all) => all !== null && all.length > 0);
      const neighbors = isSomewhere ? await readTable(ip, showAll, wantedAt(addresses)) : [];
      return places.map((all) => findAt(neighbors, all));
    },
    gateways: () => readGateways(ip, true),
    nextHops: () => readGateways(ip, false),
  };
}

/** What is known at the first of the places where there is a neighbor; null: nobody knows where. */
function findAt(
  neighbors: readonly KernelNeighbor[],
  places: readonly Place[] | null,
): FoundNeighbor {
  if (places === null) return foundWithout("unknown");
  // Of several a permanent one is likeliest wrong: the others were just learned, or soon will be.
  const entries = places.map((place) => entryAt(neighbors, place))
    .toSorted((a, b) => Number(b?.permanent ?? false) - Number(a?.permanent ?? false));
  for (const entry of entries) {
    const { permanent = false, linkLayerAddress = null } = entry ?? {};
    if (linkLayerAddress === null) continue;
    return { state: permanent ? "permanent" : "neighbor", cached: true, linkLayerAddress };
  }
  if (entries.some((entry) => entry?.foreign)) return foundWithout("unknown", true);
  return foundWithout(places.length === 0 ? "not concerned" : "no neighbor");
}

function entryAt(
  neighbors: readonly KernelNeighbor[],
  { address, interfaceName }: Place,
): KernelNeighbor | undefined {
  return neighbors.find((neighbor) =>
    neighbor.interfaceName === interfaceName && samePrefix(neighbor.address, address)
  );
}

function placeText({ address, interfaceName }: Place): string {
  return `${formatAddress(address)} dev ${interfaceName}`;
}

/** Whether `ip -batch` takes an interface's name as it is: no blank, quote, backslash or # in it. */
function isForBatch({ interfaceName }: Place): boolean {
  return /^[!$-&(-[\]-~]{1,15}$/.test(interfaceName);
}

/** Every entry, those that need no resolution (NOARP: the kernel's own for multicast) too. */
const showAll = "neigh show nud all";

/** The entries that a `neigh show` prints, those that are wanted. */
async function readTable(
  ip: IpCommand,
  command: string,
  isWanted?: Wanted,
): Promise<KernelNeighbor[]> {
  const { lines } = await runBatch(ip, [command]);
  return parseNeighbors(onlyLine(lines), isWanted);
}

function onlyLine(printed: readonly string[]): string {
  if (printed.length !== 1) throw unreadable(`${printed.length} tables instead of 1`);
  return printed[0];
}

/** What a flush removed, as far as nothing else removed entries at the same time. */
interface Removed {
  readonly removed: number;
  /** The addresses of entries with a link-layer address. */
  readonly forgotten: readonly AddressPrefix[];
}

/**
 * Deletes an entry that can't be there, which the kernel refuses to who may not change its table. A
 * flush that finds nothing doesn't ask it.
 */
const takeNothing = "neigh del 255.255.255.255 dev lo";

/**
 * Flushes; permanent entries stay. The table is read once, before the flush: it says what will be
 * forgotten, and whether a routing program set entries (extern_learn). `neigh flush` spares PERMANENT
 * and NOARP ones, but not those: its filter by state passes them. Where there are some in the scope,
 * where another flush came between, and where single addresses are listed, each of which would be a
 * reading of the table of its own, entries are deleted one by one.
 */
async function flushScope(ip: IpCommand, scope: FlushScope): Promise<Removed> {
  const isInScope = (address: AddressPrefix) =>
    scope === "all" || scope.some((prefix) => prefixContains(prefix, address));
  const isChosen = ({ address }: KernelNeighbor) => isInScope(address);
  if (scope !== "all" && scope.every(isWholeAddress)) {
    return await removeEntries(ip, isChosen, wantedAt(scope), [showNothing, takeNothing]);
  }
  const flushes = scope === "all"
    ? ["neigh flush all"]
    : scope.map((prefix) => `neigh flush to ${formatPrefix(prefix)}`);
  let oneByOne = false;
  let before: KernelNeighbor[] = [];
  const result = await ip(["-statistics", ...batchOptions], "neigh show\n", function* (line) {
    const chosen = () => parseNeighbors(line).filter(isChosen);
    oneByOne = line.includes("extern_learn") && chosen().some(({ permanent }) => permanent);
    yield lines([...oneByOne ? [] : flushes, takeNothing]);
    if (!oneByOne) before = chosen().filter(({ permanent }) => !permanent);
  });
  const { failure: first, lines: printed } = readIpResult(result);
  const failure = first !== null && isNothingThere(first) ? null : first;
  const { removed, ended } = readFlushes(printed);
  if (failure !== null && !wasOvertaken(failure)) throw failure;
  if (oneByOne || failure !== null) {
    const rest = await removeEntries(ip, isChosen);
    const all = [...forgottenOf(before), ...rest.forgotten];
    const forgotten = new Map(all.map((address) => [formatAddress(address), address]));
    return { removed: removed + rest.removed, forgotten: [...forgotten.values()] };
  }
  if (ended !== flushes.length) {
    throw unreadable(`${ended} flushes instead of ${flushes.length}`);
  }
  return { removed, forgotten: forgottenOf(before) };
}

/** The addresses of entries with a link-layer address, whatever its length. */
function forgottenOf(removed: readonly KernelNeighbor[]): AddressPrefix[] {
  return removed.filter(({ linkLayerAddress, foreign }) => linkLayerAddress !== null || foreign)
    .map(({ address }) => address);
}

/**
 * Whether a flush stopped because an entry or an interface that it had just listed was gone when it
 * came to it: something else removed it, another flush for one. What was behind is still there.
 */
function wasOvertaken({ message, code }: NeighborCacheError): boolean {
  return message.includes("Failed to send flush request") && (code === ENOENT || code === ENODEV);
}

/** Whether the kernel had nothing to delete where a command said. */
function isNothingThere({ message, code }: NeighborCacheError): boolean {
  return message.includes("RTNETLINK answers") && code === ENOENT;
}

/** Runs of `ip` in one deletion: each but the last ends at an entry that was gone before its turn. */
const maxDeletions = 20;
/** What a deletion says of an entry or an interface that is gone. */
const mayBeGone = [ENOENT, ENODEV];
/** Prints a line where every deletion before it has been done. */
const showNothing = "link show dev lo";

/**
 * Deletes the chosen entries, but not permanent ones, one by one, and ends with commands of which the
 * first prints a line. An entry or an interface that is gone meanwhile hinders nothing: `ip` ends
 * there, in spite of -force, and is run anew for what is left.
 */
async function removeEntries(
  ip: IpCommand,
  isChosen: (entry: KernelNeighbor) => boolean,
  isWanted?: Wanted,
  end: readonly string[] = [showNothing],
): Promise<Removed & { readonly lastLine: string }> {
  const all = new Map<string, KernelNeighbor>();
  let gone = 0;
  for (let times = 1; times <= maxDeletions; times++) {
    let chosen: KernelNeighbor[] = [];
    const { lines: printed, tolerated } = await runBatch(ip, [showAll], mayBeGone, (line) => {
      chosen = parseNeighbors(line, isWanted).filter((one) => !one.permanent && isChosen(one));
      const deletions = chosen.filter(isForBatch).map((entry) => `neigh del ${placeText(entry)}`);
      return [lines([...deletions, ...end])];
    });
    for (const entry of chosen) all.set(placeText(entry), entry);
    // With the line of the end there, complaints are the end's own, not of entries that were gone.
    if (printed.length === 1 && tolerated > 0) {
      gone += tolerated;
      continue;
    }
    const others = chosen.filter((one) => !isForBatch(one));
    for (const { address, interfaceName } of others) {
      await runIp(ip, ["neigh", "del", formatAddress(address), "dev", interfaceName], mayBeGone);
    }
    // The line of the end was printed before they were deleted. Traffic may have made them anew since.
    const ended = others.length === 0
      ? printed.slice(1)
      : (await runBatch(ip, end, mayBeGone)).lines;
    return {
      removed: all.size - gone,
      forgotten: forgottenOf([...all.values()]),
      lastLine: onlyLine(ended),
    };
  }
  throw unreadable(`entries were gone ${maxDeletions} times when they were to be deleted`);
}

/** How long answers are waited for. */
const resolveMs = 1_000;
/** Between two looks at the table. */
const firstWaitMs = 10;
const maxWaitMs = 160;
/**
 * What nobody has answered is asked for anew, the kernel itself would wait a second; and nobody is said
 * not to answer who wasn't given this time since he was last asked, however long `ip` takes.
 */
const answerMs = 300;
/** How often the time is enough to ask: at 0, 0.3 and 0.6 s. */
const maxAsks = 3;
/** Beyond the time: who flushes all the while, or an `ip` that takes so long, hinders it. */
const maxExtraMs = 3_000;

/**
 * What is found at the places of each address, resolved anew, as far as that comes within the time;
 * `settled` is told each by its index as soon as waiting can't change it, and it stays as it was
 * found then. Entries are dropped first: a stale one would be used, and probed, for seconds before
 * the kernel asks again. What has a link-layer address afterwards was therefore learned meanwhile. A
 * flush by somebody else in between only costs time: what is missing is asked for again.
 */
async function resolveAnew(
  ip: IpCommand,
  placesOf: readonly (readonly Place[] | null)[],
  time: Time,
  settled: (index: number, found: FoundNeighbor) => void = () => {},
): Promise<FoundNeighbor[]> {
  const start = time.monotonic();
  const found: FoundNeighbor[] = [];
  const settle = (index: number, neighbors: readonly KernelNeighbor[]) => {
    found[index] = findAt(neighbors, placesOf[index]);
    settled(index, found[index]);
  };
  let waiting = placesOf.map((_, index) => index);
  /** The places of what is waiting, each once. */
  const places = () => {
    const all = waiting.flatMap((index) => placesOf[index] ?? []);
    return new Map(all.map((place) => [placeText(place), place]));
  };
  const unsettled = (place: Place) => !isSettled(entryAt(neighbors, place));
  let neighbors: readonly KernelNeighbor[] = [];
  const isWanted = wantedAt(placesOf.flatMap((all) => all ?? []).map(({ address }) => address));
  const forget = async () => {
    const wanted = new Set([...places()].filter(([, one]) => unsettled(one)).map(([text]) => text));
    const isChosen = (entry: KernelNeighbor) => wanted.has(placeText(entry));
    const { lastLine } = await removeEntries(ip, isChosen, isWanted, [showAll]);
    neighbors = parseNeighbors(lastLine, isWanted);
  };
  if (places().size > 0) await forget();
  let askedAt = start, readAt = start;
  let asks = 1;
  for (let wait = firstWaitMs;; wait = Math.min(2 * wait, maxWaitMs)) {
    const missing = [...places().values()].filter((one) => entryAt(neighbors, one) === undefined);
    if (missing.length > 0) {
      neighbors = await solicit(ip, missing, isWanted);
      askedAt = time.monotonic();
    }
    for (const index of waiting.filter((index) => !placesOf[index]?.some(unsettled))) {
      settle(index, neighbors);
    }
    waiting = waiting.filter((index) => found[index] === undefined);
    if (waiting.length === 0) return found;
    const end = Math.max(start + resolveMs, askedAt + answerMs);
    // What was read may be as old as the run of `ip` that read it.
    if (readAt >= end) break;
    if (readAt >= start + resolveMs + maxExtraMs) {
      throw new NeighborCacheError(
        `Cannot run "ip" in time: ${Math.round(readAt - start)} ms`,
        ETIMEDOUT,
      );
    }
    await sleep(time.after, Math.min(wait, end - time.monotonic()));
    readAt = time.monotonic();
    const isTime = asks < maxAsks && readAt - askedAt >= answerMs && readAt < start + resolveMs;
    if (isTime) {
      asks++;
      await forget();
    } else neighbors = await readTable(ip, showAll, isWanted);
  }
  for (const index of waiting) settle(index, neighbors);
  return found;
}

/**
 * Makes the kernel ask for neighbors that it has no entry for (ARP, Neighbor Solicitation), and
 * returns the table without waiting for answers. The commands are "add", because "replace … use"
 * turns a permanent entry into an incomplete one, and "nud none", because `ip` asks for a permanent
 * entry otherwise, which the kernel never collects. Traffic may have made an entry meanwhile: `ip`
 * ends there, in spite of -force, and what is still missing is for the caller to ask for when it looks
 * next.
 */
async function solicit(
  ip: IpCommand,
  places: readonly Place[],
  isWanted: Wanted,
): Promise<KernelNeighbor[]> {
  for (const { address, interfaceName } of places.filter((one) => !isForBatch(one))) {
    const where = [formatAddress(address), "dev", interfaceName];
    await runIp(ip, ["neigh", "add", ...where, "nud", "none", "use"], [EEXIST]);
  }
  const commands = places.filter(isForBatch).map((place) =>
    `neigh add ${placeText(place)} nud none use`
  );
  const { lines: printed } = await runBatch(ip, [...commands, showAll], [EEXIST]);
  return printed.length === 0
    ? await readTable(ip, showAll, isWanted)
    : parseNeighbors(onlyLine(printed), isWanted);
}

/** Whether waiting can't change the answer: there is one, or the kernel has given up. */
function isSettled(entry: KernelNeighbor | undefined): boolean {
  if (entry === undefined) return false;
  const { linkLayerAddress, foreign, state, permanent } = entry;
  return linkLayerAddress !== null || foreign || state === "FAILED" || permanent;
}
