/** The neighbor cache of Windows, through iphlpapi.dll. */
import { messageOf, systemReason } from "../errors.ts";
import { sleep, systemTime, type Time } from "../time.ts";
import { type IpHelper, openIpHelper } from "../win32/iphlpapi.ts";
import { AF_INET, AF_INET6, AF_UNSPEC, type IpNetRow } from "../win32/netioapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import {
  type AddressPrefix,
  formatAddress,
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
  const parts = { ip, openDatagrams, resolveMs, time };
  const flush = ip.hasFlushIpNetTable2 ? "FlushIpNetTable2" : "FlushIpNetTable";
  return {
    description: `iphlpapi.dll (${flush})`,
    list: () => attempt(() => readRows(ip).map(toNeighbor)),
    flush: (scope) => attempt(() => flushRows(ip, scope, time.monotonic)),
    resolve: (addresses, source, settled) =>
      attempt(() => resolveAnew(parts, linksOf(ip, addresses, source), addresses, settled)),
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

// Reports on neighbors: from the table as it is, or after asking the link anew.

const notConcerned = foundWithout("not concerned");
const noNeighbor = foundWithout("no neighbor");

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

function readRowsByKey(ip: IpHelper): ReadonlyMap<string, IpNetRow> {
  return new Map(readRows(ip).map((row) => [rowKey(row), row]));
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
  const rows = readRowsByKey(ip);
  return linksOf(ip, addresses, source).map((link, i) =>
    link === null ? notConcerned : reportRow(rows.get(rowKey(questionRow(addresses[i], link))))
  );
}

/** Datagrams that have Windows ask a link for an address. */
interface Datagrams extends Disposable {
  /** Sends one to an address on a link; rejects as a socket does, also when it is disposed of first. */
  send(address: AddressPrefix, link: Link): Promise<void>;
}

/** The discard service (RFC 863): nobody needs to listen there. */
const discardPort = 9;

/** One socket for each of the host's own addresses: opening one costs far more than sending. */
function openUdpDatagrams(): Datagrams {
  const sockets = new Map<string, Deno.DatagramConn>();

  function socketAt(hostname: string): Deno.DatagramConn {
    const known = sockets.get(hostname);
    if (known !== undefined) return known;
    const socket = Deno.listenDatagram({ transport: "udp", hostname, port: 0 });
    sockets.set(hostname, socket);
    return socket;
  }

  return {
    async send(address, link) {
      // Sent from the link's own address, or to its zone, it leaves through that interface.
      const zoned = isLinkLocal(address) && address.family === 6;
      const hostname = `${formatAddress(address)}${zoned ? `%${link.interfaceIndex}` : ""}`;
      const to = { transport: "udp", hostname, port: discardPort } as const;
      await socketAt(zoned ? "::" : formatAddress(link.own)).send(new Uint8Array(1), to);
    },
    [Symbol.dispose]() {
      for (const socket of sockets.values()) socket.close();
    },
  };
}

/** What resolving needs. */
interface ResolveParts {
  readonly ip: IpHelper;
  readonly openDatagrams: () => Datagrams;
  readonly resolveMs: number;
  readonly time: Time;
}

/** One of the addresses asked for, the link it is on, and the row that names both. */
interface Question {
  readonly index: number;
  readonly link: Link;
  readonly row: IpNetRow;
}

const firstWaitMs = 10;
const maxWaitMs = 160;
/** When what nobody has answered is asked for anew: Windows itself would wait a second. */
const askAgainAfterMs = [300, 600];

/**
 * What is found at each address on its link, resolved anew, as far as that comes within the time;
 * `settled` is told each by its index as soon as it is known. The row is deleted, a datagram makes
 * Windows ask, and the table is read until the row has a link-layer address: ResolveIpNetEntry2
 * would hold one of the runtime's few threads for seconds where nobody answers. Permanent rows are
 * reported, never deleted. A flush by somebody else in between only costs time: what is missing from
 * the table is asked for again.
 */
async function resolveAnew(
  { ip, openDatagrams, resolveMs, time }: ResolveParts,
  links: readonly (Link | null)[],
  addresses: readonly AddressPrefix[],
  settled: (index: number, found: FoundNeighbor) => void = () => {},
): Promise<FoundNeighbor[]> {
  const start = time.monotonic();
  const found: FoundNeighbor[] = [];
  const refused: NeighborCacheError[] = [];
  using datagrams = openDatagrams();
  let waiting: Question[] = [];

  function settle(index: number, neighbor: FoundNeighbor): void {
    found[index] = neighbor;
    settled(index, neighbor);
    waiting = waiting.filter((question) => question.index !== index);
  }

  /** Not waited for: what can't be sent finds nobody. Only where sending is forbidden nothing is known. */
  function ask({ row, link }: Question): void {
    datagrams.send(row.address, link).catch((error) => {
      if (!(error instanceof Deno.errors.PermissionDenied)) return;
      const text = `Cannot send to ${formatAddress(row.address)}: ${systemReason(error)}`;
      refused.push(new NeighborCacheError(text, win32.accessDenied));
    });
  }

  function askAnew(question: Question): void {
    const code = ip.deleteIpNetEntry2(question.row);
    if (code === win32.fileNotFound) settle(question.index, notConcerned); // The interface is gone.
    else if (isDone(code)) ask(question);
    else throw callError(`DeleteIpNetEntry2(${describeRow(question.row)})`, code);
  }

  links.forEach((link, index) => {
    if (link === null) settle(index, notConcerned);
    else waiting.push({ index, link, row: questionRow(addresses[index], link) });
  });
  const askAgain = [0, ...askAgainAfterMs];
  for (let wait = firstWaitMs; waiting.length > 0; wait = Math.min(2 * wait, maxWaitMs)) {
    const waited = time.monotonic() - start;
    const rows = readRowsByKey(ip);
    const isOld = askAgain[0] === 0;
    for (const { index, row } of waiting) {
      const report = reportRow(rows.get(rowKey(row)));
      const isAnswer = report.state === "permanent" || (!isOld && report.state !== "no neighbor");
      if (isAnswer || waited >= resolveMs) settle(index, report);
    }
    if (waiting.length === 0) break;
    if (refused.length > 0) throw refused[0];
    if (waited >= askAgain[0]) {
      askAgain.shift();
      waiting.forEach(askAnew);
    } else {
      waiting.filter(({ row }) => !rows.has(rowKey(row))).forEach(ask);
    }
    await sleep(time.after, Math.min(wait, resolveMs - waited));
  }
  return found;
}
