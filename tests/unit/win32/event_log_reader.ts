/** Reading events back through the event log's own API (winbase.h), for tests on Windows. */
import { kernel32, systemDll, toWide } from "../../../lib/win32/kernel32.ts";
import { decodeEventLogRecords, type StoredEvent } from "./event_log_record.ts";

const EVENTLOG_SEQUENTIAL_READ = 1;
const EVENTLOG_BACKWARDS_READ = 8;
export const ERROR_HANDLE_EOF = 38;
const ERROR_INSUFFICIENT_BUFFER = 122;

const symbols = {
  OpenEventLogW: {
    parameters: [/* LPCWSTR lpUNCServerName */ "buffer", /* LPCWSTR lpSourceName */ "buffer"],
    result: /* HANDLE */ "usize",
  },
  ReadEventLogW: {
    parameters: [
      /* HANDLE hEventLog */ "usize",
      /* DWORD dwReadFlags */ "u32",
      /* DWORD dwRecordOffset */ "u32",
      /* LPVOID lpBuffer */ "buffer",
      /* DWORD nNumberOfBytesToRead */ "u32",
      /* DWORD *pnBytesRead */ "buffer",
      /* DWORD *pnMinNumberOfBytesNeeded */ "buffer",
    ],
    result: /* BOOL */ "i32",
  },
  GetNumberOfEventLogRecords: {
    parameters: [/* HANDLE hEventLog */ "usize", /* PDWORD NumberOfRecords */ "buffer"],
    result: /* BOOL */ "i32",
  },
  CloseEventLog: { parameters: [/* HANDLE hEventLog */ "usize"], result: /* BOOL */ "i32" },
} as const satisfies Deno.ForeignLibraryInterface;

/** An open log. */
export interface EventLog extends Disposable {
  /** How many records the log says it has. */
  count(): number;
  /** The next events, newest first; or the error of ReadEventLogW, 38 at the end. */
  readBack(): { readonly events: readonly StoredEvent[] } | { readonly code: number };
}

/** Opens a log of this machine, such as `Application`. */
export function openEventLog(name: string): EventLog {
  const api = Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
  const { GetLastError } = kernel32();
  const log = api.OpenEventLogW(null, toWide(name));
  if (log === 0n) throw new Error(`OpenEventLogW: error ${GetLastError()}`);
  return {
    count() {
      const number = new Uint32Array(1);
      const done = api.GetNumberOfEventLogRecords(log, number);
      if (done === 0) throw new Error(`GetNumberOfEventLogRecords: error ${GetLastError()}`);
      return number[0];
    },
    readBack() {
      const flags = EVENTLOG_SEQUENTIAL_READ | EVENTLOG_BACKWARDS_READ;
      const [read, needed] = [new Uint32Array(1), new Uint32Array(1)];
      for (let size = 0x10000;; size = needed[0]) {
        const buffer = new Uint8Array(size);
        const done = api.ReadEventLogW(log, flags, 0, buffer, size, read, needed);
        if (done !== 0) return { events: decodeEventLogRecords(buffer.subarray(0, read[0])) };
        const code = GetLastError();
        if (code !== ERROR_INSUFFICIENT_BUFFER) return { code };
      }
    },
    [Symbol.dispose]: () => void api.CloseEventLog(log),
  };
}

/** Whether this is Wine, which has an export of its own for that. */
export function isWine(): boolean {
  try {
    const symbols = { wine_get_version: { parameters: [], result: "pointer" } } as const;
    Deno.dlopen(systemDll("ntdll.dll"), symbols).close();
    return true;
  } catch {
    return false;
  }
}
