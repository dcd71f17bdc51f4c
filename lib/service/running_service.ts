/**
 * The service itself, whatever hosts it: a console, systemd, or Windows' service control manager.
 */
import type { Settings } from "../config/settings.ts";
import type { Report } from "../log/events.ts";
import { createPublisher } from "../metrics/publisher.ts";
import { metricsText } from "../metrics/service_metrics.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import {
  allowNetworks,
  createOnLinkSources,
  type OwnAddress,
} from "../receiver/allowed_sources.ts";
import { type After, type Clock, systemAfter, systemClock } from "../receiver/clock.ts";
import type { Counters } from "../receiver/counters.ts";
import { type OpenSocket, openUdpSocket } from "../receiver/datagram_loop.ts";
import { rehearse as rehearseInMemory } from "../receiver/rehearsal.ts";
import { type ReceiverRules, startReceiver } from "../receiver/receiver.ts";
import { arpflushVersion } from "../version.ts";
import type { Keyring } from "../wire/keyring.ts";
import { createLegacyCheck } from "../wire/legacy.ts";
import { keyIds, keysText, loadKeyring, type ReadKeyFile, readKeyFile } from "./keys.ts";
import { listenPatiently, listenText } from "./listen.ts";
import { createRefresher } from "./refresher.ts";

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
  readonly readAddresses?: () => readonly OwnAddress[];
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
