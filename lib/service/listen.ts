/** Listening at the start: at boot a port may still be taken, and an address not assigned yet. */
import type { Settings } from "../config/settings.ts";
import { systemReason } from "../files/system_error.ts";
import type { Report } from "../log/events.ts";
import type { After, Clock } from "../receiver/clock.ts";
import type { Receiver } from "../receiver/receiver.ts";
import { StartError } from "./start_error.ts";

const patienceDefaultMs = 20_000;
const retryMs = 500;

/** How to listen. */
export interface ListenPlan {
  readonly settings: Pick<Settings, "Listen" | "Port">;
  readonly report: Report;
  readonly clock: Clock;
  readonly after: After;
  /** How long to try, in ms. @default 20 s */
  readonly patienceMs?: number;
  /** Aborts the waiting. @default never */
  readonly signal?: AbortSignal;
}

/** Starts a receiver as soon as it can listen; gives up with a `StartError`. */
export async function listenPatiently(
  start: () => Receiver,
  { settings, report, clock, after, patienceMs = patienceDefaultMs, signal }: ListenPlan,
): Promise<Receiver> {
  const { Listen: address, Port: port } = settings;
  const until = clock.monotonic() + patienceMs;
  for (let tries = 1;; tries++) {
    try {
      return start();
    } catch (error) {
      const values = { address, port, error: systemReason(error) };
      const over = clock.monotonic() + retryMs > until;
      if (over || !mayPass(error) || signal?.aborted) {
        throw new StartError("listenFailed", listenText(settings, error), values);
      }
      if (tries === 1) report("listenWaiting", { ...values, seconds: patienceMs / 1_000 });
      await pause(retryMs, after, signal);
    }
  }
}

/** Why it can't listen, in one line. */
export function listenText(
  { Listen, Port }: Pick<Settings, "Listen" | "Port">,
  error: unknown,
): string {
  return `Cannot listen on ${Listen} port ${Port}: ${systemReason(error)}`;
}

/** A port may become free, an address may still be assigned: at boot both happen. */
function mayPass(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.AddrNotAvailable;
}

function pause(ms: number, after: After, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const cancel = after(ms, resolve);
    signal?.addEventListener("abort", () => {
      cancel();
      resolve();
    }, { once: true });
  });
}
