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

/** What `sc.exe query` shows of a service that couldn't start: SERVICE_STATUS's two exit codes. */
export interface ServiceExit {
  /** 1066 has the manager's recovery start it anew; with 0, for a wrong setting, nothing does. */
  readonly exitCode: 0 | 1066;
  /** The number of the event that says why. docs/windows.md lists them with cause and cure. */
  readonly serviceExitCode: number;
}

const ERROR_SERVICE_SPECIFIC_ERROR = 1066;

/** The exit codes of a start that failed with an error. */
export function serviceExit(error: unknown): ServiceExit {
  const isKnown = error instanceof StartError;
  return {
    // Windows would start the service anew each minute for ever.
    exitCode: isKnown && error.exitStatus === 2 ? 0 : ERROR_SERVICE_SPECIFIC_ERROR,
    serviceExitCode: events[isKnown ? error.event : "unexpectedError"].id,
  };
}
