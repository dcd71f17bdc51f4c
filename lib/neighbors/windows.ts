/** The neighbor cache of Windows, through iphlpapi.dll. */
import { messageOf } from "../errors.ts";
import { type After, systemTime, type Time, within } from "../time.ts";
import { type IpHelper, openIpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type IpNetRow } from "../win32/netioapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import {
  type AddressPrefix,
  isLinkLocal,
  isWholeAddress,
  prefixContains,
} from "../wire/addresses.ts";
import {
  countRemoved,
  type FlushOutcome,
  type FlushScope,
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "./neighbor_cache.ts";
import {
  callError,
  chooseLink,
  defaultGateways,
  describeRow,
  hasForeignAddress,
  isPermanent,
  isSystemRow,
  type Link,
  linkLayerAddressOf,
  nextHops,
  readLinks,
  readRoutes,
  readRows,
  rowKey,
  toNeighbor,
} from "./windows_tables.ts";

/** What the cache is made of. */
interface WindowsNeighborCacheOptions {
  /** The foreign functions. @default those of %SystemRoot%\System32\iphlpapi.dll */
  readonly ip?: IpHelper;
  /** How long `resolve` waits for answers. @default 1000 */
  readonly resolveMs?: number;
  /** @default the process's own */
  readonly time?: Time;
}

/**
 * Opens the cache. Needs an elevated administrator for anything but looking, which each call then
 * says with error 5. Throws a NeighborCacheError when the DLL can't be opened.
 */
export function openWindowsNeighborCache(
  options: WindowsNeighborCacheOptions = {},
): NeighborCache {
  const { ip = open(), resolveMs = 1000, time = systemTime } = options;
  const resolve = createResolver(ip, time.after, resolveMs);
  const flush = ip.hasFlushIpNetTable2 ? "FlushIpNetTable2" : "FlushIpNetTable";
  return {
    description: `iphlpapi.dll (${flush})`,
    list: () => attempt(() => readRows(ip).map(toNeighbor)),
    flush: (scope) => attempt(() => flushRows(ip, scope, time.monotonic)),
    resolve: (addresses, source, settled) => attempt(() => resolve(addresses, source, settled)),
    look: (addresses, source) => attempt(() => lookAt(ip, addresses, source)),
    gateways: () => attempt(() => defaultGateways(readRoutes(ip))),
    nextHops: () => attempt(() => nextHops(readRoutes(ip))),
  };
}

function open(): IpHelper {
  try {
    return openIpHelper();
  } catch (error) {
    throw asCacheError(error);
  }
}

async function attempt<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw asCacheError(error);
  }
}

function asCacheError(error: unknown): NeighborCacheError {
  if (error instanceof NeighborCacheError) return error;
  return new NeighborCacheError(`Cannot use iphlpapi.dll: ${messageOf(error)}`, win32.procNotFound);
}

/** A call that failed, and whether the failure still matters once the table is read again. */
interface Failure {
  readonly call: string;
  readonly code: number;
  /** The one row it was about; its failure is moot when the row is gone afterwards. */
  readonly row?: IpNetRow;
}

const everyInterface = 0;

/** Whether a flush of a family did its work; 1168 says that there was nothing to do. */
function isDone(code: number): boolean {
  return code === win32.success || code === win32.notFound;
}

/** FlushIpNetTable2 for both families; where one is absent (50), for each on its own. */
async function flushEveryInterface(ip: IpHelper): Promise<Failure[]> {
  const both = await ip.flushIpNetTable2(AF_UNSPEC, everyInterface);
  if (isDone(both)) return [];
  const bothFailed = { call: "FlushIpNetTable2(AF_UNSPEC, 0)", code: both };
  if (both !== win32.notSupported) return [bothFailed];
  const ipv4 = await ip.flushIpNetTable2(AF_INET, everyInterface);
  const ipv6 = await ip.flushIpNetTable2(AF_INET6, everyInterface);
  if (ipv4 === win32.notSupported && ipv6 === win32.notSupported) return [bothFailed];
  return [
    { call: "FlushIpNetTable2(AF_INET, 0)", code: ipv4 },
    { call: "FlushIpNetTable2(AF_INET6, 0)", code: ipv6 },
  ].filter(({ code }) => !isDone(code) && code !== win32.notSupported);
}

