/**
 * The host's neighbor cache (ARP, Neighbor Discovery), whatever the operating system. An entry that
 * was there when `flush` was called is gone, or learned anew, when it resolves; permanent entries
 * are never changed.
 */
import { messageOf } from "../errors.ts";
import type { NeighborReport } from "../wire/ack.ts";
import type { AddressPrefix } from "../wire/addresses.ts";

/** One entry of the cache. */
export interface Neighbor {
  readonly address: AddressPrefix;
  /** The interface's name on Linux, its index as text on Windows. */
  readonly interfaceName: string;
  /** 6 bytes; null while there is none (incomplete, failed) or it isn't an Ethernet address. */
  readonly linkLayerAddress: Uint8Array | null;
  /** Set by an administrator or a routing program, not learned: a flush leaves it alone. */
  readonly permanent: boolean;
}

/** What to flush: everything, or what the prefixes cover. */
export type FlushScope = "all" | readonly AddressPrefix[];

/** What a flush did. */
export interface FlushOutcome {
  /**
   * Entries that were there and were removed. Windows: counted from the table before and after.
   * Linux: as many as the kernel's table held when `ip` flushed it.
   */
  readonly removed: number;
  /** Addresses among them that had a link-layer address. */
  readonly forgotten: readonly AddressPrefix[];
  /** How long the flush itself took, in µs. */
  readonly micros: number;
  /** What an administrator should know, one line each, such as a permanent entry put back. */
  readonly notes: readonly string[];
}

/** What is known of the neighbor at an address; whether a route goes through it is said apart. */
export type FoundNeighbor = Omit<NeighborReport, "gateway">;

/** What is found without a link-layer address of 6 bytes. */
export function foundWithout(
  state: "not concerned" | "no neighbor" | "unknown",
  cached = false,
): FoundNeighbor {
  return { state, cached, linkLayerAddress: new Uint8Array(6) };
}

/** The host's neighbor cache. Every method rejects with a `NeighborCacheError` and nothing else. */
export interface NeighborCache {
  /** For the log: `iproute2 (ip)`, `in memory (simulated)`. */
  readonly description: string;
  /** The entries of both families on every interface, those without a link-layer address too. */
  list(): Promise<Neighbor[]>;
  /** Flushes; permanent entries are there afterwards. Flushes may overlap. */
  flush(scope: FlushScope): Promise<FlushOutcome>;
  /**
   * Resolves addresses anew on the links that the host's own routes to them take, all at once, within
   * 1 s each (asked at 0, 0.3 and 0.6 s), and reports each in the given order as it was found when
   * its own resolution ended (states as in docs/protocol.md). `settled` is told each, by its index,
   * as soon as that is. `source` is where the request came from: it says which link is meant where
   * several could be (link-local addresses).
   */
  resolve(
    addresses: readonly AddressPrefix[],
    source?: AddressPrefix,
    settled?: (index: number, found: FoundNeighbor) => void,
  ): Promise<FoundNeighbor[]>;
  /** Reports on addresses from the cache as it is, changing nothing; otherwise as `resolve`. */
  look(addresses: readonly AddressPrefix[], source?: AddressPrefix): Promise<FoundNeighbor[]>;
  /** The addresses of the default gateways, both families; empty without a default route. */
  gateways(): Promise<AddressPrefix[]>;
  /** The addresses that any route goes through, both families. */
  nextHops(): Promise<AddressPrefix[]>;
}

/** errno of an input/output error: what an ack carries for a failure that has no number. */
export const EIO = 5;

/** A failure of the cache, with the operating system's error number as the ack carries it. */
export class NeighborCacheError extends Error {
  override readonly name = "NeighborCacheError";
  constructor(
    message: string,
    /** errno on Linux (2 no `ip`, 1 not permitted, 110 hanging), Win32 error on Windows. */
    readonly code: number = EIO,
  ) {
    super(message);
  }
}

/** Whatever a cache threw as a failure of the cache. */
export function toCacheError(error: unknown): NeighborCacheError {
  return error instanceof NeighborCacheError ? error : new NeighborCacheError(messageOf(error));
}
