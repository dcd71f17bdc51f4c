/** The service as a process on Windows: settings from the registry, log in the event log. */
import { type LoadedSettings, loadSettingsFile } from "../config/file.ts";
import { loadSettingsRegistry } from "../config/registry.ts";
import { systemReason } from "../files/system_error.ts";
import { createEventLogSink } from "../log/windows_event_log.ts";
import { notifyIpInterfaceChange } from "../win32/ip_interface_change.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { openServiceControl } from "../win32/winsvc.ts";
import type { ServiceCommand } from "./arguments.ts";
import { type ConsoleParts, runConsole } from "./console.ts";
import { runProgram } from "./program.ts";
import { startService } from "./running_service.ts";
import { StartError } from "./start_error.ts";
import { serviceExitCode } from "./windows_exit_codes.ts";
import { createWindowsKeyReader } from "./windows_keys.ts";
import { type HostedService, runAsService } from "./windows_service.ts";

/** How long to wait, in ms, for more changes of the network before one flush for all of them. */
const networkSettledMs = 1_000;

/** Runs the command; resolves with the exit status. */
export function runWindowsProgram(
  command: ServiceCommand & { readonly kind: "run" | "check" },
): Promise<number> {
  // Started by hand it says everything on the console; the event log is for the service.
  let isService = false;
  const logToEventLog = createEventLogSink((error) =>
    console.error(`Cannot write to the event log: ${systemReason(error)}`)
  );
  return runProgram(command, {
    load: (path) => path === undefined ? loadSettingsRegistry() : loadSettingsFile(path),
    readKeyFile: createWindowsKeyReader(),
    sinks: [(entry) => {
      if (isService) logToEventLog(entry);
    }],
    async host(parts) {
      const scm = openServiceControl();
      const network = watchNetwork();
      const cache = parts.openCache();
      await cache.catch(() => {}); // Said when the service starts.
      // Deno permits callbacks only with the whole of FFI. All of it is open now, and is given up
      // before any datagram is read: what is bound stays usable, nothing new can be.
      Deno.permissions.revokeSync({ name: "ffi" });
      const hosted: ConsoleParts = { ...parts, openCache: () => cache };
      const wasService = await runAsService(scm, {
        start() {
          isService = true;
          return startHosted(hosted, network);
        },
        startFailed: (error) => reportStartFailure(hosted, error),
        die: (reason) => {
          throw reason;
        },
      });
      return wasService ? 0 : await runConsole(hosted);
    },
  });
}

/** Says in the log why the service can't start; returns the code that says the same. */
function reportStartFailure({ report }: ConsoleParts, error: unknown): number {
  if (error instanceof StartError) report(error.event, error.values);
  else report("unexpectedError", { error: systemReason(error) });
  return serviceExitCode(error);
}

async function startHosted(parts: ConsoleParts, network: NetworkWatch): Promise<HostedService> {
  const { load, configureLog, openCache, readKeyFile } = parts;
  const settings = loadFirst(load);
  const report = configureLog(settings);
  const cache = await openCache().catch((error) => {
    throw new StartError("cacheUnusable", systemReason(error));
  });
  const service = await startService(settings, {
    cache,
    report,
    hostName: Deno.hostname(),
    readKeyFile,
  });
  if (network.fault !== null) report("networkUnwatched", { error: network.fault });
  network.onChange(() => service.flushNow("a change of the network"));
  return {
    flushNow: (why) => void service.flushNow(why),
    async reload() {
      try {
        const { settings } = load();
        await service.reload(settings);
        configureLog(settings);
      } catch (error) {
        report("reloadRefused", { error: systemReason(error) });
      }
    },
    stop: () => service.stop(),
  };
}

function loadFirst(load: ConsoleParts["load"]): LoadedSettings["settings"] {
  try {
    return load().settings;
  } catch (error) {
    throw new StartError("settingsInvalid", systemReason(error));
  }
}

/** Changes of the network, a burst of them counting as one. */
interface NetworkWatch {
  /** Why there is nothing to hear, or null. */
  readonly fault: string | null;
  /** Sets what is called a moment after a change: a failover may be what changed it. */
  onChange(changed: () => void): void;
}

function watchNetwork(): NetworkWatch {
  let settled: ReturnType<typeof setTimeout> | undefined;
  let changed = () => {};
  const code = notifyIpInterfaceChange(() => {
    clearTimeout(settled);
    settled = setTimeout(() => changed(), networkSettledMs);
  });
  return {
    fault: code === win32.success ? null : `NotifyIpInterfaceChange: ${describeWin32Error(code)}`,
    onChange(given) {
      changed = given;
    },
  };
}
