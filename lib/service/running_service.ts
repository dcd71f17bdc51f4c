/**
 * The service itself, whatever hosts it: a console, systemd, or Windows' service control manager.
 */
import type { LoadedSettings, Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createPublisher } from "../metrics/metrics_file.ts";
import { metricsText } from "../metrics/service_metrics.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { allowNetworks, createOnLinkSources } from "../receiver/accept.ts";
import type { Counters } from "../receiver/counters.ts";
import { type OpenSocket, openUdpSocket } from "../receiver/datagram_loop.ts";
import {
  type Receiver,
  type ReceiverRules,
  rehearse as rehearseInMemory,
  startReceiver,
} from "../receiver/receiver.ts";
import { type After, type Clock, sleep, systemAfter, systemClock } from "../time.ts";
import { arpflushVersion } from "../version.ts";
import type { InterfaceInfo } from "../wire/addresses.ts";
import type { Keyring } from "../wire/keys.ts";
import { createLegacyCheck } from "../wire/legacy.ts";
import { keyIds, keysText, loadKeyring, type ReadKeyFile, readKeyFile } from "./keys.ts";
import { createRefresher } from "./refresher.ts";
import { StartError } from "./start_error.ts";

/** What a service stands on. All but the first three have a default: the real thing. */
export interface ServiceParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  /** The name in acks. */
  readonly hostName: string;
  /** @default the system's */
  readonly clock?: Clock;
  /** @default the runtime's timers */
  readonly after?: After;
  /** @default Math.random */
  readonly random?: () => number;
  /** @default a UDP socket */
  readonly open?: OpenSocket;
  /** @default a file that others can't read */
  readonly readKeyFile?: ReadKeyFile;
  /** @default Deno.networkInterfaces */
  readonly readAddresses?: () => readonly Pick<InterfaceInfo, "address" | "cidr">[];
  /** Goes through a request beforehand. @default in memory */
  readonly rehearse?: (rules: ReceiverRules) => Promise<void>;
  /** How long to try to listen at the start, in ms. @default 20 s */
  readonly listenPatienceMs?: number;
  /** Aborts the waiting of a start. @default never */
  readonly signal?: AbortSignal;
}

/** A service that runs. */
export interface RunningService {
  readonly port: number;
  readonly counters: Counters;
  /** Flushes everything, through the gate; `why` is for the log. */
  flushNow(why: string): Promise<void>;
  /**
   * Takes over new settings and reads the keys again; rejects, and keeps everything as it was, when
   * that can't be. The replay window and a pending flush stay. What the log does is the host's part.
   */
  reload(settings: Settings): Promise<void>;
  /** Does the pending flush and ends, within 1 s. */
  stop(): Promise<void>;
  /** Resolves when the service has stopped. */
  readonly ended: Promise<void>;
}

/** Less than the second that a stop may take. */
const stopPatienceMs = 900;

/**
 * Starts the service: reads the keys, listens, flushes (FlushOnStart), and only then resolves.
 * Rejects with a `StartError`.
 */
