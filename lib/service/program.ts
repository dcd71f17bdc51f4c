/** Runs or checks the service as a process: settings file, log on stderr, the platform's cache. */
import { type LoadedSettings, loadSettingsFile, SettingsError } from "../config/file.ts";
import { defaultSettings } from "../config/schema.ts";
import { createLineWriter } from "../log/line_writer.ts";
import { configureLog, createLineSink, type LogSink } from "../log/logging.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { openNeighborCache } from "../neighbors/open.ts";
import type { ServiceCommand } from "./arguments.ts";
import { checkText } from "./check.ts";
import { runConsole } from "./console.ts";
import type { HostParts } from "./hosted_service.ts";
import { type ReadKeyFile, readKeyFile } from "./keys.ts";
import { StartError } from "./start_error.ts";

/** How long the last lines of the log may take to be written. */
const lastLinesMs = 200;

/** What a platform has of its own. */
export interface ProgramPlatform {
  /** Without a path the settings of the platform's own place. Throws as `loadSettingsFile`. */
  readonly load: (configPath?: string) => LoadedSettings;
  readonly readKeyFile: ReadKeyFile;
  /** Where the log goes besides stderr. */
  readonly sinks: readonly LogSink[];
  /** Runs the service until it is told to end; resolves with the exit status. */
  readonly host: (parts: HostParts) => Promise<number>;
}

const filePlatform: ProgramPlatform = {
  load: loadSettingsFile,
  readKeyFile,
  sinks: [],
  host: runConsole,
};

/** Runs the command; resolves with the exit status. */
export async function runProgram(
  { kind, configPath, simulate }: ServiceCommand & { readonly kind: "run" | "check" },
  platform: ProgramPlatform = filePlatform,
): Promise<number> {
  const load = () => {
    const loaded = platform.load(configPath);
    return simulate ? onLoopback(loaded) : loaded;
  };
  if (kind === "check") return check(load, platform.readKeyFile);
  const writer = createLineWriter(Deno.stderr);
  const logAs = ({ LogLevel: level, LogFormat: format }: LoadedSettings["settings"]) =>
    configureLog({ level, sinks: [createLineSink(writer, format, simulate), ...platform.sinks] });
  const report = logAs(defaultSettings());
  const died = (error: unknown) => {
    report("unexpectedError", { error: String(error) });
    return writer.flush(lastLinesMs).then(() => Deno.exit(1));
  };
  globalThis.addEventListener("unhandledrejection", (event) => {
    event.preventDefault();
    died(event.reason);
  });
  globalThis.addEventListener("error", (event) => {
    event.preventDefault();
    died(event.error);
  });
  try {
    return await platform.host({
      load,
      configureLog: logAs,
      openCache: simulate ? openSimulatedCache : openNeighborCache,
      readKeyFile: platform.readKeyFile,
      report,
    });
  } catch (error) {
    return await died(error);
  } finally {
    await writer.flush(lastLinesMs);
  }
}

async function openSimulatedCache(): Promise<NeighborCache> {
  return (await import("../neighbors/memory.ts")).createSimulatedCache();
}

/** Nobody but the host itself is to find a service that only pretends. */
function onLoopback(loaded: LoadedSettings): LoadedSettings {
  if (loaded.origins.Listen !== "default") return loaded;
  return {
    settings: { ...loaded.settings, Listen: "127.0.0.1" },
    origins: { ...loaded.origins, Listen: "--simulate" },
  };
}

function check(load: () => LoadedSettings, read: ReadKeyFile): number {
  try {
    console.log(checkText(load(), read).trimEnd());
    return 0;
  } catch (error) {
    if (error instanceof SettingsError) console.error(error.problems.join("\n"));
    else if (error instanceof StartError) console.error(error.message);
    else throw error;
    return 2;
  }
}
