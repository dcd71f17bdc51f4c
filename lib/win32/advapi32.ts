/**
 * advapi32.dll: the registry (winreg.h) and the event log (winbase.h). Access control is in aclapi.ts;
 * the functions of the service control manager are in winsvc.ts, which opens them before all others.
 */
import { accessOfKey, type ObjectAccess, withKeyRights } from "./aclapi.ts";
import { fromWide, lastError, systemDll, toWide, withWideCopy } from "./kernel32.ts";
import { win32, win32Error } from "./win32_error.ts";

const BOOL = "i32";
const DWORD = "u32";
const LSTATUS = "i32";
/** Handles and addresses are numbers, see kernel32.ts. */
const HANDLE = "usize";

const symbols = {
  RegisterEventSourceW: {
    parameters: [/* LPCWSTR lpUNCServerName */ "buffer", /* LPCWSTR lpSourceName */ "buffer"],
    result: HANDLE,
  },
  ReportEventW: {
    parameters: [
      /* HANDLE hEventLog */ HANDLE,
      /* WORD wType */ "u16",
      /* WORD wCategory */ "u16",
      /* DWORD dwEventID */ DWORD,
      /* PSID lpUserSid */ "usize",
      /* WORD wNumStrings */ "u16",
      /* DWORD dwDataSize */ DWORD,
      /* LPCWSTR *lpStrings */ "buffer",
      /* LPVOID lpRawData */ "buffer",
    ],
    result: BOOL,
  },
  DeregisterEventSource: { parameters: [/* HANDLE hEventLog */ HANDLE], result: BOOL },
  RegOpenKeyExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpSubKey */ "buffer",
      /* DWORD ulOptions */ DWORD,
      /* REGSAM samDesired */ DWORD,
      /* PHKEY phkResult */ "buffer",
    ],
    result: LSTATUS,
  },
  RegEnumValueW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* DWORD dwIndex */ DWORD,
      /* LPWSTR lpValueName */ "buffer",
      /* LPDWORD lpcchValueName */ "buffer",
      /* LPDWORD lpReserved */ "usize",
      /* LPDWORD lpType */ "buffer",
      /* LPBYTE lpData */ "buffer",
      /* LPDWORD lpcbData */ "buffer",
    ],
    result: LSTATUS,
  },
  RegCreateKeyExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpSubKey */ "buffer",
      /* DWORD Reserved */ DWORD,
      /* LPWSTR lpClass */ "usize",
      /* DWORD dwOptions */ DWORD,
      /* REGSAM samDesired */ DWORD,
      /* LPSECURITY_ATTRIBUTES lpSecurityAttributes */ "buffer",
      /* PHKEY phkResult */ "buffer",
      /* LPDWORD lpdwDisposition */ "buffer",
    ],
    result: LSTATUS,
  },
  RegSetValueExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpValueName */ "buffer",
      /* DWORD Reserved */ DWORD,
      /* DWORD dwType */ DWORD,
      /* const BYTE *lpData */ "buffer",
      /* DWORD cbData */ DWORD,
    ],
    result: LSTATUS,
  },
  RegCloseKey: { parameters: [/* HKEY hKey */ HANDLE], result: LSTATUS },
} as const satisfies Deno.ForeignLibraryInterface;

/** The DLL's functions. */
type Advapi32 = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: Advapi32 | undefined;

/** Opens the DLL once. Throws when FFI isn't permitted. */
export function advapi32(): Advapi32 {
  return opened ??= Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
}

/** Types of registry values (winnt.h). */
export const REG_SZ = 1;
export const REG_EXPAND_SZ = 2;
export const REG_BINARY = 3;
export const REG_DWORD = 4;
export const REG_MULTI_SZ = 7;

const HKEY_LOCAL_MACHINE = 0xffff_ffff_8000_0002n;
const KEY_READ = 0x2_0019;
const KEY_WOW64_64KEY = 0x100;

/** A value's name has at most this many characters. */
const maxNameLength = 16_383;
/** Far more than any setting needs; what is larger is a mistake. */
const maxDataLength = 64 * 1024;

/** A value as the registry holds it. */
export interface RegistryValue {
  readonly name: string;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A key's values, and who may get at it. */
export interface RegistryContents {
  readonly values: readonly RegistryValue[];
  readonly access: ObjectAccess;
}

/**
 * Reads a key below HKEY_LOCAL_MACHINE, in the 64-bit view whatever the process; null when there is no
 * such key. Throws an Error that names the call and Microsoft's error.
 */
export function readLocalMachineKey(path: string): RegistryContents | null {
  const api = advapi32();
  const result = new BigUint64Array(1);
  const code = api.RegOpenKeyExW(
    HKEY_LOCAL_MACHINE,
    toWide(path),
    0,
    KEY_READ | KEY_WOW64_64KEY,
    result,
  );
  if (code === win32.fileNotFound) return null;
  if (code !== win32.success) throw win32Error("RegOpenKeyExW", code);
  const key = result[0];
  try {
    return { values: readValues(key), access: accessOfKey(key) };
  } finally {
    api.RegCloseKey(key);
  }
}

function readValues(key: bigint): RegistryValue[] {
  const values: RegistryValue[] = [];
  const name = new Uint16Array(maxNameLength + 1);
  const type = new Uint32Array(1);
  const data = new Uint8Array(maxDataLength);
  for (;;) {
    const nameLength = Uint32Array.of(name.length);
    const dataLength = Uint32Array.of(data.length);
    const code = advapi32()
      .RegEnumValueW(key, values.length, name, nameLength, 0n, type, data, dataLength);
    if (code === win32.noMoreItems) return values;
    if (code !== win32.success) throw win32Error("RegEnumValueW", code);
    values.push({
      name: fromWide(name.subarray(0, nameLength[0])),
      type: type[0],
      data: data.slice(0, dataLength[0]),
    });
  }
}

const KEY_SET_VALUE = 2;
const REG_CREATED_NEW_KEY = 1;

/**
 * Makes a key below HKEY_LOCAL_MACHINE that only the accounts of these SIDs may use, from its first
 * moment on, with one binary value. Throws an Error that names the call and the error, also when the
 * key is there already: its rights are then somebody else's.
 */
export function createProtectedKey(
  path: string,
  sids: readonly string[],
  name: string,
  data: Uint8Array,
): void {
  const api = advapi32();
  const result = new BigUint64Array(1);
  const disposition = new Uint32Array(1);
  const created = withKeyRights(sids, (attributes) =>
    api.RegCreateKeyExW(
      HKEY_LOCAL_MACHINE,
      toWide(path),
      0,
      0n,
      0,
      KEY_SET_VALUE | KEY_WOW64_64KEY,
      attributes,
      result,
      disposition,
    ));
  if (created !== win32.success) throw win32Error("RegCreateKeyExW", created);
  try {
    if (disposition[0] !== REG_CREATED_NEW_KEY) throw new Error("it is there already");
    const bytes = data.slice();
    const set = api.RegSetValueExW(result[0], toWide(name), 0, REG_BINARY, bytes, bytes.length);
    if (set !== win32.success) throw win32Error("RegSetValueExW", set);
  } finally {
    api.RegCloseKey(result[0]);
  }
}

/** ReportEvent's wType (winnt.h). */
export const EVENTLOG_ERROR_TYPE = 1;
export const EVENTLOG_WARNING_TYPE = 2;
export const EVENTLOG_INFORMATION_TYPE = 4;

/** A string of an event has at most this many characters (ReportEvent). */
const maxEventString = 31_839;

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
      const string = text.replaceAll("\0", "").slice(0, maxEventString);
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
