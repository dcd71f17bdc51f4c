/**
 * The foreground host of the service: a terminal or systemd. SIGTERM and SIGINT end it, SIGHUP
 * reloads.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createSdNotify } from "../unix_datagram.ts";
import {
  type RunningService,
  type ServiceParts,
  StartError,
  startService,
} from "./running_service.ts";

/**
 * Runs the service until it is told to end; resolves with the exit status. `report` is for a start
 * that fails.
 */
export async function runConsole(parts: ServiceParts, report: Report): Promise<number> {
  const ending = new AbortController();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  ended.then(() => ending.abort());
  const { promise: started, resolve: start } = Promise.withResolvers<RunningService>();
  const sdNotify = createSdNotify(
    Deno.env.get("NOTIFY_SOCKET"),
    (error) => report("notifyFailed", { error: systemReason(error) }),
  );
  async function reload(): Promise<void> {
    const service = await started;
    await sdNotify(`RELOADING=1\nMONOTONIC_USEC=${laterUptimeMicros()}`);
    await service.reload();
    await sdNotify("READY=1");
  }
  // Heard at once: otherwise a signal during the start would end the process without a stop.
  const stopListening = listenToSignals(end, reload);
  try {
    const service = await startService(parts, ending.signal);
    await sdNotify("READY=1");
    start(service);
    await ended;
    await sdNotify("STOPPING=1");
    await service.stop();
    return 0;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    if (ending.signal.aborted) return 0;
    report(error.event, error.values);
    return error.exitStatus;
  } finally {
    stopListening();
  }
}

/** Calls `end` at SIGINT and SIGTERM and `reload` at SIGHUP until the returned function is called. */
function listenToSignals(end: () => void, reload: () => void): () => void {
  const handlers: [Deno.Signal, () => void][] = [["SIGINT", end]];
  if (Deno.build.os !== "windows") handlers.push(["SIGTERM", end], ["SIGHUP", reload]);
  for (const [signal, handler] of handlers) Deno.addSignalListener(signal, handler);
  return () => {
    for (const [signal, handler] of handlers) Deno.removeSignalListener(signal, handler);
  };
}

/** Deno cuts the uptime to seconds, and systemd refuses a time before the signal: one second later. */
function laterUptimeMicros(): number {
  return (Deno.osUptime() + 1) * 1_000_000;
}
