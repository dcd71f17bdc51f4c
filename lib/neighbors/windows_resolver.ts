/**
 * Resolving neighbors anew on Windows. ResolveIpNetEntry2 would hold one of the runtime's few threads
 * for seconds where nobody answers, so a row is deleted, a datagram makes Windows ask, and the table
 * is read until the row has a link-layer address.
 */
import { systemReason } from "../errors.ts";
import type { Time } from "../time.ts";
import type { IpHelper } from "../win32/iphlpapi.ts";
import type { IpNetRow } from "../win32/netioapi.ts";
import { win32 } from "../win32/win32_error.ts";
import { type AddressPrefix, formatAddress, isLinkLocal } from "../wire/addresses.ts";
import { type FoundNeighbor, foundWithout, NeighborCacheError } from "./neighbor_cache.ts";
import {
  callError,
  describeRow,
  isDone,
  type Link,
  linksOf,
  questionRow,
  readRows,
  reportRow,
  rowKey,
} from "./windows_tables.ts";

/** Datagrams that have Windows ask a link for an address. */
export interface Datagrams extends Disposable {
  /** Sends one to an address on a link; rejects as a socket does, also when it is disposed of first. */
  send(address: AddressPrefix, link: Link): Promise<void>;
}

/** The discard service (RFC 863): nobody needs to listen there. */
const discardPort = 9;

/** One socket for each of the host's own addresses: opening one costs far more than sending. */
export function openUdpDatagrams(): Datagrams {
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
      const zoned = isLinkLocal(address);
      const hostname = `${formatAddress(address)}${zoned ? `%${link.interfaceIndex}` : ""}`;
      const to = { transport: "udp", hostname, port: discardPort } as const;
      await socketAt(zoned ? "::" : formatAddress(link.address)).send(new Uint8Array(1), to);
    },
    [Symbol.dispose]() {
      for (const socket of sockets.values()) socket.close();
    },
  };
}

/** What resolving needs. */
interface ResolverParts {
  readonly ip: IpHelper;
  readonly openDatagrams: () => Datagrams;
  readonly time: Time;
}

/** One of the addresses asked for, until it is answered. */
interface Question {
  readonly key: string;
  readonly link: Link;
  /** Names address and link. */
  readonly row: IpNetRow;
  /** Monotonic ms. */
  readonly start: number;
  /** When it is to be asked for anew, ms from its start. */
  askAgain: number[];
  /** Both end the waiting. */
  readonly settle: (found: FoundNeighbor) => void;
  readonly fail: (error: unknown) => void;
}

const notConcerned = foundWithout("not concerned");

/** How long an address is waited for. */
const resolveMs = 1000;
/** Between two readings of the table: 10 ms, then twice as long each time up to 160 ms. */
const firstWaitMs = 10;
const maxWaitMs = 160;
/** When what nobody has answered is asked for anew: Windows itself would wait a second. */
const askAgainAfterMs = [300, 600];
/** Addresses that are asked for in one go: whoever wants a flush meanwhile waits for no more. */
const maxAskedAtOnce = 16;

/**
 * The resolutions of one cache. All who ask share one reading of the table, and an address that several
 * ask for is asked for as the last of them needs it. Permanent rows are reported, never deleted. A
 * flush by somebody else in between only costs time: what is missing from the table is asked for again.
 */
export class Resolver {
  readonly #parts: ResolverParts;
  readonly #waiting = new Set<Question>();
  #toAsk: Question[] = [];
  #datagrams: Datagrams | null = null;
  #waitMs = firstWaitMs;
  #cancelTimer = () => {};

  constructor(parts: ResolverParts) {
    this.#parts = parts;
  }

