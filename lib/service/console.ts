/**
 * The foreground host of the service: a terminal or systemd. SIGTERM and SIGINT end it, SIGHUP
 * reloads.
 */
import { systemReason } from "../errors.ts";
import { sendUnixDatagram } from "../unix_datagram.ts";
import { type HostParts, startHostedService } from "./running_service.ts";
import { StartError } from "./start_error.ts";

/** Runs the service until it is told to end; resolves with the exit status. */
export async function runConsole(parts: HostParts): Promise<number> {
  const { report } = parts;
  const ending = new AbortController();
  const signals = listenToSignals();
  const notify = createNotify(
    Deno.env.get("NOTIFY_SOCKET"),
    (error) => report("notifyFailed", { error: systemReason(error) }),
  );
  signals.ending.then(() => ending.abort());
  try {
    const service = await startHostedService(parts, ending.signal);
    signals.onReload(async () => {
      await notify(reloadingState(Deno.osUptime()));
      await service.reload();
      await notify("READY=1");
    });
    await notify("READY=1");
    await signals.ending;
    await notify("STOPPING=1");
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

/** Listens at once, so that no signal ends the process half-way through its start. */
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

// Tells systemd how the service is: sd_notify(3), without its library.

/** Sends one state, lines `NAME=value`; never rejects. Without a NOTIFY_SOCKET it does nothing. */
export type Notify = (state: string) => Promise<void>;

/**
 * A notifier for the socket in NOTIFY_SOCKET: a path, or an abstract name behind `@`. `failed` is
 * told when a state can't be sent.
 */
export function createNotify(
  socketName: string | undefined,
  failed: (error: unknown) => void,
): Notify {
  if (socketName === undefined || socketName === "") return () => Promise.resolve();
  const path = socketName.replace(/^@/, "\0");
  return async (state) => {
    try {
      await sendUnixDatagram(new TextEncoder().encode(state), [path]);
    } catch (error) {
      failed(error);
    }
  };
}

/** The state at the start of a reload; systemd wants to know since when. */
export function reloadingState(uptimeSeconds: number): string {
  // The uptime is cut to seconds, and systemd takes no time before its own: rather one too late.
  return `RELOADING=1\nMONOTONIC_USEC=${(uptimeSeconds + 1) * 1_000_000}`;
}