/** The interfaces that have an IPv4 address, as FlushIpNetTable wants them. */
function ipv4Interfaces(ip: IpHelper): number[] {
  const { code, rows } = ip.getUnicastIpAddressTable(AF_INET);
  if (code !== win32.success) throw callError("GetUnicastIpAddressTable(AF_INET)", code);
  return [...new Set(rows.map((row) => row.interfaceIndex))];
}

/** The way without FlushIpNetTable2: IPv4 an interface at a time, IPv6 a row at a time. */
async function flushEachInterface(ip: IpHelper, rows: readonly IpNetRow[]): Promise<Failure[]> {
  const failures: Failure[] = [];
  const withRows = rows.filter((row) => row.address.family === 4).map((row) => row.interfaceIndex);
  for (const index of new Set([...ipv4Interfaces(ip), ...withRows])) {
    const code = await ip.flushIpNetTable(index);
    // An interface may go between its listing and its flush, and takes its rows with it.
    if (isDone(code) || !ipv4Interfaces(ip).includes(index)) continue;
    failures.push({ call: `FlushIpNetTable(${index})`, code });
  }
  return [...failures, ...deleteRows(ip, rows.filter((row) => row.address.family === 6))];
}

/** DeleteIpNetEntry2 for each row that no administrator set. */
function deleteRows(ip: IpHelper, rows: readonly IpNetRow[]): Failure[] {
  const failures: Failure[] = [];
  for (const row of rows) {
    if (isPermanent(row)) continue;
    const code = ip.deleteIpNetEntry2(row);
    if (isDone(code)) continue;
    failures.push({ call: `DeleteIpNetEntry2(${describeRow(row)})`, code, row });
  }
  return failures;
}

/** Puts back each permanent row that is missing; one line for each. */
function putBackPermanent(
  ip: IpHelper,
  before: readonly IpNetRow[],
  after: ReadonlyMap<string, IpNetRow>,
): string[] {
  const notes: string[] = [];
  for (const row of before) {
    if (!isPermanent(row) || isSystemRow(row)) continue;
    const now = after.get(rowKey(row));
    if (now !== undefined && isPermanent(now)) continue;
    const code = ip.createIpNetEntry2(row);
    if (code === win32.objectAlreadyExists) continue; // Another flush was first.
    notes.push(
      code === win32.success
        ? `permanent entry ${describeRow(row)} was removed and put back`
        : `permanent entry ${describeRow(row)} was removed and cannot be put back: ` +
          `CreateIpNetEntry2 returned ${describeWin32Error(code)}`,
    );
  }
  return notes;
}

function sameLinkLayerAddress(a: IpNetRow, b: IpNetRow): boolean {
  return (linkLayerAddressOf(a)?.toHex() ?? "") === (linkLayerAddressOf(b)?.toHex() ?? "");
}

/**
 * Flushes; `now` is a clock in ms, the time measured is that of the flushing calls alone. No
 * documentation says whether a flush spares permanent rows: the table is compared before and after,
 * and those lost are put back. Throws a NeighborCacheError when a call failed and what it was to
 * flush is still there.
 */
async function flushRows(
  ip: IpHelper,
  scope: FlushScope,
  now: () => number,
): Promise<FlushOutcome> {
  const before = readRows(ip);
  const listed = scope === "all"
    ? []
    : before.filter((row) => scope.some((prefix) => prefixContains(prefix, row.address)));
  const start = now();
  const failures = scope !== "all"
    ? deleteRows(ip, listed)
    : ip.hasFlushIpNetTable2
    ? await flushEveryInterface(ip)
    : await flushEachInterface(ip, before);
  const micros = Math.max(0, Math.round((now() - start) * 1000));

  const rowsAfter = readRows(ip);
  const after = new Map(rowsAfter.map((row) => [rowKey(row), row]));
  const notes = putBackPermanent(ip, before, after);
  const failure = failures.find(({ row }) => {
    if (row === undefined) return true;
    const still = after.get(rowKey(row));
    return still !== undefined && sameLinkLayerAddress(row, still);
  });
  if (failure !== undefined) throw callError(failure.call, failure.code);
  const removable = before.filter((row) => !isPermanent(row));
  const removed = countRemoved(removable.map(toNeighbor), rowsAfter.map(toNeighbor));
  const forgotten = removable.filter((row) => {
    const now = after.get(rowKey(row));
    const isGone = now === undefined || !sameLinkLayerAddress(row, now);
    return isGone && (linkLayerAddressOf(row) !== null || hasForeignAddress(row));
  }).map(({ address }) => address);
  return { removed, forgotten, micros, notes };
}

