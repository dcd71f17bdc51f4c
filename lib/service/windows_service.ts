/**
 * The host of the service under Windows' service control manager (SCM). The manager's callbacks only
 * set timers for what is to be done, because Deno runs microtasks before it gives the manager its
 * thread back. No timer bumps checkpoints: a start that hangs must look as if it hangs.
 */
import { events } from "../log/events.ts";
import { systemTime, type Time } from "../time.ts";
import { win32 } from "../win32/win32_error.ts";
import {
  PBT_APMRESUMEAUTOMATIC,
  SERVICE_ACCEPT_PARAMCHANGE,
  SERVICE_ACCEPT_POWEREVENT,
  SERVICE_ACCEPT_SHUTDOWN,
  SERVICE_ACCEPT_STOP,
  SERVICE_CONTROL_INTERROGATE,
  SERVICE_CONTROL_PARAMCHANGE,
  SERVICE_CONTROL_POWEREVENT,
  SERVICE_CONTROL_SHUTDOWN,
  SERVICE_CONTROL_STOP,
  SERVICE_RUNNING,
  SERVICE_START_PENDING,
  SERVICE_STOP_PENDING,
  SERVICE_STOPPED,
  type ServiceControl,
  type ServiceStatus,
} from "../win32/winsvc.ts";
import { type RunningService, StartError } from "./running_service.ts";

/** What the manager controls. */
export type ControlledService = Pick<RunningService, "flushNow" | "reload" | "stop">;

/** What the host does its work with. */
interface WindowsServiceParts {
  /** Starts the service; resolves when it listens and has done its first flush. */
  readonly start: () => Promise<ControlledService>;
  /** Reports why a start failed. */
  readonly startFailed: (error: unknown) => void;
  /** Reports that a stop hangs, or that something unexpected happened, and ends the process. */
  readonly die: (reason: unknown) => void;
  /** @default the system's */
  readonly time?: Time;
}

/** `sc.exe control ArpFlush 128` flushes now. */
const flushNowControl = 128;

/** What the manager is told that starting takes at most: 20 s waiting for a port, and a flush. */
const startHintMs = 30_000;
/** How long a stop may take before it is given up, and what the manager is told. */
const maxStopMs = 20_000;
const stopHintMs = 25_000;

const acceptedControls = SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_SHUTDOWN |
  SERVICE_ACCEPT_PARAMCHANGE | SERVICE_ACCEPT_POWEREVENT;

const ERROR_CALL_NOT_IMPLEMENTED = 120;
const ERROR_SERVICE_SPECIFIC_ERROR = 1066;

const stoppedStatus: ServiceStatus = {
  state: SERVICE_STOPPED,
  controlsAccepted: 0,
  exitCode: win32.success,
  serviceExitCode: 0,
  waitHint: 0,
};

/**
 * What `sc.exe query` shows of a service that couldn't start. The specific code is the number of the
 * event that says why: docs/windows.md lists them with cause and cure.
 */
function exitCodesOf(error: unknown): Pick<ServiceStatus, "exitCode" | "serviceExitCode"> {
  const isKnown = error instanceof StartError;
  return {
    // With 1066 Windows starts the service anew each minute, for ever where a setting is wrong.
    exitCode: isKnown && error.exitStatus === 2 ? win32.success : ERROR_SERVICE_SPECIFIC_ERROR,
    serviceExitCode: events[isKnown ? error.event : "unexpectedError"].id,
  };
}

/**
 * Runs as a service until the manager has stopped it. Resolves with false when the process was not
 * started by the manager: nothing has happened then. To be called before anything slow, because the
 * manager waits 30 s for it.
 */
export async function runAsService(
  scm: ServiceControl,
  parts: WindowsServiceParts,
): Promise<boolean> {
  const host = new WindowsService(scm, parts);
  const wasService = await scm.startDispatcher((name) => host.serviceMain(name));
  if (wasService) await host.ended;
  return wasService;
}

class WindowsService {
  readonly #scm: ServiceControl;
  readonly #parts: WindowsServiceParts;
  readonly #time: Time;
  readonly #end: () => void;
  #status = stoppedStatus;
  #isOver = false;
  #service: ControlledService | null = null;
  /** Resolves when the manager has been told that the service is stopped. */
  readonly ended: Promise<void>;

  constructor(scm: ServiceControl, parts: WindowsServiceParts) {
    this.#scm = scm;
    this.#parts = parts;
    this.#time = parts.time ?? systemTime;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.ended = promise;
    this.#end = resolve;
  }

  /** The manager's `ServiceMain`. */
  serviceMain(name: string): void {
    const handle = (control: number, eventType: number) => this.#handle(control, eventType);
    if (!this.#scm.registerHandler(name, handle)) {
      throw new Error("RegisterServiceCtrlHandlerExW refused the handler");
    }
    this.#setStatus(SERVICE_START_PENDING, { waitHint: startHintMs });
    this.#afterCallback(() => this.#start());
  }

  /** The manager's `HandlerEx`; returns an error code. */
  #handle(control: number, eventType: number): number {
    switch (control) {
      case SERVICE_CONTROL_INTERROGATE:
        if (!this.#isOver) this.#scm.setStatus(this.#status);
        return win32.success;
      case SERVICE_CONTROL_STOP:
      case SERVICE_CONTROL_SHUTDOWN:
        if (this.#status.state !== SERVICE_RUNNING) return win32.success;
        this.#setStatus(SERVICE_STOP_PENDING, { waitHint: stopHintMs });
        this.#afterCallback(() => this.#stop());
        return win32.success;
      case SERVICE_CONTROL_PARAMCHANGE:
        this.#afterCallback(() => this.#service?.reload());
        return win32.success;
      case SERVICE_CONTROL_POWEREVENT:
        if (eventType === PBT_APMRESUMEAUTOMATIC) {
          this.#afterCallback(() => this.#service?.flushNow("the host's awakening"));
        }
        return win32.success;
      case flushNowControl:
        this.#afterCallback(() => this.#service?.flushNow("the service control manager"));
        return win32.success;
      default:
        return ERROR_CALL_NOT_IMPLEMENTED;
    }
  }

  /** Does some work when the manager has its thread back. */
  #afterCallback(work: () => void | Promise<void>): void {
    this.#time.after(0, async () => {
      try {
        await work();
      } catch (error) {
        this.#parts.die(error);
      }
    });
  }

  async #start(): Promise<void> {
    try {
      this.#service = await this.#parts.start();
      this.#setStatus(SERVICE_RUNNING, { controlsAccepted: acceptedControls });
    } catch (error) {
      this.#parts.startFailed(error);
      this.#setStatus(SERVICE_STOPPED, exitCodesOf(error));
      this.#end();
    }
  }

  async #stop(): Promise<void> {
    const late = () => {
      // The manager waits no longer, whatever becomes of this process.
      this.#setStatus(SERVICE_STOPPED);
      this.#parts.die(new Error("Stopping took more than 20 s"));
    };
    const cancel = this.#time.after(maxStopMs, late);
    await this.#service?.stop();
    cancel();
    this.#setStatus(SERVICE_STOPPED);
    this.#end();
  }

  /** Nothing is reported after STOPPED: the manager may have forgotten the service by then. */
  #setStatus(state: number, rest: Partial<ServiceStatus> = {}): void {
    if (this.#isOver) return;
    this.#isOver = state === SERVICE_STOPPED;
    this.#status = { ...stoppedStatus, ...rest, state };
    this.#scm.setStatus(this.#status);
  }
}
