/**
 * The service as its host has it, the same in a console, under systemd and under Windows' service
 * control manager: started from settings, flushed, reloaded, stopped.
 */
import type { LoadedSettings } from "../config/file.ts";
import { systemReason } from "../files/system_error.ts";
import type { Report } from "../log/events.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import type { ReadKeyFile } from "./keys.ts";
import { startService } from "./running_service.ts";
import { StartError } from "./start_error.ts";

/** What a host needs. */
export interface HostParts {
  /** Reads the settings, at the start and at each reload. Throws an Error with one whole line. */
  readonly load: () => LoadedSettings;
  /** Sets the log up as settings want it; what it returns goes on being the way to say something. */
  readonly configureLog: (settings: LoadedSettings["settings"]) => Report;
  readonly openCache: () => Promise<NeighborCache>;
  /** @default a file that others can't read */
  readonly readKeyFile?: ReadKeyFile;
  /** Says something before there are settings. */
  readonly report: Report;
  /** @default the network isn't watched */
  readonly network?: NetworkWatch;
}

/** Changes of the host's network, a burst of them counting as one. */
export interface NetworkWatch {
  /** Why there is nothing to hear, or null. */
  readonly fault: string | null;
  /** Sets what is called a moment after a change: a failover may be what changed it. */
  onChange(changed: () => void): void;
}

/** A service that runs, as its host sees it. */
export interface HostedService {
  /** Flushes everything; `why` is for the log. */
  flushNow(why: string): void;
  /** Reads settings and keys again; a bad reload keeps the old ones and is the log's affair. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts the service; resolves when it listens and has done its first flush. Rejects with a
 * `StartError`, which it leaves to the host to say. `signal` ends the waiting of a start.
 */
export async function startHostedService(
  { load, configureLog, openCache, readKeyFile, network }: HostParts,
  signal?: AbortSignal,
): Promise<HostedService> {
  const settings = loadFirst(load);
  const report = configureLog(settings);
  const cache = await openCache().catch((error) => {
    throw new StartError("cacheUnusable", systemReason(error));
  });
  const hostName = Deno.hostname();
  const service = await startService(settings, { cache, report, hostName, readKeyFile, signal });
  if (network !== undefined) {
    const { fault } = network;
    if (fault !== null) report("networkUnwatched", { error: fault });
    network.onChange(() => void service.flushNow("a change of the network"));
  }
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

function loadFirst(load: HostParts["load"]): LoadedSettings["settings"] {
  try {
    return load().settings;
  } catch (error) {
    throw new StartError("settingsInvalid", systemReason(error));
  }
}