export async function startService(
  first: Settings,
  parts: ServiceParts,
): Promise<RunningService> {
  const {
    cache,
    report,
    hostName,
    clock = systemClock,
    after = systemAfter,
    random = Math.random,
    open = openUdpSocket,
    readKeyFile: read = readKeyFile,
    readAddresses = () => Deno.networkInterfaces(),
    rehearse = rehearseInMemory,
    signal,
  } = parts;

  let keyring = loadKeyring(first, read);
  const onLink = createOnLinkSources(readAddresses, clock.monotonic, after);
  const rulesOf = (settings: Settings, keyring: Keyring | null): ReceiverRules => ({
    address: settings.Listen,
    port: settings.Port,
    holdDownMs: settings.HoldDownSeconds * 1_000,
    toleranceMs: settings.ClockToleranceSeconds * 1_000,
    keyring,
    isLegacy: settings.Password === "" ? null : createLegacyCheck(settings.Password),
    isAllowed: settings.AllowedSources === "on-link"
      ? onLink.isAllowed
      : allowNetworks(settings.AllowedSources),
  });
  const firstRules = rulesOf(first, keyring);
  const receiver = await listenPatiently(
    () =>
      startReceiver(firstRules, {
        cache,
        report,
        clock,
        after,
        random,
        open,
        hostName,
      }),
    { settings: first, report, clock, after, patienceMs: parts.listenPatienceMs, signal },
  );
  const refresher = createRefresher(cache, report, after);
  refresher.configure(first);
  const startedAt = clock.wall();
  const { counters } = receiver;
  const metrics = createPublisher({
    counters,
    text: () =>
      metricsText({
        counters,
        keyIds: keyIds(keyring),
        startedAt,
        version: arpflushVersion,
        runtime: Deno.version.deno,
      }),
    report,
    after,
  });
  metrics.configure(first.MetricsFile);
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let stopping: Promise<void> | null = null;

  let cancelRehearsal = () => {};

  /** Nobody waits for a rehearsal, the start of the service either; one that fails hinders nothing. */
  function startRehearsal(rules: ReceiverRules): void {
    cancelRehearsal();
    cancelRehearsal = after(0, () => void rehearse(rules).catch(() => {}));
  }

  async function stop(): Promise<void> {
    cancelFirstReading();
    cancelRehearsal();
    refresher.stop();
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const cancel = after(stopPatienceMs, () => resolve("late"));
    const result = await Promise.race([receiver.stop(), late]);
    if (result === "late") report("stopIncomplete");
    onLink.close();
    // A disk that hangs is nothing to wait for.
    await Promise.race([metrics.stop(), late]);
    cancel();
    report("stopped");
    end();
  }

  if (first.FlushOnStart) await receiver.flushAll("the start of the service");
  report("started", {
    version: arpflushVersion,
    address: receiver.address,
    port: receiver.port,
    keys: keysText(keyring),
    cache: cache.description,
  });
  // Behind the start like the rehearsal, but soon: later there may be no descriptor left for it.
  const cancelFirstReading = after(0, onLink.read);
  startRehearsal(firstRules);
  return {
    get port() {
      return receiver.port;
    },
    counters,
    flushNow: (why) => receiver.flushAll(why),
    async reload(settings) {
      const newKeyring = loadKeyring(settings, read);
      const rules = rulesOf(settings, newKeyring);
      try {
        await receiver.configure(rules);
      } catch (error) {
        throw new Error(listenText(settings, error));
      }
      keyring = newKeyring;
      refresher.configure(settings);
      metrics.configure(settings.MetricsFile);
      report("reloaded", {
        address: receiver.address,
        port: receiver.port,
        keys: keysText(keyring),
      });
      startRehearsal(rules);
    },
    stop: () => stopping ??= stop(),
    ended,
  };
}

// Listening at the start: at boot a port may still be taken, and an address not assigned yet.

const patienceDefaultMs = 20_000;
const retryMs = 500;

/** How to listen. */
export interface ListenPlan {
  readonly settings: Pick<Settings, "Listen" | "Port">;
  readonly report: Report;
  readonly clock: Clock;
  readonly after: After;
  /** How long to try, in ms. @default 20 s */
  readonly patienceMs?: number;
  /** Aborts the waiting. @default never */
  readonly signal?: AbortSignal;
}

/** Starts a receiver as soon as it can listen; gives up with a `StartError`. */
export async function listenPatiently(
  start: () => Receiver,
  { settings, report, clock, after, patienceMs = patienceDefaultMs, signal }: ListenPlan,
): Promise<Receiver> {
  const { Listen: address, Port: port } = settings;
  const until = clock.monotonic() + patienceMs;
  for (let tries = 1;; tries++) {
    try {
      return start();
    } catch (error) {
      const values = { address, port, error: systemReason(error) };
      const over = clock.monotonic() + retryMs > until;
      if (over || !mayPass(error) || signal?.aborted) {
        throw new StartError("listenFailed", listenText(settings, error), values);
      }
      if (tries === 1) report("listenWaiting", { ...values, seconds: patienceMs / 1_000 });
      await sleep(after, retryMs, signal);
    }
  }
}

/** Why it can't listen, in one line. */
export function listenText(
  { Listen, Port }: Pick<Settings, "Listen" | "Port">,
  error: unknown,
): string {
  return `Cannot listen on ${Listen} port ${Port}: ${systemReason(error)}`;
}

/** A port may become free, an address may still be assigned: at boot both happen. */
function mayPass(error: unknown): boolean {
  return error instanceof Deno.errors.AddrInUse || error instanceof Deno.errors.AddrNotAvailable;
}

// The service as its host has it, the same in a console, under systemd and under Windows' service control manager: started from settings, flushed, reloaded, stopped.

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
