/** A source in the Application event log (winbase.h), over advapi32.dll. */
import { advapi32 } from "./advapi32.ts";
import { kernel32, withWideCopy } from "./kernel32.ts";
import { toWide } from "./wide_string.ts";
import { describeWin32Error } from "./win32_error.ts";

/** ReportEvent's wType (winnt.h). */
export const EVENTLOG_ERROR_TYPE = 1;
export const EVENTLOG_WARNING_TYPE = 2;
export const EVENTLOG_INFORMATION_TYPE = 4;

/** A string of an event has at most this many characters (ReportEvent). */
export const eventStringMost = 31_839;

/** An open source. */
export interface EventSource {
  /** Writes one event with one string. Throws an Error that names the call and Microsoft's error. */
  report(type: number, id: number, text: string): void;
  close(): void;
}

/**
 * Opens a source; one that nobody has registered works too, its events just read worse. Throws an
 * Error that names the call and Microsoft's error.
 */
export function openEventSource(name: string): EventSource {
  const api = advapi32();
  const handle = api.RegisterEventSourceW(null, toWide(name));
  if (handle === 0n) throw lastError("RegisterEventSourceW");
  return {
    report(type, id, text) {
      const string = text.replaceAll("\0", "").slice(0, eventStringMost);
      const done = withWideCopy(
        string,
        (address) =>
          api.ReportEventW(handle, type, 0, id, 0n, 1, 0, BigUint64Array.of(address), null),
      );
      if (done === 0) throw lastError("ReportEventW");
    },
    close() {
      api.DeregisterEventSource(handle);
    },
  };
}

function lastError(call: string): Error {
  return new Error(`${call}: ${describeWin32Error(kernel32().GetLastError())}`);
}
