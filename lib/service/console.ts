/**
 * The foreground host of the service: a terminal or systemd. SIGTERM and SIGINT end it, SIGHUP
 * reloads.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createSdNotify } from "../unix_datagram.ts";
import { type ServiceParts, StartError, startService } from "./running_service.ts";

/**
 * Runs the service until it is told to end; resolves with the exit status. `report` is for a start
 * that fails.
 */
export async function runConsole(parts: ServiceParts, report: Report): Promise<number> {
  const ending = new AbortController();
  const signals = listenToSignals();
  const sdNotify = createSdNotify(
    Deno.env.get("NOTIFY_SOCKET"),
    (error) => report("notifyFailed", { error: systemReason(error) }),
  );
  signals.ending.then(() => ending.abort());
  try {
    const service = await startService(parts, ending.signal);
    signals.onReload(async () => {
      await sdNotify(`RELOADING=1\nMONOTONIC_USEC=${laterUptimeMicros()}`);
      await service.reload();
      await sdNotify("READY=1");
    });
    await sdNotify("READY=1");
    await signals.ending;
    await sdNotify("STOPPING=1");
    await service.stop();
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    if (ending.signal.aborted) return 0;
    report(error.event, error.values);
    return error.exitStatus;
  } finally {
    signals.stop();
  }
}

interface Signals {
  /** Resolves at the first SIGTERM or SIGINT. */
  readonly ending: Promise<void>;
  /** Calls `reload` at each SIGHUP, one after the other; several during one reload are one. */
  onReload(reload: () => Promise<void>): void;
  stop(): void;
}

/** Listens at once: otherwise a signal during the start would end the process without a stop. */
function listenToSignals(): Signals {
  const { promise: ending, resolve: end } = Promise.withResolvers<void>();
  let reload: (() => Promise<void>) | null = null;
  let wanted = false;
  let reloading = false;
  async function onHangUp(): Promise<void> {
    wanted = true;
    if (reloading || reload === null) return;
    reloading = true;
    while (wanted) {
      wanted = false;
      await reload();
    }
    reloading = false;
  }
  const handlers: [Deno.Signal, () => void][] = [["SIGINT", end]];
  if (Deno.build.os !== "windows") handlers.push(["SIGTERM", end], ["SIGHUP", onHangUp]);
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return {
    ending,
    onReload(given) {
      reload = given;
      if (wanted) onHangUp();
    },
    stop() {
      for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
    },
  };
}

/** Deno cuts the uptime to seconds, and systemd refuses a time before the signal: one second later. */
function laterUptimeMicros(): number {
  return (Deno.osUptime() + 1) * 1_000_000;
}
