/** Win32 and Winsock error numbers by Microsoft's own names (winerror.h). */

const errors: Readonly<Record<number, readonly [name: string, text: string]>> = {
  0: ["ERROR_SUCCESS", "The operation completed successfully"],
  1: ["ERROR_INVALID_FUNCTION", "Incorrect function"],
  2: ["ERROR_FILE_NOT_FOUND", "The system cannot find what was named"],
  3: ["ERROR_PATH_NOT_FOUND", "The system cannot find the path"],
  5: ["ERROR_ACCESS_DENIED", "Access is denied"],
  6: ["ERROR_INVALID_HANDLE", "The handle is invalid"],
  8: ["ERROR_NOT_ENOUGH_MEMORY", "Not enough memory"],
  13: ["ERROR_INVALID_DATA", "The data is invalid"],
  31: ["ERROR_GEN_FAILURE", "A device attached to the system is not functioning"],
  50: ["ERROR_NOT_SUPPORTED", "The request is not supported"],
  67: ["ERROR_BAD_NET_NAME", "The network name cannot be found"],
  87: ["ERROR_INVALID_PARAMETER", "The parameter is incorrect"],
  112: ["ERROR_DISK_FULL", "There is not enough space on the disk"],
  120: ["ERROR_CALL_NOT_IMPLEMENTED", "This function is not supported on this system"],
  122: ["ERROR_INSUFFICIENT_BUFFER", "The data area is too small"],
  126: ["ERROR_MOD_NOT_FOUND", "The specified module could not be found"],
  127: ["ERROR_PROC_NOT_FOUND", "The specified procedure could not be found"],
  234: ["ERROR_MORE_DATA", "More data is available"],
  259: ["ERROR_NO_MORE_ITEMS", "No more data is available"],
  1053: ["ERROR_SERVICE_REQUEST_TIMEOUT", "The service did not respond in time"],
  1056: ["ERROR_SERVICE_ALREADY_RUNNING", "An instance of the service is already running"],
  1060: ["ERROR_SERVICE_DOES_NOT_EXIST", "The specified service does not exist"],
  1061: ["ERROR_SERVICE_CANNOT_ACCEPT_CTRL", "The service cannot accept control messages now"],
  1062: ["ERROR_SERVICE_NOT_ACTIVE", "The service has not been started"],
  1063: [
    "ERROR_FAILED_SERVICE_CONTROLLER_CONNECT",
    "The process was not started by the service control manager",
  ],
  1066: ["ERROR_SERVICE_SPECIFIC_ERROR", "The service has returned a service-specific error code"],
  1067: ["ERROR_PROCESS_ABORTED", "The process terminated unexpectedly"],
  1072: ["ERROR_SERVICE_MARKED_FOR_DELETE", "The service has been marked for deletion"],
  1168: ["ERROR_NOT_FOUND", "Element not found"],
  1231: ["ERROR_NETWORK_UNREACHABLE", "The network location cannot be reached"],
  1232: ["ERROR_HOST_UNREACHABLE", "The network location cannot be reached"],
  1314: ["ERROR_PRIVILEGE_NOT_HELD", "A required privilege is not held"],
  1450: ["ERROR_NO_SYSTEM_RESOURCES", "Insufficient system resources"],
  1460: ["ERROR_TIMEOUT", "The timeout period expired"],
  1500: ["ERROR_EVENTLOG_FILE_CORRUPT", "The event log file is corrupted"],
  1502: ["ERROR_LOG_FILE_FULL", "The event log file is full"],
  1722: ["RPC_S_SERVER_UNAVAILABLE", "The RPC server is unavailable"],
  5010: ["ERROR_OBJECT_ALREADY_EXISTS", "The object already exists"],
  10013: ["WSAEACCES", "Access to the socket is forbidden"],
  10040: ["WSAEMSGSIZE", "A datagram was larger than the buffer"],
  10048: ["WSAEADDRINUSE", "Only one usage of each socket address is permitted"],
  10049: ["WSAEADDRNOTAVAIL", "The address is not valid in its context"],
  10050: ["WSAENETDOWN", "The network is down"],
  10051: ["WSAENETUNREACH", "The network is unreachable"],
  10052: ["WSAENETRESET", "The network dropped the connection on reset"],
  10054: ["WSAECONNRESET", "The remote end reset the connection"],
  10055: ["WSAENOBUFS", "No buffer space is available"],
};

/** The numbers that the project's own logic decides by. */
export const win32 = {
  success: 0,
  fileNotFound: 2,
  accessDenied: 5,
  notSupported: 50,
  badNetName: 67,
  invalidParameter: 87,
  insufficientBuffer: 122,
  procNotFound: 127,
  moreData: 234,
  noMoreItems: 259,
  notFound: 1168,
  networkUnreachable: 1231,
  hostUnreachable: 1232,
  objectAlreadyExists: 5010,
} as const;

/** `ERROR_ACCESS_DENIED (5)`; `error 4711` for a number without an entry here. */
export function win32ErrorName(code: number): string {
  const entry = errors[code];
  return entry === undefined ? `error ${code}` : `${entry[0]} (${code})`;
}

/** `ERROR_ACCESS_DENIED (5): Access is denied`. */
export function describeWin32Error(code: number): string {
  const entry = errors[code];
  return entry === undefined ? win32ErrorName(code) : `${win32ErrorName(code)}: ${entry[1]}`;
}
