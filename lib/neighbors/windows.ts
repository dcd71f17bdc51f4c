/** The neighbor cache of Windows, through iphlpapi.dll. */
import { messageOf } from "../errors.ts";
import { systemTime, type Time } from "../time.ts";
import { type IpHelper, openIpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type IpNetRow } from "../win32/netioapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { type AddressPrefix, prefixContains } from "../wire/addresses.ts";
import {
  type FlushOutcome,
  type FlushScope,
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  NeighborCacheError,
} from "./neighbor_cache.ts";
import { type Datagrams, openUdpDatagrams, Resolver } from "./windows_resolver.ts";
import {
  callError,
  describeRow,
  isDone,
  isPermanent,
  isResolved,
  isSystemRow,
  linkLayerAddressOf,
  linksOf,
  nextHops,
  questionRow,
  readRoutes,
  readRows,
  reportRow,
  rowKey,
  toNeighbor,
} from "./windows_tables.ts";

/** What the cache is made of. */
interface WindowsNeighborCacheOptions {
  /** The foreign functions. @default those of %SystemRoot%\System32\iphlpapi.dll */
  readonly ip?: IpHelper;
  /** Makes Windows ask for addresses on links. @default UDP datagrams to them */
  readonly openDatagrams?: () => Datagrams;
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
  const { ip = open(), openDatagrams = openUdpDatagrams, time = systemTime } = options;
  const resolver = new Resolver({ ip, openDatagrams, time });
  const flush = ip.hasFlushIpNetTable2 ? "FlushIpNetTable2" : "FlushIpNetTable";
  return {
    description: `iphlpapi.dll (${flush})`,
    list: () => attempt(() => [...readRows(ip).values()].map(toNeighbor)),
    flush: (scope) => attempt(() => flushRows(ip, scope, time.monotonic)),
    resolve: (addresses, source, settled) =>
      attempt(() => resolver.resolve(addresses, source, settled)),
    look: (addresses, source) => attempt(() => lookAt(ip, addresses, source)),
    gateways: () =>
      attempt(() => nextHops(readRoutes(ip).filter((route) => route.destinationLength === 0))),
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

/** A call that failed. */
interface Failure {
  readonly call: string;
  readonly code: number;
  /** What it was to remove; the failure is moot when none of it is there afterwards. */
  readonly rows?: readonly IpNetRow[];
}

/** FlushIpNetTable2 for both families; where one is absent (50), for each on its own. */
function flushEveryInterface(ip: IpHelper): Failure[] {
  const flush = (name: string, family: number) => ({
    call: `FlushIpNetTable2(${name}, 0)`,
    code: ip.flushIpNetTable2(family),
  });
  const both = flush("AF_UNSPEC", AF_UNSPEC);
  if (both.code !== win32.notSupported) return isDone(both.code) ? [] : [both];
  const present = [flush("AF_INET", AF_INET), flush("AF_INET6", AF_INET6)]
    .filter(({ code }) => code !== win32.notSupported);
  return present.length === 0 ? [both] : present.filter(({ code }) => !isDone(code));
}

/** The way without FlushIpNetTable2: IPv4 an interface at a time, IPv6 a row at a time. */
function flushEachInterface(ip: IpHelper, rows: readonly IpNetRow[]): Failure[] {
  const ipv4 = rows.filter((row) => row.address.family === 4);
  const ofInterface = Map.groupBy(ipv4, (row) => row.interfaceIndex);
  const flushed = [...ofInterface].map(([index, rows]) => ({
    call: `FlushIpNetTable(${index})`,
    code: ip.flushIpNetTable(index),
    rows,
  }));
  const ipv6 = rows.filter((row) => row.address.family === 6);
  return [...flushed.filter(({ code }) => !isDone(code)), ...deleteRows(ip, ipv6)];
}

/** DeleteIpNetEntry2 for each row. */
function deleteRows(ip: IpHelper, rows: readonly IpNetRow[]): Failure[] {
  return rows.flatMap((row) => {
    const code = ip.deleteIpNetEntry2(row);
    if (isDone(code)) return [];
    return [{ call: `DeleteIpNetEntry2(${describeRow(row)})`, code, rows: [row] }];
  });
}

/** Makes the calls that flush, given all rows that aren't permanent; those that failed. */
function callFlushes(ip: IpHelper, scope: FlushScope, learned: readonly IpNetRow[]): Failure[] {
  if (scope === "all") {
    return ip.hasFlushIpNetTable2 ? flushEveryInterface(ip) : flushEachInterface(ip, learned);
  }
  const isListed = ({ address }: IpNetRow) =>
    scope.some((prefix) => prefixContains(prefix, address));
  return deleteRows(ip, learned.filter(isListed));
}

/** Puts back a permanent row that is missing; a line that says so. */
function putBack(ip: IpHelper, row: IpNetRow): string[] {
  const code = ip.createIpNetEntry2(row);
  if (code === win32.objectAlreadyExists) return []; // Another flush was first.
  const removed = `permanent entry ${describeRow(row)} was removed`;
  return [
    code === win32.success
      ? `${removed} and put back`
      : `${removed} and cannot be put back: CreateIpNetEntry2 returned ${describeWin32Error(code)}`,
  ];
}

/**
 * Flushes; `now` is a clock in ms, the time measured is that of the flushing calls alone. No
 * documentation says whether a flush spares permanent rows: the table is compared before and after,
 * and those lost are put back. Throws a NeighborCacheError when a call failed and what it was to
 * flush is still there.
 */
function flushRows(ip: IpHelper, scope: FlushScope, now: () => number): FlushOutcome {
  const before = [...readRows(ip).values()];
  const learned = before.filter((row) => !isPermanent(row));
  const start = now();
  const failures = callFlushes(ip, scope, learned);
  const micros = Math.round((now() - start) * 1000);

  const after = readRows(ip);
  const lost = before.filter((row) =>
    isPermanent(row) && !isSystemRow(row) && after.get(rowKey(row))?.state !== row.state
  );
  const notes = lost.flatMap((row) => putBack(ip, row));
  const isGone = (row: IpNetRow) => {
    const now = after.get(rowKey(row));
    return now === undefined || linkLayerText(now) !== linkLayerText(row);
  };
  const failure = failures.find(({ rows }) => rows === undefined || !rows.every(isGone));
  if (failure !== undefined) throw callError(failure.call, failure.code);
  const gone = learned.filter(isGone);
  const forgotten = gone.filter(isResolved).map(({ address }) => address);
  return { removed: gone.length, forgotten, micros, notes };
}

function linkLayerText(row: IpNetRow): string {
  return linkLayerAddressOf(row)?.toHex() ?? "";
}

/** Reports on addresses from the table as it is. */
function lookAt(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): FoundNeighbor[] {
  const rows = readRows(ip);
  return linksOf(ip, addresses, source).map((link, i) =>
    link === null
      ? foundWithout("not concerned")
      : reportRow(rows.get(rowKey(questionRow(addresses[i], link))))
  );
}
