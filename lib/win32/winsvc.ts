/** The service's side of the service control manager (winsvc.h), over advapi32.dll. */
import { copyMemory, kernel32, systemDll, toWide, wideAt } from "./kernel32.ts";
import { serviceStatus, serviceTableEntry } from "./structures.ts";

/** SERVICE_STATUS.dwCurrentState */
export const SERVICE_STOPPED = 1;
export const SERVICE_START_PENDING = 2;
export const SERVICE_STOP_PENDING = 3;
export const SERVICE_RUNNING = 4;

/** SERVICE_STATUS.dwControlsAccepted */
export const SERVICE_ACCEPT_STOP = 0x001;
export const SERVICE_ACCEPT_SHUTDOWN = 0x004;
export const SERVICE_ACCEPT_PARAMCHANGE = 0x008;
export const SERVICE_ACCEPT_POWEREVENT = 0x040;

/** Controls that HandlerEx gets. */
export const SERVICE_CONTROL_STOP = 1;
export const SERVICE_CONTROL_INTERROGATE = 4;
export const SERVICE_CONTROL_SHUTDOWN = 5;
export const SERVICE_CONTROL_PARAMCHANGE = 6;
export const SERVICE_CONTROL_POWEREVENT = 13;

/** Event type of SERVICE_CONTROL_POWEREVENT: the host is awake again (winuser.h). */
export const PBT_APMRESUMEAUTOMATIC = 18;

const SERVICE_WIN32_OWN_PROCESS = 0x10;

/** SERVICE_STATUS of a service with a process of its own. */
export interface ServiceStatus {
  readonly state: number;
  readonly controlsAccepted: number;
  /** Win32 error; 1066 says that `serviceExitCode` counts. */
  readonly exitCode: number;
  readonly serviceExitCode: number;
  /** Time until the next report, in ms, while a start or a stop is under way. */
  readonly waitHint: number;
}

/** The bytes of SERVICE_STATUS. The checkpoint stays 0: a start that hangs must look as if it hangs. */
export function encodeServiceStatus(status: ServiceStatus): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(serviceStatus.size / 4);
  words[serviceStatus.serviceType / 4] = SERVICE_WIN32_OWN_PROCESS;
  words[serviceStatus.currentState / 4] = status.state;
  words[serviceStatus.controlsAccepted / 4] = status.controlsAccepted;
  words[serviceStatus.win32ExitCode / 4] = status.exitCode;
  words[serviceStatus.serviceSpecificExitCode / 4] = status.serviceExitCode;
  words[serviceStatus.waitHint / 4] = status.waitHint;
  return words;
}

const BOOL = "i32";
/** Handles are numbers: pointer objects need the whole FFI permission. */
const SERVICE_STATUS_HANDLE = "usize";

/** Of advapi32.dll. Each function takes its time to open, and nothing else can wait for these. */
const symbols = {
  StartServiceCtrlDispatcherW: {
    parameters: [/* const SERVICE_TABLE_ENTRYW *lpServiceStartTable */ "buffer"],
    result: BOOL,
    nonblocking: true,
  },
  RegisterServiceCtrlHandlerExW: {
    parameters: [
      /* LPCWSTR lpServiceName */ "buffer",
      /* LPHANDLER_FUNCTION_EX lpHandlerProc */ "function",
      /* LPVOID lpContext */ "usize",
    ],
    result: SERVICE_STATUS_HANDLE,
  },
  SetServiceStatus: {
    parameters: [
      /* SERVICE_STATUS_HANDLE hServiceStatus */ SERVICE_STATUS_HANDLE,
      /* LPSERVICE_STATUS lpServiceStatus */ "buffer",
    ],
    result: BOOL,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** LPSERVICE_MAIN_FUNCTIONW */
const serviceMainFunction = {
  parameters: [/* DWORD dwNumServicesArgs */ "u32", /* LPWSTR *lpServiceArgVectors */ "usize"],
  result: "void",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** LPHANDLER_FUNCTION_EX */
const handlerFunctionEx = {
  parameters: [
    /* DWORD dwControl */ "u32",
    /* DWORD dwEventType */ "u32",
    /* LPVOID lpEventData */ "usize",
    /* LPVOID lpContext */ "usize",
  ],
  result: "u32",
} as const satisfies Deno.UnsafeCallbackDefinition;

/** HandlerEx: gets a control and its event type, returns a Win32 error. Runs on the manager's time. */
export type ControlHandler = (control: number, eventType: number) => number;

/** What a service host needs of the manager. */
export interface ServiceControl {
  /**
   * Connects to the manager. Calls `serviceMain` with the service's own name when the manager starts
   * the service. Resolves with true when the service has stopped, with false when the process was
   * not started by the manager (1063).
   */
  startDispatcher(serviceMain: (name: string) => void): Promise<boolean>;
  /** Registers the handler; false when the manager refuses. To be called in `serviceMain`. */
  registerHandler(name: string, handler: ControlHandler): boolean;
  /** Reports the service's status; false when the manager refuses. */
  setStatus(status: ServiceStatus): boolean;
}

/** Nothing thrown may leave a callback: Deno would turn it into a silent 0. */
function guarded<Result>(work: () => Result, otherwise: Result): Result {
  try {
    return work();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
    return otherwise;
  }
}

const ERROR_EXCEPTION_IN_SERVICE = 1064;

/**
 * The real manager. Whatever a callback throws becomes an uncaught error of the process. Needs the
 * whole FFI permission, for the callbacks, and none afterwards.
 */
export function openServiceControl(): ServiceControl {
  const api = Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
  let onMain: (name: string) => void = () => {};
  let onControl: ControlHandler = () => ERROR_EXCEPTION_IN_SERVICE;
  let statusHandle = 0n;

  const main = Deno.UnsafeCallback.threadSafe(
    serviceMainFunction,
    (count, vector) => guarded(() => onMain(firstArgument(count, vector)), undefined),
  );
  const handler = Deno.UnsafeCallback.threadSafe(
    handlerFunctionEx,
    (control, type) => guarded(() => onControl(control, type), ERROR_EXCEPTION_IN_SERVICE),
  );
  const emptyName = toWide(""); // Ignored for a service with a process of its own.
  // An entry of zeros ends the table.
  const table = new BigUint64Array(2 * serviceTableEntry.size / 8);
  table[serviceTableEntry.serviceName / 8] = Deno.UnsafePointer.value(
    Deno.UnsafePointer.of(emptyName),
  );
  table[serviceTableEntry.serviceProc / 8] = Deno.UnsafePointer.value(main.pointer);
  // Everything whose address the manager has been given lives as long as the process.
  kept.push(main, handler, emptyName, table);

  return {
    async startDispatcher(serviceMain) {
      onMain = serviceMain;
      const ended = api.StartServiceCtrlDispatcherW(table);
      kernel32(); // For what a callback reads. The manager takes its time to call one.
      return await ended !== 0;
    },
    registerHandler(name, given) {
      onControl = given;
      const wideName = toWide(name);
      kept.push(wideName);
      statusHandle = api.RegisterServiceCtrlHandlerExW(wideName, handler.pointer, 0n);
      return statusHandle !== 0n;
    },
    setStatus: (status) => api.SetServiceStatus(statusHandle, encodeServiceStatus(status)) !== 0,
  };
}

const kept: unknown[] = [];

function firstArgument(count: number, vector: bigint): string {
  if (count === 0 || vector === 0n) return "";
  return wideAt(new BigUint64Array(copyMemory(vector, 8).buffer)[0]);
}
