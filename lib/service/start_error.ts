/** Why a service can't start: enumerated once, with the exit status of each. */
import { events, type EventValues } from "../log/events.ts";

/** Exit status of the process by reason; the reasons are events of the catalogue. */
export const startFailures = {
  settingsInvalid: 2,
  keyFileUnusable: 2,
  keyMissing: 2,
  listenFailed: 1,
  cacheUnusable: 1,
} as const;
export type StartFailure = keyof typeof startFailures;

/** A start that failed; `event` and `values` say it in the log, the message to people. */
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

// Service-specific exit codes, shown by `sc.exe query` behind error 1066: the number of the event that says the same in the event log. docs/windows.md lists them with cause and cure.

/** The code for whatever ended the service. */
export function serviceExitCode(error: unknown): number {
  return events[error instanceof StartError ? error.event : "unexpectedError"].id;
}
