/**
 * Flushes of single interfaces, as changes of the network ask for them: at once at an interface's
 * first change, and then at most once in a hold-down period, so that a storm of changes neither puts
 * the flush off nor repeats it without end.
 */
import type { Settings } from "../config/settings.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import type { Receiver } from "../receiver/receiver.ts";
import type { After } from "../time.ts";

/** An interface with more entries isn't worth naming each: everything is flushed. */
const maxEntries = 256;

/** An interface that was flushed within the last hold-down period. */
interface Held {
  /** Whether it has changed since. */
  hasChanged: boolean;
  readonly cancel: () => void;
}

/** What flushes: the entries of single addresses at once, or everything through the gate. */
type Flushes = Pick<Receiver, "deleteEntries" | "flushAll">;

/** The interfaces that have changed, by their indexes. */
export class InterfaceFlushes {
  readonly #cache: Pick<NeighborCache, "list">;
  readonly #flushes: Flushes;
  readonly #after: After;
  readonly #held = new Map<number, Held>();
  #holdDownMs = 0;
  #isOn = false;

  constructor(
    cache: Pick<NeighborCache, "list">,
    flushes: Flushes,
    { after }: { readonly after: After },
  ) {
    this.#cache = cache;
    this.#flushes = flushes;
    this.#after = after;
  }

  /** Takes settings over; a hold-down period that has begun stays as it is. */
  configure(settings: Pick<Settings, "FlushOnNetworkChange" | "HoldDownSeconds">): void {
    this.#holdDownMs = settings.HoldDownSeconds * 1_000;
    this.#isOn = settings.FlushOnNetworkChange;
  }

  /** Flushes the interface now, or when its hold-down period ends. */
  changed(interfaceIndex: number): void {
    if (!this.#isOn) return;
    const held = this.#held.get(interfaceIndex);
    if (held !== undefined) {
      held.hasChanged = true;
      return;
    }
    const cancel = this.#after(this.#holdDownMs, () => {
      const hasChanged = this.#held.get(interfaceIndex)?.hasChanged;
      this.#held.delete(interfaceIndex);
      if (hasChanged) this.changed(interfaceIndex);
    });
    this.#held.set(interfaceIndex, { hasChanged: false, cancel });
    void this.#flush(interfaceIndex);
  }

  /** Flushes no more. */
  stop(): void {
    this.#isOn = false;
    for (const { cancel } of this.#held.values()) cancel();
    this.#held.clear();
  }

  async #flush(interfaceIndex: number): Promise<void> {
    const who = `a change of interface ${interfaceIndex}`;
    // A table that can't be read can't be flushed either, which the flush of everything reports.
    const neighbors = await this.#cache.list().catch(() => null);
    if (!this.#isOn) return;
    const entries = neighbors?.filter(({ interfaceName, permanent }) =>
      interfaceName === String(interfaceIndex) && !permanent
    );
    if (entries === undefined || entries.length > maxEntries) return this.#flushes.flushAll(who);
    const addresses = entries.map(({ address }) => address);
    if (addresses.length > 0) await this.#flushes.deleteEntries(addresses, who);
  }
}
