/** Hearing of changes of the host's network, from the system or else by looking. */
import type { Report } from "../log/events.ts";
import type { After } from "../time.ts";

/** What a platform tells of changes. */
export interface NetworkChanges {
  /**
   * Registers for the system's notifications; returns why that failed, or null. Those that it has
   * are not registered twice.
   */
  readonly register: () => string | null;
  /** Sets what the system calls at a change. */
  readonly onChange: (told: () => void) => void;
  /** The indexes of interfaces that were added, connected or got an address since the last call. */
  readonly changed: () => readonly number[];
}

/** Between two tries to register: 1 s, then twice as long each time up to 60 s. */
const firstPauseMs = 1_000;
const maxPauseMs = 60_000;

/**
 * Calls `changed` with each interface that has changed, until the function returned is called.
 * Registers until it works, and looks by itself at each try until then.
 */
export function watchNetwork(
  changes: NetworkChanges,
  changed: (interfaceIndex: number) => void,
  report: Report,
  { after }: { readonly after: After },
): () => void {
  const look = () => changes.changed().forEach(changed);
  let pauseMs = firstPauseMs;
  let cancelTimer = () => {};
  let isFailing = false;

  function register(): void {
    const fault = changes.register();
    look();
    if (fault === null) {
      if (isFailing) report("networkWatched");
      return;
    }
    if (!isFailing) report("networkUnwatched", { error: fault });
    isFailing = true;
    cancelTimer = after(pauseMs, register);
    pauseMs = Math.min(2 * pauseMs, maxPauseMs);
  }

  changes.onChange(look);
  register();
  return () => {
    cancelTimer();
    changes.onChange(() => {});
  };
}
