/**
 * The service, the same in a console, under systemd and under Windows' service control manager:
 * started from settings, flushed, reloaded, stopped.
 */
import type { LoadedSettings, Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { EventValues, Report } from "../log/events.ts";
import { MetricsFile } from "../metrics/metrics_file.ts";
import { metricsText } from "../metrics/service_metrics.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { type AddressInfo, allowNetworks, OnLinkSources } from "../receiver/sources.ts";
import type { Counters } from "../receiver/counters.ts";
import { type OpenSocket, openUdpSocket } from "../receiver/listeners.ts";
import { Receiver, type ReceiverRules } from "../receiver/receiver.ts";
import { systemTime, type Time } from "../time.ts";
import { arpflushVersion } from "../version.ts";
import { isSignedBy } from "../wire/ed25519_node.ts";
import { formatKey, parseRouterKeys, type RouterKeys } from "../wire/keys.ts";
import { createLegacyCheck } from "../receiver/accept.ts";
import { type HostKeyStore, loadHostKey } from "./host_key.ts";
import {
  deafToBroadcasts,
  listenAddresses,
  openWhenFree,
  type ReadPortOwners,
  watchPort,
} from "./listening.ts";
import { type NetworkChanges, NetworkWatch } from "./network_changes.ts";
import { Refresher } from "./refresher.ts";

/** Exit status of the process by the reason that it can't start; the reasons are events. */
const startFailures = {
  settingsInvalid: 2,
  keyMissing: 2,
  listenFailed: 1,
  cacheUnusable: 1,
} as const;

/** A start that failed; `event` and `values` are for the log. */
export class StartError extends Error {
  override readonly name = "StartError";
  readonly values: EventValues;
  constructor(
    readonly event: keyof typeof startFailures,
    reason: string,
    values: EventValues = {},
  ) {
    super(reason);
    this.values = { ...values, error: reason };
  }
  get exitStatus(): number {
    return startFailures[this.event];
  }
}

/**
 * The keys of the routers that this host obeys; none will do with a Password. Throws a `StartError`
 * that says how to list one where there is neither.
 */
export function loadRouterKeys({ RouterKeys: texts, Password: password }: Settings): RouterKeys {
  if (texts.length === 0 && password === "") {
    throw new StartError(
      "keyMissing",
      "RouterKeys is empty and no Password is set; " +
        'list what "arpflush --public-key -k FILE" prints on each router',
    );
  }
  return parseRouterKeys(texts);
}

/** Key ids for the log. */
export function keysText(routerKeys: RouterKeys): string {
  return keyIds(routerKeys).join(" ") || "none (legacy only)";
}

function keyIds({ keys }: RouterKeys): string[] {
  return keys.map(({ idText }) => idText);
}

/** What a service is started with. */
export interface ServiceParts {
  /** Reads the settings, at the start and at each reload. Throws an Error with one whole line. */
  readonly load: () => LoadedSettings;
  /** Sets the log up as settings want it; what it returns reports events from then on. */
  readonly configureLog: (settings: Settings) => Report;
  readonly openCache: () => Promise<NeighborCache>;
  /** Null: a host key for this start alone. @default null */
  readonly hostKeyStore?: HostKeyStore | null;
  /** @default the network isn't watched */
  readonly network?: NetworkChanges;
  /** @default none can be found out */
  readonly portOwners?: ReadPortOwners;
  /** @default the system's */
  readonly time?: Time;
  /** @default a UDP socket */
  readonly open?: OpenSocket;
  /** @default Deno.networkInterfaces */
  readonly readAddresses?: () => readonly AddressInfo[];
}

/** What a service runs with once it listens. */
interface RunningParts extends ServiceParts {
  readonly time: Time;
  readonly report: Report;
  readonly cache: NeighborCache;
  readonly onLink: OnLinkSources;
  readonly receiver: Receiver;
}

/**
 * Starts the service: reads the settings, listens, flushes (FlushOnStart), and only then
 * resolves. Rejects with a `StartError`, which it leaves to the host to report. `signal` ends the
 * waiting for a port.
 */
export async function startService(
  given: ServiceParts,
  signal?: AbortSignal,
): Promise<RunningService> {
  const parts = {
    hostKeyStore: null,
    time: systemTime,
    open: openUdpSocket,
    readAddresses: () => Deno.networkInterfaces(),
    ...given,
  };
  const { time, open } = parts;
  const settings = loadFirst(parts.load);
  const report = parts.configureLog(settings);
  const cache = await parts.openCache().catch((error) => {
    throw new StartError("cacheUnusable", systemReason(error));
  });
  const routerKeys = loadRouterKeys(settings);
  const { signer, fault } = loadHostKey(parts.hostKeyStore);
  const onLink = new OnLinkSources(parts.readAddresses, time);
  const rules = receiverRules(settings, routerKeys, onLink);
  const receiverParts = {
    cache,
    report,
    time,
    random: Math.random,
    open,
    signer,
    hostName: Deno.hostname,
    instance: crypto.getRandomValues(new Uint8Array(8)),
    challengeSecret: crypto.getRandomValues(new Uint8Array(32)),
    linkZones: () => linkZones(parts.readAddresses()),
  };
  const openReceiver = () => new Receiver(rules, receiverParts);
  const receiver = await openWhenFree(openReceiver, rules, report, time, signal).catch((error) => {
    const { addresses, port } = rules;
    throw new StartError("listenFailed", systemReason(error), {
      address: addresses.join(", "),
      port,
    });
  });
  const service = new RunningService(settings, routerKeys, {
    ...parts,
    report,
    cache,
    onLink,
    receiver,
  });
  if (settings.FlushOnStart) await service.flushNow("the start of the service");
  report("started", {
    version: arpflushVersion,
    address: receiver.addresses.join(", "),
    port: receiver.port,
    keys: keysText(routerKeys),
    hostKey: formatKey("host", signer.publicKey),
    cache: cache.description,
  });
  if (fault !== null) report("hostKeyNotKept", { error: fault });
  reportDeaf(settings, report);
  service.watch(settings);
  return service;
}

function reportDeaf(settings: Settings, report: Report): void {
  for (const address of deafToBroadcasts(settings)) report("broadcastsUnheard", { address });
}

/** The indexes of the interfaces that have a link-local address. */
function linkZones(addresses: readonly AddressInfo[]): number[] {
  const zones = addresses.filter(({ address }) => /^fe80:/i.test(address))
    .map(({ scopeid }) => scopeid ?? 0);
  return [...new Set(zones)].filter((zone) => zone > 0);
}

/** A stop takes a second at most; the rest of it is for the last metrics and log lines. */
const maxStopMs = 900;

/** A service that listens. */
export class RunningService {
  readonly #parts: RunningParts;
  readonly #refresher: Refresher;
  readonly #metrics: MetricsFile;
  #routerKeys: RouterKeys;
  #reloading = Promise.resolve();
  #stopping: Promise<void> | null = null;
  readonly #cancelFirstReading: () => void;
  #networkWatch: NetworkWatch | null = null;
  #portWatch: ReturnType<typeof watchPort> | null = null;

  constructor(settings: Settings, routerKeys: RouterKeys, parts: RunningParts) {
    const { cache, report, time, onLink } = parts;
    this.#parts = parts;
    this.#routerKeys = routerKeys;
    this.#refresher = new Refresher(cache, report, time);
    this.#refresher.configure(settings);
    const startedAt = time.wall();
    this.#metrics = new MetricsFile({
      counters: this.counters,
      text: () =>
        metricsText({
          counters: this.counters,
          keyIds: keyIds(this.#routerKeys),
          startedAt,
          version: arpflushVersion,
          runtime: Deno.version.deno,
        }),
      report,
      time,
    });
    this.#metrics.configure(settings.MetricsFile);
    // The start doesn't wait for it, but a descriptor for it may be missing later.
    this.#cancelFirstReading = time.after(0, () => onLink.read());
  }

  get port(): number {
    return this.#parts.receiver.port;
  }

  get counters(): Counters {
    return this.#parts.receiver.counters;
  }

  /** Flushes everything, through the gate; `why` is for the log. Resolves when that has ended. */
  flushNow(why: string): Promise<void> {
    return this.#parts.receiver.flushAll(why);
  }

  /** Watches the network and the port from now on, where the platform can. */
  watch(settings: Settings): void {
    const { network: changes, portOwners, cache, receiver, report, time } = this.#parts;
    if (changes !== undefined) {
      this.#networkWatch = new NetworkWatch({ changes, cache, receiver, report, time }, settings);
    }
    if (portOwners !== undefined) {
      this.#portWatch = watchPort(receiver, portOwners, report, time);
    }
  }

  /**
   * Reads the settings again and takes them over, or keeps everything as it was and reports why.
   * What was seen, that of a key that is taken out too, and a pending flush stay in any case. One
   * reload begins when the one before has ended. Never rejects.
   */
  reload(): Promise<void> {
    return this.#reloading = this.#reloading.then(() => this.#reload());
  }

  async #reload(): Promise<void> {
    const { load, configureLog, report } = this.#parts;
    try {
      const { settings } = load();
      await this.#takeOver(settings);
      configureLog(settings);
    } catch (error) {
      report("reloadRefused", { error: systemReason(error) });
    }
  }

  /** Does the pending flush and ends, within 1 s. */
  stop(): Promise<void> {
    return this.#stopping ??= this.#stop();
  }

  async #takeOver(settings: Settings): Promise<void> {
    const { onLink, receiver, report } = this.#parts;
    const routerKeys = loadRouterKeys(settings);
    const rules = receiverRules(settings, routerKeys, onLink);
    try {
      await receiver.configure(rules);
    } catch (error) {
      const place = `${rules.addresses.join(", ")} port ${rules.port}`;
      throw new Error(`Cannot listen on ${place}: ${systemReason(error)}`);
    }
    this.#reportKeys(routerKeys);
    this.#routerKeys = routerKeys;
    this.#refresher.configure(settings);
    this.#metrics.configure(settings.MetricsFile);
    this.#networkWatch?.configure(settings);
    const address = receiver.addresses.join(", ");
    report("reloaded", { address, port: receiver.port, keys: keysText(routerKeys) });
    reportDeaf(settings, report);
    this.#portWatch?.look();
  }

  /** Says which keys a reload has listed and taken out. */
  #reportKeys(next: RouterKeys): void {
    const { report } = this.#parts;
    const [before, after] = [keyIds(this.#routerKeys), keyIds(next)];
    for (const key of after) if (!before.includes(key)) report("routerKeyListed", { key });
    for (const key of before) if (!after.includes(key)) report("routerKeyTakenOut", { key });
  }

  async #stop(): Promise<void> {
    const { time, onLink, receiver, report } = this.#parts;
    this.#cancelFirstReading();
    this.#networkWatch?.stop();
    this.#portWatch?.stop();
    this.#refresher.stop();
    const { promise: late, resolve } = Promise.withResolvers<"late">();
    const cancel = time.after(maxStopMs, () => resolve("late"));
    const result = await Promise.race([receiver.stop(), late]);
    if (result === "late") report("stopIncomplete");
    onLink.close();
    // A disk that hangs must not hinder the end.
    await Promise.race([this.#metrics.stop(), late]);
    cancel();
    report("stopped");
  }
}

function loadFirst(load: ServiceParts["load"]): Settings {
  try {
    return load().settings;
  } catch (error) {
    throw new StartError("settingsInvalid", systemReason(error));
  }
}

function receiverRules(
  settings: Settings,
  routerKeys: RouterKeys,
  onLink: OnLinkSources,
): ReceiverRules {
  const { AllowedSources: allowed, Password: password } = settings;
  return {
    addresses: listenAddresses(settings),
    port: settings.Port,
    holdDownMs: settings.HoldDownSeconds * 1_000,
    toleranceMs: settings.ClockToleranceSeconds * 1_000,
    routerKeys,
    isSignedBy,
    isLegacy: password === "" ? null : createLegacyCheck(password),
    isAllowed: isAllowedBy(allowed, onLink),
  };
}

/** The host itself is always allowed, or it couldn't be probed from there. */
function isAllowedBy(
  allowed: Settings["AllowedSources"],
  onLink: OnLinkSources,
): ReceiverRules["isAllowed"] {
  if (allowed === "on-link") return (source) => onLink.isAllowed(source);
  const isListed = allowNetworks(allowed);
  return (source) => isListed(source) || onLink.isOwn(source);
}
