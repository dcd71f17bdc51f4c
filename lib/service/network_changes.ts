/**
 * What follows from a change of the host's network: the entries of an interface that changed are
 * flushed, at its first change and then at most once in a hold-down period, so that a storm of changes
 * neither puts the flush off nor repeats it without end; and sockets at single addresses are opened
 * anew. The system tells of changes; until it does, the watch looks by itself.
 */
import type { Settings } from "../config/settings.ts";
import type { Report } from "../log/events.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import type { Receiver } from "../receiver/receiver.ts";
import type { After } from "../time.ts";

/** What a platform tells of changes. */
export interface NetworkChanges {
  /**
   * Registers what the system is to call at a change; returns why that failed, or null. Notifications
   * that it has are not registered twice.
   */
  readonly register: (told: () => void) => string | null;
  /** The indexes of interfaces that were added, connected or got an address since the last call. */
  readonly changed: () => readonly number[];
}

/** Between two tries to register: 1 s, then twice as long each time up to 60 s. */
const firstPauseMs = 1_000;
const maxPauseMs = 60_000;
/** From a change to the opening of sockets: a storm of changes is one opening each half second. */
const renewalPauseMs = 500;
/** An interface with more entries isn't worth naming each: everything is flushed. */
const maxEntries = 256;

/** What a watch works with. */
interface NetworkWatchParts {
  readonly changes: NetworkChanges;
  readonly cache: Pick<NeighborCache, "list">;
  readonly receiver: Pick<Receiver, "deleteEntries" | "flushAll" | "renewSockets">;
  readonly report: Report;
  readonly time: { readonly after: After };
}

/** Watches the network from its creation until it is stopped. */
export class NetworkWatch {
  readonly #parts: NetworkWatchParts;
  readonly #timers = new Set<() => void>();
  /** The interfaces flushed within the last hold-down period, and whether each has changed since. */
  readonly #held = new Map<number, boolean>();
  #holdDownMs = 0;
  #mayFlush = false;
  #isRenewing = false;
  #isStopped = false;

  constructor(parts: NetworkWatchParts, settings: Settings) {
    this.#parts = parts;
    this.configure(settings);
    this.#register(firstPauseMs);
  }

  /** Takes settings over; a hold-down period that has begun stays as it is. */
  configure(settings: Pick<Settings, "FlushOnNetworkChange" | "HoldDownSeconds">): void {
    this.#holdDownMs = settings.HoldDownSeconds * 1_000;
    this.#mayFlush = settings.FlushOnNetworkChange;
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#timers) cancel();
  }

  /** Registers until it works, and looks at each try until then. */
  #register(pauseMs: number, hasFailed = false): void {
    const { changes, report } = this.#parts;
    const fault = changes.register(() => this.#look());
    this.#look();
    if (fault === null) {
      if (hasFailed) report("networkWatched");
      return;
    }
    if (!hasFailed) report("networkUnwatched", { error: fault });
    this.#after(pauseMs, () => this.#register(Math.min(2 * pauseMs, maxPauseMs), true));
  }

  #look(): void {
    if (this.#isStopped) return;
    const { changes, receiver } = this.#parts;
    const changed = changes.changed();
    for (const interfaceIndex of changed) this.#flushWhenAllowed(interfaceIndex);
    if (changed.length === 0 || this.#isRenewing) return;
    this.#isRenewing = true;
    this.#after(renewalPauseMs, () => {
      this.#isRenewing = false;
      receiver.renewSockets();
    });
  }

  /** Flushes an interface now, or when its hold-down period ends. */
  #flushWhenAllowed(interfaceIndex: number): void {
    if (!this.#mayFlush) return;
    if (this.#held.has(interfaceIndex)) {
      this.#held.set(interfaceIndex, true);
      return;
    }
    this.#held.set(interfaceIndex, false);
    this.#after(this.#holdDownMs, () => {
      const hasChanged = this.#held.get(interfaceIndex);
      this.#held.delete(interfaceIndex);
      if (hasChanged) this.#flushWhenAllowed(interfaceIndex);
    });
    void this.#flush(interfaceIndex);
  }

  async #flush(interfaceIndex: number): Promise<void> {
    const { cache, receiver } = this.#parts;
    const who = `a change of interface ${interfaceIndex}`;
    // A table that can't be read can't be flushed either, which the flush of everything reports.
    const neighbors = await cache.list().catch(() => null);
    if (this.#isStopped) return;
    const entries = neighbors?.filter(({ interfaceName, permanent }) =>
      interfaceName === String(interfaceIndex) && !permanent
    );
    if (entries === undefined || entries.length > maxEntries) return await receiver.flushAll(who);
    const addresses = entries.map(({ address }) => address);
    if (addresses.length > 0) await receiver.deleteEntries(addresses, who);
  }

  #after(ms: number, run: () => void): void {
    const cancel = this.#parts.time.after(ms, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
  }
}