// Reports on neighbors: from the table as it is, or after asking the link anew.

const notConcerned = foundWithout("not concerned");
const noNeighbor = foundWithout("no neighbor");

/** Nobody answered: 67 is what ResolveIpNetEntry2 documents, the others say the same of the link. */
const unanswered: readonly number[] = [
  win32.badNetName,
  win32.networkUnreachable,
  win32.hostUnreachable,
];
/** The interface is gone since the links were listed. */
const interfaceGone: readonly number[] = [win32.fileNotFound, win32.notFound];

function reportRow(row: IpNetRow | undefined): FoundNeighbor {
  if (row === undefined) return noNeighbor;
  const linkLayerAddress = linkLayerAddressOf(row);
  if (linkLayerAddress !== null) {
    return { state: isPermanent(row) ? "permanent" : "neighbor", cached: true, linkLayerAddress };
  }
  return hasForeignAddress(row) ? foundWithout("unknown", true) : noNeighbor;
}

/** The row that names an address on a link, for the calls that take one. */
function questionRow(address: AddressPrefix, link: Link): IpNetRow {
  return {
    address,
    scopeId: isLinkLocal(address) ? link.interfaceIndex : 0,
    interfaceIndex: link.interfaceIndex,
    interfaceLuid: link.interfaceLuid,
    physicalAddress: new Uint8Array(),
    state: 0,
    flags: 0,
  };
}

/** The link that each address is on, or null for what can't be looked at. */
function linksOf(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): (Link | null)[] {
  if (addresses.length === 0) return [];
  const links = readLinks(ip);
  const routes = readRoutes(ip);
  return addresses.map((address) =>
    isWholeAddress(address) ? chooseLink(ip, links, routes, address, source) : null
  );
}

/** Reports on addresses from the table as it is. */
function lookAt(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): FoundNeighbor[] {
  const rows = new Map(readRows(ip).map((row) => [rowKey(row), row]));
  return linksOf(ip, addresses, source).map((link, i) =>
    link === null ? notConcerned : reportRow(rows.get(rowKey(questionRow(addresses[i], link))))
  );
}

/** Resolves addresses on the link; one question an address is under way at a time. */
type Resolver = NeighborCache["resolve"];

/**
 * A resolver that reports after `maxMs` at the latest. ResolveIpNetEntry2 itself blocks a thread for
 * as long as Windows keeps asking (seconds when nobody answers), so whoever asks for the same address
 * meanwhile joins the question under way.
 */
function createResolver(ip: IpHelper, after: After, maxMs: number): Resolver {
  const underWay = new Map<string, Promise<FoundNeighbor>>();

  async function ask(row: IpNetRow): Promise<FoundNeighbor> {
    const { code, row: resolved } = await ip.resolveIpNetEntry2(row);
    if (code === win32.success) return reportRow(resolved ?? undefined);
    if (unanswered.includes(code)) return noNeighbor;
    if (interfaceGone.includes(code)) return notConcerned;
    throw callError("ResolveIpNetEntry2", code);
  }

  function askOnce(row: IpNetRow): Promise<FoundNeighbor> {
    const key = rowKey(row);
    const known = underWay.get(key);
    if (known !== undefined) return known;
    const asked = ask(row).finally(() => underWay.delete(key));
    underWay.set(key, asked);
    return asked;
  }

  function find(
    address: AddressPrefix,
    link: Link | null,
    rows: ReadonlyMap<string, IpNetRow>,
  ): FoundNeighbor | Promise<FoundNeighbor> {
    if (link === null) return notConcerned;
    const question = questionRow(address, link);
    const present = rows.get(rowKey(question));
    // ResolveIpNetEntry2 would drop it: a permanent row is reported, never resolved.
    if (present !== undefined && isPermanent(present)) return reportRow(present);
    return within(after, maxMs, askOnce(question), noNeighbor);
  }

  return async (addresses, source, settled = () => {}) => {
    const links = linksOf(ip, addresses, source);
    const rows = new Map(readRows(ip).map((row) => [rowKey(row), row]));
    return await Promise.all(links.map(async (link, i) => {
      const found = await find(addresses[i], link, rows);
      settled(i, found);
      return found;
    }));
  };
}
