/**
 * Resolves the RefreshAddresses regularly, so that a host which got none of a request's copies heals
 * all the same.
 */
import type { Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { maxNames } from "../receiver/flusher.ts";
import { listText } from "../text.ts";
import type { Time } from "../time.ts";
import { type AddressPrefix, formatPrefix } from "../wire/addresses.ts";

/** The settings it follows. */
type RefreshRules = Pick<Settings, "RefreshAddresses" | "RefreshSeconds">;

/** A refresher of a cache; it does nothing before its first `configure`. */
export class Refresher {
  readonly #cache: NeighborCache;
  readonly #report: Report;
  readonly #time: Time;
  #cancelTimer = () => {};
  /** Changes with the rules, so that a resolution under old rules starts no timer. */
  #round = 0;
  #isFailing = false;

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
    this.#cancelTimer = () => {};
    this.#round++;
  }

  /** The next period begins when the resolution has ended. */
  #refreshAfter(
    ms: number,
    addresses: RefreshRules["RefreshAddresses"],
    round: number,
  ): void {
    this.#cancelTimer = this.#time.after(ms, async () => {
      await this.#refresh(addresses);
      if (round === this.#round) this.#refreshAfter(ms, addresses, round);
    });
  }

  async #refresh(addresses: RefreshRules["RefreshAddresses"]): Promise<void> {
    const name = typeof addresses === "string"
      ? addresses
      : listText(addresses.map(formatPrefix), maxNames);
    try {
      const resolved = addresses === "gateway" ? await this.#cache.gateways() : addresses;
      if (typeof resolved !== "string") await this.#resolve(resolved);
      if (this.#isFailing) this.#report("refreshWorks", { addresses: name });
      this.#isFailing = false;
    } catch (error) {
      const values = { addresses: name, error: systemReason(error) };
      if (!this.#isFailing) this.#report("refreshFailed", values);
      this.#isFailing = true;
    }
  }

  /** Throws an Error that names those that are on no link, or says that there is nobody. */
  async #resolve(addresses: readonly AddressPrefix[]): Promise<void> {
    if (addresses.length === 0) throw new Error("this host has no default gateway");
    const found = await this.#cache.resolve(addresses);
    const lost = addresses.filter((_, i) => found[i].state === "not concerned");
    if (lost.length === 0) return;
    throw new Error(`on none of this host's links: ${listText(lost.map(formatPrefix), maxNames)}`);
  }
}
