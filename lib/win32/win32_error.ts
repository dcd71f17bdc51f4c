/** Win32 error numbers by Microsoft's own names (winerror.h). */

/** What the calls of iphlpapi.dll, the registry, access control and the event log may return. */
const errors: Readonly<Record<number, readonly [name: string, text: string]>> = {
  1: ["ERROR_INVALID_FUNCTION", "Incorrect function"],
  2: ["ERROR_FILE_NOT_FOUND", "The system cannot find what was named"],
  3: ["ERROR_PATH_NOT_FOUND", "The system cannot find the path"],
  5: ["ERROR_ACCESS_DENIED", "Access is denied"],
  6: ["ERROR_INVALID_HANDLE", "The handle is invalid"],
  8: ["ERROR_NOT_ENOUGH_MEMORY", "Not enough memory"],
  13: ["ERROR_INVALID_DATA", "The data is invalid"],
  31: ["ERROR_GEN_FAILURE", "A device attached to the system is not functioning"],
  50: ["ERROR_NOT_SUPPORTED", "The request is not supported"],
  87: ["ERROR_INVALID_PARAMETER", "The parameter is incorrect"],
  112: ["ERROR_DISK_FULL", "There is not enough space on the disk"],
  120: ["ERROR_CALL_NOT_IMPLEMENTED", "This function is not supported on this system"],
  122: ["ERROR_INSUFFICIENT_BUFFER", "The data area is too small"],
  127: ["ERROR_PROC_NOT_FOUND", "The specified procedure could not be found"],
  234: ["ERROR_MORE_DATA", "More data is available"],
  259: ["ERROR_NO_MORE_ITEMS", "No more data is available"],
  1168: ["ERROR_NOT_FOUND", "Element not found"],
  1314: ["ERROR_PRIVILEGE_NOT_HELD", "A required privilege is not held"],
  1450: ["ERROR_NO_SYSTEM_RESOURCES", "Insufficient system resources"],
  1460: ["ERROR_TIMEOUT", "The timeout period expired"],
  1500: ["ERROR_EVENTLOG_FILE_CORRUPT", "The event log file is corrupted"],
  1502: ["ERROR_LOG_FILE_FULL", "The event log file is full"],
  1722: ["RPC_S_SERVER_UNAVAILABLE", "The RPC server is unavailable"],
  5010: ["ERROR_OBJECT_ALREADY_EXISTS", "The object already exists"],
};

/** The numbers that the project's own logic decides by. */
export const win32 = {
  success: 0,
  fileNotFound: 2,
  accessDenied: 5,
  notSupported: 50,
  insufficientBuffer: 122,
  procNotFound: 127,
  noMoreItems: 259,
  notFound: 1168,
  objectAlreadyExists: 5010,
} as const;

/** `ERROR_ACCESS_DENIED (5): Access is denied`; `error 4711` for a number without an entry here. */
export function describeWin32Error(code: number): string {
  const entry = errors[code];
  return entry === undefined ? `error ${code}` : `${entry[0]} (${code}): ${entry[1]}`;
}

/** The error of a call that failed: `RegOpenKeyExW: ERROR_ACCESS_DENIED (5): Access is denied`. */
export function win32Error(call: string, code: number): Error {
  return new Error(`${call}: ${describeWin32Error(code)}`);
}
