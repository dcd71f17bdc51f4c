/** The service as a process on Windows: settings from the registry, log in the event log. */
import { withFilter } from "@logtape/logtape";
import { loadSettingsFile } from "../config/file.ts";
import {
  accessFault,
  changeFault,
  loadSettingsRegistry,
  registryPath,
  trustedSids,
} from "../config/registry.ts";
import { type LoadedSettings, SettingsError } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createEventLogSink } from "../log/windows_event_log.ts";
import {
  createChangeDetector,
  readOwnAddresses,
  readPortOwners,
} from "../neighbors/windows_network.ts";
import { accessOfFile, aclapi, ownSid } from "../win32/aclapi.ts";
import {
  advapi32,
  createProtectedKey,
  readLocalMachineKey,
  REG_BINARY,
  type RegistryContents,
} from "../win32/advapi32.ts";
import { openChangeNotifications, openIpHelper } from "../win32/iphlpapi.ts";
import { openServiceControl } from "../win32/winsvc.ts";
import { keyLength } from "../wire/keys.ts";
import type { ServiceCommand } from "./arguments.ts";
import { runConsole } from "./console.ts";
import type { HostKeyStore } from "./host_key.ts";
import type { NetworkChanges } from "./network_changes.ts";
import { runProgram } from "./program.ts";
import { type ServiceParts, StartError, startService } from "./running_service.ts";
import { runAsService } from "./windows_service.ts";

/** Runs the service, or does what else the command asks for; resolves with the exit status. */
export function runWindowsProgram(command: ServiceCommand): Promise<number> {
  // Started by hand it reports on the console alone; the event log is for the service.
  let isService = false;
  const logToEventLog = createEventLogSink((error) =>
    console.error(`Cannot write to the event log: ${systemReason(error)}`)
  );
  return runProgram(command, {
    load: (path) => path === undefined ? loadSettingsRegistry() : loadGuardedFile(path),
    hostKeyStore: createHostKeyRegistry,
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
  aclapi();
  const network = openNetwork();
  const cache = parts.openCache();
  await cache.catch(() => {}); // Reported when the service starts.
  Deno.permissions.revokeSync({ name: "ffi" });
  return { ...parts, ...network, openCache: () => cache };
}

/** Reports why the service can't start. */
function reportStartFailure(report: Report, error: unknown): void {
  if (error instanceof StartError) report(error.event, error.values);
  else report("unexpectedError", { error: systemReason(error) });
}

/** Nothing where iphlpapi.dll can't be opened, which ends the start with the cache's own error. */
function openNetwork(): Pick<ServiceParts, "network" | "readAddresses" | "portOwners"> {
  let told = () => {};
  try {
    const ip = openIpHelper();
    const { note, changed } = createChangeDetector(ip);
    const register = openChangeNotifications((interfaceIndex) => {
      if (interfaceIndex !== null) note(interfaceIndex);
      told();
    });
    const network: NetworkChanges = {
      register(given) {
        told = given;
        return register();
      },
      changed,
    };
    return {
      network,
      readAddresses: () => readOwnAddresses(ip),
      portOwners: (port) => readPortOwners(ip, port, Deno.pid),
    };
  } catch {
    return {};
  }
}

/** The settings of a file that only trusted accounts may change. */
function loadGuardedFile(path: string): LoadedSettings {
  const loaded = loadSettingsFile(path);
  let fault: string | null;
  try {
    fault = changeFault(accessOfFile(path), ownSid());
  } catch (error) {
    fault = systemReason(error);
  }
  if (fault === null) return loaded;
  throw new SettingsError([`Cannot read settings "${path}": refused, ${fault}`]);
}

/** Where the host's key is, below HKEY_LOCAL_MACHINE. */
const hostKeyPath = `${registryPath}\\HostKey`;
const seedName = "Seed";

/** What keeping the host's key needs of Windows. */
interface HostKeyParts {
  readonly read: (path: string) => RegistryContents | null;
  /** Makes a key that only these accounts may use, with one value; throws if it is there already. */
  readonly createProtectedKey: (
    path: string,
    sids: readonly string[],
    name: string,
    data: Uint8Array,
  ) => void;
  readonly ownSid: () => string;
}

/**
 * Keeps the host's key in a registry key of its own. It is made with its access rights in one call:
 * at no moment can anybody else open it.
 */
export function createHostKeyRegistry(
  parts: HostKeyParts = { read: readLocalMachineKey, createProtectedKey, ownSid },
): HostKeyStore {
  const place = `HKLM\\${hostKeyPath}`;
  return {
    read() {
      const cannot = (reason: string) => new Error(`Cannot read host key ${place}: ${reason}`);
      let contents: RegistryContents | null;
      try {
        contents = parts.read(hostKeyPath);
      } catch (error) {
        throw cannot(systemReason(error));
      }
      if (contents === null) return null;
      const { values, access } = contents;
      const fault = accessFault(access, parts.ownSid());
      if (fault !== null) throw cannot(`refused, ${fault}; delete it`);
      const seed = values.find(({ name }) => name === seedName);
      if (seed?.type !== REG_BINARY || seed.data.length !== keyLength) throw cannot("it is broken");
      return seed.data;
    },
    write(seed) {
      try {
        const sids = new Set([...trustedSids, parts.ownSid()].filter((sid) => sid !== ""));
        parts.createProtectedKey(hostKeyPath, [...sids], seedName, seed);
      } catch (error) {
        throw new Error(`Cannot write host key ${place}: ${systemReason(error)}`);
      }
    },
  };
}
