/**
 * Flushing by iphlpapi.dll. No documentation says whether a flush spares permanent rows: the table
 * is compared before and after, and those lost are put back.
 */
import type { IpHelper } from "../win32/iphlpapi.ts";
import type { IpNetRow } from "../win32/mib_ipnet_row2.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../win32/sockaddr_inet.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { prefixContains } from "../wire/ip_address.ts";
import type { FlushOutcome, FlushScope } from "./neighbor_cache.ts";
import { countRemoved } from "./removed.ts";
import {
  callError,
  describeRow,
  isPermanent,
  isSystemRow,
  linkLayerAddressOf,
  readRows,
  rowKey,
  toNeighbor,
} from "./windows_table.ts";

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
 * Flushes; `now` is a clock in ms, the time measured is that of the flushing calls alone. Throws a
 * NeighborCacheError when a call failed and what it was to flush is still there.
 */
export async function flushRows(
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
  return { removed, micros, notes };
}
