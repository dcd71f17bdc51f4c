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
import type { After } from "../time.ts";
import { formatPrefix } from "../wire/addresses.ts";

/** The settings it follows. */
export type RefreshRules = Pick<Settings, "RefreshAddresses" | "RefreshSeconds">;

/** A refresher; it does nothing before its first `configure`. */
export interface Refresher {
  /** Follows these rules from now on; the first refresh is one period away. */
  configure(rules: RefreshRules): void;
  stop(): void;
}

/** A refresher of a cache. A resolution that is running when the next is due delays it. */
export function createRefresher(cache: NeighborCache, report: Report, after: After): Refresher {
  let cancel = () => {};
  let round = 0;
  let failing = false;

  async function refresh(addresses: RefreshRules["RefreshAddresses"]): Promise<void> {
    const name = typeof addresses === "string"
      ? addresses
      : listText(addresses.map(formatPrefix), maxNames);
    try {
      const resolved = addresses === "gateway" ? await cache.gateways() : addresses;
      if (typeof resolved !== "string" && resolved.length > 0) await cache.resolve(resolved);
      if (failing) report("refreshWorks", { addresses: name });
      failing = false;
    } catch (error) {
      if (!failing) report("refreshFailed", { addresses: name, error: systemReason(error) });
      failing = true;
    }
  }

  function stop(): void {
    cancel();
    cancel = () => {};
    round++;
  }
  return {
    configure({ RefreshAddresses: addresses, RefreshSeconds: seconds }) {
      stop();
      if (addresses === "none") return;
      const mine = round;
      const wait = () => {
        cancel = after(seconds * 1_000, async () => {
          await refresh(addresses);
          if (mine === round) wait();
        });
      };
      wait();
    },
    stop,
  };
}
