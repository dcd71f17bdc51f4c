/**
 * Resolves the RefreshAddresses regularly, so that a host which got none of a request's copies heals
 * all the same.
 */
import type { Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import type { FoundNeighbor, NeighborCache } from "../neighbors/neighbor_cache.ts";
import { maxNames } from "../receiver/flusher.ts";
import { listText } from "../text.ts";
import type { Time } from "../time.ts";
import { type AddressPrefix, formatPrefix } from "../wire/addresses.ts";

/** The settings it follows. */
type RefreshRules = Pick<Settings, "RefreshAddresses" | "RefreshSeconds">;
type RefreshedAddresses = Exclude<Settings["RefreshAddresses"], "none">;

/** A refresh takes 1 s where nobody answers. One that takes longer than this is said, and goes on. */
const maxRefreshMs = 2_000;
/** Different reasons that are said until it works again. */
const maxReasons = 8;

/** Why the entry of an address may still be an old one, by what was found. */
const reasons: Readonly<Record<FoundNeighbor["state"], string | null>> = {
  "not concerned": "on none of this host's links",
  "no neighbor": "nobody answers for",
  "permanent": "set by hand or by a routing program, so left alone",
  "unknown": "cannot be looked at",
  "neighbor": null,
};

/** A refresher of a cache; it does nothing before its first `configure`. */
export class Refresher {
  readonly #cache: NeighborCache;
  readonly #report: Report;
  readonly #time: Time;
  #cancelTimer = () => {};
  /** Changes with the rules, so that a resolution under old rules starts no timer and says nothing. */
  #round = 0;
  /** The reasons that were said since it worked. */
  readonly #said = new Set<string>();

  constructor(cache: NeighborCache, report: Report, time: Time) {
    this.#cache = cache;
    this.#report = report;
    this.#time = time;
  }

  /** Follows these rules from now on; the first refresh is one period away. */
  configure({ RefreshAddresses: addresses, RefreshSeconds: seconds }: RefreshRules): void {
    this.stop();
    if (addresses !== "none") this.#refreshAfter(seconds * 1_000, addresses, this.#round);
  }

  stop(): void {
    this.#cancelTimer();
    this.#round++;
  }

  /** The next period begins when the resolution has ended. */
  #refreshAfter(ms: number, addresses: RefreshedAddresses, round: number): void {
    this.#cancelTimer = this.#time.after(ms, async () => {
      await this.#refresh(addresses, round);
      if (round === this.#round) this.#refreshAfter(ms, addresses, round);
    });
  }

  /** It works again only if it was in time, too: a busy host isn't told twice in each period. */
  async #refresh(addresses: RefreshedAddresses, round: number): Promise<void> {
    const name = addresses === "gateway"
      ? addresses
      : listText(addresses.map(formatPrefix), maxNames);
    let isLate = false;
    this.#cancelTimer = this.#time.after(maxRefreshMs, () => {
      isLate = true;
      this.#fail(name, `not done after ${maxRefreshMs / 1_000} s; is this host busy?`);
    });
    let reason: string | null;
    try {
      const resolved = addresses === "gateway" ? await this.#cache.gateways() : addresses;
      reason = await this.#resolve(resolved);
    } catch (error) {
      reason = systemReason(error);
    }
    if (round !== this.#round) return;
    this.#cancelTimer();
    if (reason !== null) this.#fail(name, reason);
    else if (!isLate && this.#said.size > 0) {
      this.#said.clear();
      this.#report("refreshWorks", { addresses: name });
    }
  }

  #fail(addresses: string, error: string): void {
    if (this.#said.has(error) || this.#said.size >= maxReasons) return;
    this.#said.add(error);
    this.#report("refreshFailed", { addresses, error });
  }

  /** Null, or why which of the addresses could not be resolved anew. */
  async #resolve(addresses: readonly AddressPrefix[]): Promise<string | null> {
    if (addresses.length === 0) return "this host has no default gateway";
    const found = await this.#cache.resolve(addresses);
    const byReason = Map.groupBy(addresses, (_, i) => reasons[found[i].state]);
    byReason.delete(null);
    if (byReason.size === 0) return null;
    return Array.from(
      byReason,
      ([reason, all]) => `${reason}: ${listText(all.map(formatPrefix), maxNames)}`,
    ).join("; ");
  }
}
