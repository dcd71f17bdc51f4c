/** Why a service can't start. A file of its own, as whoever starts or hosts a service needs it. */
import { events, type EventValues } from "../log/events.ts";

/** Exit status of the process by reason; the reasons are events of the catalogue. */
const startFailures = {
  settingsInvalid: 2,
  keyMissing: 2,
  listenFailed: 1,
  cacheUnusable: 1,
} as const;
type StartFailure = keyof typeof startFailures;

/** A start that failed; `event` and `values` are for the log, the message for people. */
export class StartError extends Error {
  override readonly name = "StartError";
  constructor(
    readonly event: StartFailure,
    message: string,
    readonly values: EventValues = { error: message },
  ) {
    super(message);
  }
  get exitStatus(): number {
    return startFailures[this.event];
  }
}

/**
 * The service-specific exit code that `sc.exe query` shows with error 1066: the number of the event
 * that says the same in the event log. 0 for what a restart can't mend, a wrong setting: Windows
 * would start the service anew each minute for ever. docs/windows.md lists them with cause and cure.
 */
export function serviceExitCode(error: unknown): number {
  if (!(error instanceof StartError)) return events.unexpectedError.id;
  return startFailures[error.event] === 2 ? 0 : events[error.event].id;
}
