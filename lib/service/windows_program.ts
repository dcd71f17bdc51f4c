/** The service as a process on Windows: settings from the registry, log in the event log. */
import { withFilter } from "@logtape/logtape";
import { loadSettingsFile } from "../config/file.ts";
import { accessFault, loadSettingsRegistry } from "../config/registry.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createEventLogSink } from "../log/windows_event_log.ts";
import { readSecretFile } from "../secret_file.ts";
import { systemAfter } from "../time.ts";
import { accessOfFile, advapi32, type ObjectAccess, ownSid } from "../win32/advapi32.ts";
import { notifyIpInterfaceChange } from "../win32/iphlpapi.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { openServiceControl } from "../win32/winsvc.ts";
import type { ServiceCommand } from "./arguments.ts";
import { runConsole } from "./console.ts";
import type { ReadKeyFile } from "./keys.ts";
import { runProgram } from "./program.ts";
import { type NetworkWatch, type ServiceParts, startService } from "./running_service.ts";
import { serviceExitCode, StartError } from "./start_error.ts";
import { runAsService } from "./windows_service.ts";

/** How long to wait, in ms, for more changes of the network before one flush for all of them. */
const networkSettledMs = 1_000;

/** Runs the command; resolves with the exit status. */
export function runWindowsProgram(
  command: ServiceCommand & { readonly kind: "run" | "check" },
): Promise<number> {
  // Started by hand it reports on the console alone; the event log is for the service.
  let isService = false;
  const logToEventLog = createEventLogSink((error) =>
    console.error(`Cannot write to the event log: ${systemReason(error)}`)
  );
  return runProgram(command, {
    load: (path) => path === undefined ? loadSettingsRegistry() : loadSettingsFile(path),
    readKeyFile: createWindowsKeyReader(),
    sinks: [withFilter(logToEventLog, () => isService)],
    async host(parts, report) {
      const { promise: opened, resolve: open } = Promise.withResolvers<ServiceParts>();
      const asService = runAsService(openServiceControl(), {
        async start() {
          isService = true;
          return await startService(await opened);
        },
        startFailed: (error) => reportStartFailure(report, error),
        die: (reason) => {
          throw reason;
        },
      });
      // Meanwhile the manager, on a thread of its own, finds out whether it started this process.
      open(await openEverything(parts));
      return await asService ? 0 : await runConsole(await opened, report);
    },
  });
}

/**
 * Opens all that the service calls of Windows. Deno permits callbacks only with all of FFI, so the
 * permission is given up afterwards, before any datagram is read: what is bound stays usable, and
 * nothing new can be bound.
 */
async function openEverything(parts: ServiceParts): Promise<ServiceParts> {
  advapi32();
  const network = watchNetwork();
  const cache = parts.openCache();
  await cache.catch(() => {}); // Reported when the service starts.
  Deno.permissions.revokeSync({ name: "ffi" });
  return { ...parts, openCache: () => cache, network };
}

/** Reports why the service can't start; returns the service-specific exit code. */
function reportStartFailure(report: Report, error: unknown): number {
  if (error instanceof StartError) report(error.event, error.values);
  else report("unexpectedError", { error: systemReason(error) });
  return serviceExitCode(error);
}

function watchNetwork(): NetworkWatch {
  let cancelTimer = () => {};
  let changed = () => {};
  let fault: string | null = null;
  try {
    const code = notifyIpInterfaceChange(() => {
      cancelTimer();
      cancelTimer = systemAfter(networkSettledMs, () => changed());
    });
    if (code !== win32.success) fault = `NotifyIpInterfaceChange: ${describeWin32Error(code)}`;
  } catch (error) {
    fault = systemReason(error);
  }
  return {
    fault,
    onChange(given) {
      changed = given;
    },
  };
}

/** What of Windows says who may use a file. */
interface FileAccess {
  readonly accessOfFile: (path: string) => ObjectAccess;
  readonly ownSid: () => string;
}

/** Reads key files, if nobody but trusted accounts can read or change them. */
export function createWindowsKeyReader(
  windows: FileAccess = { accessOfFile, ownSid },
): ReadKeyFile {
  return (path) => {
    try {
      Deno.statSync(path);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return null;
    }
    const cannot = (reason: string) => new Error(`Cannot read key file "${path}": ${reason}`);
    let fault: string | null;
    try {
      fault = accessFault(windows.accessOfFile(path), windows.ownSid());
    } catch (error) {
      throw cannot(systemReason(error));
    }
    if (fault !== null) {
      throw cannot(
        `refused, ${fault}; run icacls "${path}" /inheritance:r /grant:r *S-1-5-18:F *S-1-5-32-544:F`,
      );
    }
    return readSecretFile(path);
  };
}
