/**
 * Service-specific exit codes, shown by `sc.exe query` behind error 1066: the number of the event
 * that says the same in the event log. docs/windows.md lists them with cause and cure.
 */
import { events } from "../log/events.ts";
import { StartError } from "./start_error.ts";

/** The code for whatever ended the service. */
export function serviceExitCode(error: unknown): number {
  return events[error instanceof StartError ? error.event : "unexpectedError"].id;
}
