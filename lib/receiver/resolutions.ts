/**
 * Resolutions of the addresses in question, which are never held down. For each address one runs and
 * at most one waits, which further requests join; at most 550 begin in a second. So nine VRRP
 * instances that fail over together don't wait for each other, and nobody makes this host flood its
 * link.
 */
import type { Report } from "../log/events.ts";
import {
  type FlushScope,
  type FoundNeighbor,
  foundWithout,
  type NeighborCache,
  toCacheError,
} from "../neighbors/neighbor_cache.ts";
import type { Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  isLinkLocal,
  prefixContains,
} from "../wire/addresses.ts";
import { createLimitedReport, type LimitedReport } from "./limited_reports.ts";

/** Resolutions that begin in a second: ten requests of 55 addresses. */
const maxBeginningsASecond = 550;
/** Addresses that wait to begin: two minutes' worth; what is over that stays unknown. */
const maxQueued = 65_536;
/** A resolution begins anew only this long after it was asked for, so that it ends within 2 s. */
const maxRestartAgeMs = 1_000;

/** Told what was found at one address. */
type Waiter = (found: FoundNeighbor) => void;

/** An address that is being resolved or is going to be. */
interface Resolving {
  readonly key: string;
  readonly address: AddressPrefix;
  readonly source: AddressPrefix;
  /** Told when the resolution that runs, or is queued, has ended. */
  waiters: Waiter[];
  /** Monotonic ms: when the first of them asked, later by the time that it was queued. */
  askedAt: number;
  queuedAt: number;
  /** Told when the resolution after the running one has ended. */
  nextWaiters: Waiter[];
  nextAskedAt: number;
  /** The run that counts; null while it is queued. */
  run: symbol | null;
}

/** What resolutions work with. */
interface ResolutionParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly time: Time;
}

/** All resolutions of one receiver. */
export class Resolutions {
  readonly #cache: NeighborCache;
  readonly #time: Time;
  readonly #report: LimitedReport;
  readonly #resolving = new Map<string, Resolving>();
  readonly #queue = new Set<Resolving>();
  /** Beginnings within the last second, in order. */
  #begun: { readonly at: number; readonly count: number }[] = [];
  #cancelTimer: (() => void) | null = null;

  constructor({ cache, report, time }: ResolutionParts) {
    this.#cache = cache;
    this.#time = time;
    this.#report = createLimitedReport(report, time);
  }

  /**
   * Resolves whole addresses, each by a resolution that begins no earlier than this call. Gives what
   * was found at each, in their order. Never rejects: what couldn't be resolved is "unknown".
   */
  resolve(addresses: readonly AddressPrefix[], source: AddressPrefix): Promise<FoundNeighbor[]> {
    const found = addresses.map((address) =>
      new Promise<FoundNeighbor>((resolve) => this.#ask(address, source, resolve))
    );
    this.#begin();
    return Promise.all(found);
  }

  /**
   * Begins anew what is being resolved and what a flush of this scope, which has just started, takes
   * away again. What has ended stays as it was found.
   */
  restart(scope: FlushScope): void {
    const now = this.#time.monotonic();
    const again = [...this.#resolving.values()].filter(({ run, askedAt, address }) =>
      run !== null && now - askedAt <= maxRestartAgeMs &&
      (scope === "all" || scope.some((prefix) => prefixContains(prefix, address)))
    );
    for (const one of again) {
      // It begins after they asked, so they needn't wait for another one.
      one.waiters.push(...one.nextWaiters);
      one.nextWaiters = [];
    }
    this.#run(again);
  }

  /** Gives up what is queued, as unknown; what runs ends by itself within a second, or by `giveUp`. */
  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    const queued = [...this.#queue];
    this.#queue.clear();
    for (const one of queued) this.#end(one, foundWithout("unknown"));
  }

  /** Ends what runs, as unknown. */
  giveUp(): void {
    for (const one of [...this.#resolving.values()]) this.#end(one, foundWithout("unknown"));
    this.stop();
  }

  #ask(address: AddressPrefix, source: AddressPrefix, waiter: Waiter): void {
    const now = this.#time.monotonic();
    const key = formatAddress(address) + (isLinkLocal(address) ? ` ${formatAddress(source)}` : "");
    const known = this.#resolving.get(key);
    if (known === undefined) {
      if (this.#queue.size >= maxQueued) {
        this.#report("lookOverload", () => ({ who: formatAddress(source) }));
        return waiter(foundWithout("unknown"));
      }
      const next = { nextWaiters: [], nextAskedAt: now, run: null };
      const one = { key, address, source, waiters: [waiter], askedAt: now, queuedAt: now, ...next };
      this.#resolving.set(key, one);
      this.#queue.add(one);
    } else if (known.run === null) known.waiters.push(waiter);
    else {
      if (known.nextWaiters.length === 0) known.nextAskedAt = now;
      known.nextWaiters.push(waiter);
    }
  }

  /** Begins what is queued, as far as it may begin now; the rest by a timer. */
  #begin(): void {
    const now = this.#time.monotonic();
    this.#begun = this.#begun.filter(({ at }) => now - at < 1_000);
    const begun = this.#begun.reduce((sum, { count }) => sum + count, 0);
    const beginning = [...this.#queue].slice(0, maxBeginningsASecond - begun);
    for (const one of beginning) {
      this.#queue.delete(one);
      one.askedAt += now - one.queuedAt;
    }
    if (beginning.length > 0) this.#begun.push({ at: now, count: beginning.length });
    this.#run(beginning);
    if (this.#queue.size === 0 || this.#cancelTimer !== null) return;
    this.#cancelTimer = this.#time.after(this.#begun[0].at + 1_000 - now, () => {
      this.#cancelTimer = null;
      this.#begin();
    });
  }

  /** Resolves all at once, those of one source by one call of the cache. */
  #run(all: readonly Resolving[]): void {
    const bySource = Map.groupBy(all, ({ source }) => formatAddress(source));
    for (const group of bySource.values()) void this.#runGroup(group);
  }

  async #runGroup(group: readonly Resolving[]): Promise<void> {
    const run = Symbol();
    for (const one of group) one.run = run;
    const [{ source }] = group;
    const settled = (index: number, found: FoundNeighbor) => {
      if (group[index].run === run) this.#end(group[index], found);
    };
    let all: FoundNeighbor[] = [];
    try {
      all = await this.#cache.resolve(group.map(({ address }) => address), source, settled);
    } catch (error) {
      const { message } = toCacheError(error);
      this.#report("lookFailed", () => ({ who: formatAddress(source), error: message }));
    }
    group.forEach((_, i) => settled(i, all[i] ?? foundWithout("unknown")));
  }

  /** Tells what was found to those who wait for it, and lets the next resolution of the address begin. */
  #end(one: Resolving, found: FoundNeighbor): void {
    const { waiters } = one;
    one.run = null;
    if (one.nextWaiters.length === 0) this.#resolving.delete(one.key);
    else {
      one.waiters = one.nextWaiters;
      one.askedAt = one.nextAskedAt;
      one.nextWaiters = [];
      one.queuedAt = this.#time.monotonic();
      this.#queue.add(one);
      // Not at once, so that addresses that end together begin together.
      queueMicrotask(() => this.#begin());
    }
    for (const waiter of waiters) waiter(found);
  }
}
