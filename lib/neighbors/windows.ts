/** The neighbor cache of Windows, through iphlpapi.dll. */
import { messageOf } from "../errors.ts";
import { systemTime, type Time } from "../time.ts";
import { type IpHelper, openIpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type IpNetRow } from "../win32/netioapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { type AddressPrefix, prefixContains } from "../wire/addresses.ts";
import {
  countRemoved,
  type FlushOutcome,
  type FlushScope,
  type FoundNeighbor,
  type NeighborCache,
  NeighborCacheError,
} from "./neighbor_cache.ts";
import {
  type Datagrams,
  linksOf,
  notConcerned,
  openUdpDatagrams,
  questionRow,
  readRowsByKey,
  reportRow,
  Resolver,
} from "./windows_resolver.ts";
import {
  callError,
  defaultGateways,
  describeRow,
  hasForeignAddress,
  isDone,
  isPermanent,
  isSystemRow,
  linkLayerAddressOf,
  nextHops,
  readRoutes,
  readRows,
  rowKey,
  toNeighbor,
} from "./windows_tables.ts";

/** What the cache is made of. */
interface WindowsNeighborCacheOptions {
  /** The foreign functions. @default those of %SystemRoot%\System32\iphlpapi.dll */
  readonly ip?: IpHelper;
  /** Makes Windows ask for addresses on links. @default UDP datagrams to them */
  readonly openDatagrams?: () => Datagrams;
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
  const { ip = open(), openDatagrams = openUdpDatagrams, resolveMs = 1000, time = systemTime } =
    options;
  const resolver = new Resolver({ ip, openDatagrams, resolveMs, time });
  const flush = ip.hasFlushIpNetTable2 ? "FlushIpNetTable2" : "FlushIpNetTable";
  return {
    description: `iphlpapi.dll (${flush})`,
    list: () => attempt(() => readRows(ip).map(toNeighbor)),
    flush: (scope) => attempt(() => flushRows(ip, scope, time.monotonic)),
    resolve: (addresses, source, settled) =>
      attempt(() => resolver.resolve(addresses, source, settled)),
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

/** FlushIpNetTable2 for both families; where one is absent (50), for each on its own. */
function flushEveryInterface(ip: IpHelper): Failure[] {
  const both = ip.flushIpNetTable2(AF_UNSPEC, everyInterface);
  if (isDone(both)) return [];
  const bothFailed = { call: "FlushIpNetTable2(AF_UNSPEC, 0)", code: both };
  if (both !== win32.notSupported) return [bothFailed];
  const ipv4 = ip.flushIpNetTable2(AF_INET, everyInterface);
  const ipv6 = ip.flushIpNetTable2(AF_INET6, everyInterface);
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
function flushEachInterface(ip: IpHelper, rows: readonly IpNetRow[]): Failure[] {
  const failures: Failure[] = [];
  const withRows = rows.filter((row) => row.address.family === 4).map((row) => row.interfaceIndex);
  for (const index of new Set([...ipv4Interfaces(ip), ...withRows])) {
    const code = ip.flushIpNetTable(index);
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
function flushRows(ip: IpHelper, scope: FlushScope, now: () => number): FlushOutcome {
  const before = readRows(ip);
  const listed = scope === "all"
    ? []
    : before.filter((row) => scope.some((prefix) => prefixContains(prefix, row.address)));
  const start = now();
  const failures = scope !== "all"
    ? deleteRows(ip, listed)
    : ip.hasFlushIpNetTable2
    ? flushEveryInterface(ip)
    : flushEachInterface(ip, before);
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

/** Reports on addresses from the table as it is. */
function lookAt(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): FoundNeighbor[] {
  const rows = readRowsByKey(ip);
  return linksOf(ip, addresses, source).map((link, i) =>
    link === null ? notConcerned : reportRow(rows.get(rowKey(questionRow(addresses[i], link))))
  );
}
