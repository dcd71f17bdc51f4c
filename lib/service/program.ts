/** The service as a process: runs it or checks its settings, with the log on stderr. */
import type { Sink } from "@logtape/logtape";
import { loadSettingsFile } from "../config/file.ts";
import {
  defaultSettings,
  type LoadedSettings,
  settingNames,
  SettingsError,
  settingTable,
  settingText,
} from "../config/settings.ts";
import type { Report } from "../log/events.ts";
import { openLog } from "../log/logging.ts";
import { type NeighborCache, NeighborCacheError } from "../neighbors/neighbor_cache.ts";
import { createSyncSigner } from "../wire/ed25519_node.ts";
import { formatKey } from "../wire/keys.ts";
import { parsePrefix } from "../wire/addresses.ts";
import type { ServiceCommand } from "./arguments.ts";
import { messageOf } from "../errors.ts";
import { runConsole } from "./console.ts";
import { createHostKeyFile, type HostKeyStore } from "./host_key.ts";
import { deafToBroadcasts } from "./listening.ts";
import { keysText, loadRouterKeys, type ServiceParts, StartError } from "./running_service.ts";

/** The last lines of the log are waited for no longer than this. */
const maxLastLinesMs = 200;

/** What a platform has of its own. */
interface ProgramPlatform {
  /** Without a path the settings of the platform's own place. Throws as `loadSettingsFile`. */
  readonly load: (configPath?: string) => LoadedSettings;
  readonly hostKeyStore: () => HostKeyStore;
  /** Where the log goes besides stderr. */
  readonly sinks: readonly Sink[];
  /**
   * Runs the service until it is told to end; resolves with the exit status. `report` is for a start
   * that fails.
   */
  readonly host: (parts: ServiceParts, report: Report) => Promise<number>;
}

const filePlatform: ProgramPlatform = {
  load: loadSettingsFile,
  hostKeyStore: createHostKeyFile,
  sinks: [],
  host: runConsole,
};

/** Runs the service, or does what else the command asks for; resolves with the exit status. */
export async function runProgram(
  { kind, configPath, simulate }: ServiceCommand,
  platform: ProgramPlatform = filePlatform,
): Promise<number> {
  if (kind === "host-key") return printHostKey(platform.hostKeyStore());
  const load = () => {
    const loaded = platform.load(configPath);
    return simulate ? onLoopback(loaded) : loaded;
  };
  if (kind === "check") return check(load);
  const log = openLog({ sinks: platform.sinks, simulated: simulate });
  const report = log.configure(defaultSettings());
  const die = async (error: unknown) => {
    report("unexpectedError", { error: String(error) });
    await log.drain(maxLastLinesMs);
    return Deno.exit(1);
  };
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    die(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    die(event.error);
  });
  try {
    return await platform.host({
      load,
      configureLog: log.configure,
      openCache: simulate ? openSimulatedCache : openNeighborCache,
      hostKeyStore: simulate ? null : platform.hostKeyStore(),
    }, report);
  } catch (error) {
    return await die(error);
  } finally {
    await log.drain(maxLastLinesMs);
  }
}

/** Prints this host's public key; returns the exit status. */
function printHostKey(store: HostKeyStore): number {
  try {
    const seed = store.read();
    if (seed !== null) {
      console.log(formatKey("host", createSyncSigner(seed).publicKey));
      return 0;
    }
    console.error("This host has no key yet: the service makes it at its first start");
  } catch (error) {
    console.error(messageOf(error));
  }
  return 1;
}

async function openSimulatedCache(): Promise<NeighborCache> {
  return (await import("../neighbors/memory.ts")).createSimulatedCache();
}

/** A simulated service listens on loopback by default: no router is to take it for a real one. */
function onLoopback(loaded: LoadedSettings): LoadedSettings {
  if (loaded.origins.Listen !== "default") return loaded;
  return {
    settings: { ...loaded.settings, Listen: [parsePrefix("127.0.0.1")] },
    origins: { ...loaded.origins, Listen: "--simulate" },
  };
}

function check(load: () => LoadedSettings): number {
  try {
    console.log(checkText(load()));
    return 0;
  } catch (error) {
    if (error instanceof SettingsError) console.error(error.problems.join("\n"));
    else if (error instanceof StartError) console.error(error.message);
    else throw error;
    return 2;
  }
}

/**
 * What `--check` prints: the settings in effect as TOML with where each comes from. Throws a
 * `StartError` when nobody is obeyed.
 */
function checkText(loaded: LoadedSettings): string {
  const { settings, origins } = loaded;
  const lines = settingNames.map((name) => {
    const { unit } = settingTable[name];
    const origin = unit === undefined ? origins[name] : `${unit}; ${origins[name]}`;
    return `${`${name} = ${settingText(name, settings[name])}`.padEnd(36)} # ${origin}`;
  });
  const remarks = deafToBroadcasts(settings).map((address) =>
    `# Hears no broadcast on ${address}: only datagrams to that very address arrive`
  );
  return [...lines, `# Key ids: ${keysText(loadRouterKeys(settings))}`, ...remarks].join("\n");
}

/**
 * The cache of the system this runs on, which changes nothing yet. Rejects with a
 * `NeighborCacheError` on a system without an implementation.
 */
async function openNeighborCache(): Promise<NeighborCache> {
  const { os } = Deno.build;
  // Loaded only where it is used: no platform ever sees another's bindings.
  if (os === "linux") return (await import("../neighbors/linux.ts")).createLinuxCache();
  if (os === "windows") return (await import("../neighbors/windows.ts")).openWindowsNeighborCache();
  throw new NeighborCacheError(`Cannot open the neighbor cache: no implementation for ${os}`, 0);
}
