/**
 * The host of the service under Windows' service control manager (SCM). One loop owns the state:
 * the manager's callbacks only note what is wanted, because Deno runs microtasks before it gives the
 * manager its thread back. No timer bumps checkpoints: a start that hangs must look as if it hangs.
 */
import { type After, systemAfter } from "../time.ts";
import { win32 } from "../win32/win32_error.ts";
import {
  PBT_APMRESUMEAUTOMATIC,
  SERVICE_ACCEPT_PARAMCHANGE,
  SERVICE_ACCEPT_POWEREVENT,
  SERVICE_ACCEPT_PRESHUTDOWN,
  SERVICE_ACCEPT_STOP,
  SERVICE_CONTROL_INTERROGATE,
  SERVICE_CONTROL_PARAMCHANGE,
  SERVICE_CONTROL_POWEREVENT,
  SERVICE_CONTROL_PRESHUTDOWN,
  SERVICE_CONTROL_SHUTDOWN,
  SERVICE_CONTROL_STOP,
  SERVICE_RUNNING,
  SERVICE_START_PENDING,
  SERVICE_STOP_PENDING,
  SERVICE_STOPPED,
  type ServiceControl,
  type ServiceStatus,
} from "../win32/winsvc.ts";
import type { HostedService } from "./running_service.ts";

/** `sc.exe control ArpFlush 128` flushes now. */
export const flushNowControl = 128;

/** What the host does its work with. */
export interface ManagerParts {
  /** Starts the service; resolves when it listens and has done its first flush. */
  readonly start: () => Promise<HostedService>;
  /** Says why a start failed; returns the service-specific exit code. */
  readonly startFailed: (error: unknown) => number;
  /** Says that a stop hangs, or that something unexpected happened, and ends the process. */
  readonly die: (reason: unknown) => void;
  /** @default the runtime's timers */
  readonly after?: After;
}

/** How long the manager is told that starting takes at most: 20 s waiting for a port, and a flush. */
const startHintMs = 30_000;
/** How long a stop may take before it is given up, and what the manager is told. */
const stopPatienceMs = 20_000;
const stopHintMs = 25_000;

const accepted = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE |
  SERVICE_ACCEPT_POWEREVENT;

const ERROR_CALL_NOT_IMPLEMENTED = 120;
const ERROR_SERVICE_SPECIFIC_ERROR = 1066;

const idle: ServiceStatus = {
  state: SERVICE_STOPPED,
  controlsAccepted: 0,
  exitCode: win32.success,
  serviceExitCode: 0,
  waitHint: 0,
};

/**
 * Runs as a service until the manager has stopped it. Resolves with false when the process was not
 * started by the manager: nothing has happened then. To be called before anything slow, because the
 * manager waits 30 s for it.
 */
export async function runAsService(scm: ServiceControl, parts: ManagerParts): Promise<boolean> {
  const { start, startFailed, die, after = systemAfter } = parts;
  let status = idle;
  let isOver = false;
  let service: HostedService | null = null;
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();

  /** Nothing is reported behind STOPPED: the manager may have forgotten the service by then. */
  function setStatus(state: number, rest: Partial<ServiceStatus> = {}): void {
    if (isOver) return;
    isOver = state === SERVICE_STOPPED;
    status = { ...idle, ...rest, state };
    scm.setStatus(status);
  }

  /** Behind the callback, when the manager has its thread back. */
  function soon(work: () => void | Promise<void>): void {
    after(0, async () => {
      try {
        await work();
      } catch (error) {
        die(error);
      }
    });
  }

  async function begin(): Promise<void> {
    try {
      service = await start();
      setStatus(SERVICE_RUNNING, { controlsAccepted: accepted });
    } catch (error) {
      const serviceExitCode = startFailed(error);
      setStatus(SERVICE_STOPPED, { exitCode: ERROR_SERVICE_SPECIFIC_ERROR, serviceExitCode });
      end();
    }
  }

  async function stop(): Promise<void> {
    const cancel = after(stopPatienceMs, () => die(new Error("Stopping took more than 20 s")));
    await service?.stop();
    cancel();
    setStatus(SERVICE_STOPPED);
    end();
  }

  function handle(control: number, eventType: number): number {
    switch (control) {
      case SERVICE_CONTROL_INTERROGATE:
        if (!isOver) scm.setStatus(status);
        return win32.success;
      case SERVICE_CONTROL_STOP:
      case SERVICE_CONTROL_SHUTDOWN:
      case SERVICE_CONTROL_PRESHUTDOWN:
        if (status.state !== SERVICE_RUNNING) return win32.success;
        setStatus(SERVICE_STOP_PENDING, { waitHint: stopHintMs });
        soon(stop);
        return win32.success;
      case SERVICE_CONTROL_PARAMCHANGE:
        soon(() => service?.reload());
        return win32.success;
      case SERVICE_CONTROL_POWEREVENT:
        if (eventType === PBT_APMRESUMEAUTOMATIC) {
          soon(() => service?.flushNow("the host's awakening"));
        }
        return win32.success;
      case flushNowControl:
        soon(() => service?.flushNow("the service control manager"));
        return win32.success;
      default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
  }

  function serviceMain(name: string): void {
    if (!scm.registerHandler(name, handle)) {
      throw new Error("RegisterServiceCtrlHandlerExW refused the handler");
    }
    setStatus(SERVICE_START_PENDING, { waitHint: startHintMs });
    soon(begin);
  }

  const wasService = await scm.startDispatcher(serviceMain);
  if (wasService) await ended;
  return wasService;
}