  /** What is found at each address on its link, resolved anew, as far as that comes within the time. */
  async resolve(
    addresses: readonly AddressPrefix[],
    source?: AddressPrefix,
    settled: (index: number, found: FoundNeighbor) => void = () => {},
  ): Promise<FoundNeighbor[]> {
    if (addresses.length === 0) return [];
    const { ip, time } = this.#parts;
    // What came first is answered first: a flush, after which this is asked for again.
    await new Promise<void>((resolve) => time.after(0, resolve));
    const start = time.monotonic();
    const found = linksOf(ip, addresses, source).map((link, index) => {
      if (link === null) {
        settled(index, notConcerned);
        return notConcerned;
      }
      const row = questionRow(addresses[index], link);
      const key = rowKey(row);
      // From now on this one has the address asked for anew, if it isn't the older one's first time.
      for (const older of this.#waiting) {
        if (older.key === key) older.askAgain = older.askAgain.filter((ms) => ms === 0);
      }
      const { promise, resolve, reject } = Promise.withResolvers<FoundNeighbor>();
      const question: Question = {
        key,
        link,
        row,
        start,
        askAgain: [0, ...askAgainAfterMs],
        settle: (neighbor) => {
          this.#waiting.delete(question);
          settled(index, neighbor);
          resolve(neighbor);
        },
        fail: (error) => {
          this.#waiting.delete(question);
          reject(error);
        },
      };
      this.#waiting.add(question);
      return promise;
    });
    this.#waitMs = firstWaitMs;
    if (this.#waiting.size > 0) this.#lookAndAsk();
    return await Promise.all(found);
  }

  #lookAndAsk(): void {
    try {
      this.#toAsk = this.#look();
    } catch (error) {
      for (const { fail } of [...this.#waiting]) fail(error);
    }
    this.#askOn();
  }

  /** Settles what is answered or has waited long enough; gives what is to be asked for. */
  #look(): Question[] {
    const { ip, time } = this.#parts;
    const rows = readRows(ip);
    return [...this.#waiting].filter((question) => {
      const { key, start, askAgain } = question;
      const waited = time.monotonic() - start;
      const report = reportRow(rows.get(key));
      const isOld = askAgain[0] === 0;
      const isAnswer = report.state === "permanent" || (!isOld && report.state !== "no neighbor");
      if (!isAnswer && waited < resolveMs) return waited >= askAgain[0] || !rows.has(key);
      question.settle(report);
      return false;
    });
  }

  /** Asks for what is to be asked for, some at a time, and looks again until nobody waits. */
  #askOn(): void {
    const { time } = this.#parts;
    for (const question of this.#toAsk.splice(0, maxAskedAtOnce)) {
      if (!this.#waiting.has(question)) continue;
      try {
        this.#ask(question);
      } catch (error) {
        question.fail(error);
      }
    }
    this.#cancelTimer();
    if (this.#waiting.size === 0) {
      this.#datagrams?.[Symbol.dispose]();
      this.#datagrams = null;
    } else if (this.#toAsk.length > 0) {
      this.#cancelTimer = time.after(0, () => this.#askOn());
    } else {
      const oldest = Math.min(...[...this.#waiting].map(({ start }) => start));
      const ms = Math.min(this.#waitMs, oldest + resolveMs - time.monotonic());
      this.#cancelTimer = time.after(ms, () => this.#lookAndAsk());
      this.#waitMs = Math.min(2 * this.#waitMs, maxWaitMs);
    }
  }

  /** Asks for an address, anew if it is time for that. */
  #ask(question: Question): void {
    const { ip, openDatagrams, time } = this.#parts;
    const { row, link, start, askAgain } = question;
    if (time.monotonic() - start >= askAgain[0]) {
      askAgain.shift();
      const code = ip.deleteIpNetEntry2(row);
      // The interface is gone.
      if (code === win32.fileNotFound) return question.settle(notConcerned);
      if (!isDone(code)) {
        return question.fail(callError(`DeleteIpNetEntry2(${describeRow(row)})`, code));
      }
    }
    this.#datagrams ??= openDatagrams();
    // Not waited for: what can't be sent finds nobody. Only where sending is forbidden nothing is known.
    this.#datagrams.send(row.address, link).catch((error) => {
      if (!(error instanceof Deno.errors.PermissionDenied)) return;
      const text = `Cannot send to ${formatAddress(row.address)}: ${systemReason(error)}`;
      question.fail(new NeighborCacheError(text, win32.accessDenied));
    });
  }
}
