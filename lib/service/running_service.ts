/**
 * The service, the same in a console, under systemd and under Windows' service control manager:
 * started from settings, flushed, reloaded, stopped.
 */
import type { LoadedSettings, Settings } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { MetricsFile } from "../metrics/metrics_file.ts";
import { metricsText } from "../metrics/service_metrics.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { type AddressInfo, allowNetworks, OnLinkSources } from "../receiver/accept.ts";
import type { Counters } from "../receiver/counters.ts";
import { type OpenSocket, openUdpSocket } from "../receiver/listeners.ts";
import { Receiver, type ReceiverRules } from "../receiver/receiver.ts";
import { sleep, systemTime, type Time } from "../time.ts";
import { arpflushVersion } from "../version.ts";
import { formatAddress, isLoopback, parsePrefix } from "../wire/addresses.ts";
import { isSignedBy } from "../wire/ed25519_node.ts";
import { formatKey, type RouterKeys } from "../wire/keys.ts";
import { createLegacyCheck } from "../wire/legacy.ts";
import { type HostKeyStore, keyIds, keysText, loadHostKey, loadRouterKeys } from "./keys.ts";
import { InterfaceFlushes } from "./interface_flushes.ts";
import { type NetworkChanges, watchNetwork } from "./network_changes.ts";
import { type PortWatch, type ReadPortOwners, watchPort } from "./port_watch.ts";
import { Refresher } from "./refresher.ts";
import { StartError } from "./start_error.ts";

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
  /** Uniform in [0, 1). @default Math.random */
  readonly random?: () => number;
  /** @default a UDP socket */
  readonly open?: OpenSocket;
  /** @default Deno.networkInterfaces */
  readonly readAddresses?: () => readonly AddressInfo[];
}

/** What a service runs with once it listens. */
interface RunningParts {
  readonly load: ServiceParts["load"];
  readonly configureLog: ServiceParts["configureLog"];
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
    random: Math.random,
    open: openUdpSocket,
    readAddresses: () => Deno.networkInterfaces(),
    ...given,
  };
  const { time, random, open } = parts;
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
    random,
    open,
    signer,
    hostName: Deno.hostname,
    instance: crypto.getRandomValues(new Uint8Array(8)),
    challengeSecret: crypto.getRandomValues(new Uint8Array(32)),
    linkZones: () => linkZones(parts.readAddresses()),
  };
  const receiver = await openWhenFree(
    () => new Receiver(rules, receiverParts),
    rules,
    report,
    time,
    signal,
  );
  const running = { ...parts, report, cache, onLink, receiver };
  const service = new RunningService(settings, routerKeys, running);
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
  if (parts.network !== undefined) service.watch(parts.network);
  if (parts.portOwners !== undefined) service.watchPort(parts.portOwners);
  return service;
}

/** Where only datagrams to the very address arrive: Linux keeps broadcasts from such sockets. */
export function deafToBroadcasts({ Listen }: Settings, os = Deno.build.os): string[] {
  if (os !== "linux") return [];
  return Listen.filter((address) => !isLoopback(address) && address.bytes.some(Boolean))
    .map(formatAddress);
}

function reportDeaf(settings: Settings, report: Report): void {
  for (const address of deafToBroadcasts(settings)) report("broadcastsUnheard", { address });
}

/**
 * What sockets are opened at: on Linux one at `::` hears IPv4 as well, and excludes one for that; with
 * net.ipv6.bindv6only it doesn't, and IPv4 gets one of its own.
 */
function listenAddresses({ Listen }: Settings, os = Deno.build.os): string[] {
  const texts = Listen.map(formatAddress);
  if (os !== "linux" || !texts.includes("::")) return texts;
  return [...texts.filter((text) => text.includes(":")), ...isIpv6Alone() ? ["0.0.0.0"] : []];
}

/** Whether a socket at `::` leaves its port to IPv4. */
function isIpv6Alone(): boolean {
  const transport = "udp";
  let six: Deno.DatagramConn | undefined;
  try {
    six = Deno.listenDatagram({ transport, hostname: "::", port: 0 });
    const { port } = six.addr as Deno.NetAddr;
    Deno.listenDatagram({ transport, hostname: "0.0.0.0", port }).close();
    return true;
  } catch {
    return false;
  } finally {
    six?.close();
  }
}

/** The indexes of the interfaces that have a link-local address. */
function linkZones(addresses: readonly AddressInfo[]): number[] {
  const zones = addresses.filter(({ address }) => /^fe80:/i.test(address))
    .map(({ scopeid }) => scopeid ?? 0);
  return [...new Set(zones)].filter((zone) => zone > 0);
}

/** A stop takes a second at most; the rest of it is for the last metrics and log lines. */
const maxStopMs = 900;

const renewalPauseMs = 500;

/** A service that listens. */
export class RunningService {
  readonly #parts: RunningParts;
  readonly #refresher: Refresher;
  readonly #metrics: MetricsFile;
  #routerKeys: RouterKeys;
  #stopping: Promise<void> | null = null;
  readonly #cancelFirstReading: () => void;
  readonly #interfaceFlushes: InterfaceFlushes;
  #stopWatching = () => {};
  #portWatch: PortWatch | null = null;
  #cancelRenewal: (() => void) | null = null;

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
    this.#interfaceFlushes = new InterfaceFlushes(cache, parts.receiver, time);
    this.#interfaceFlushes.configure(settings);
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

  /** Flushes each interface that has changed from now on, if FlushOnNetworkChange is set. */
  watch(network: NetworkChanges): void {
    const { report, time } = this.#parts;
    const changed = (index: number) => {
      this.#interfaceFlushes.changed(index);
      // An address may have been away; a storm of changes is one renewal each half second.
      this.#cancelRenewal ??= time.after(renewalPauseMs, () => {
        this.#cancelRenewal = null;
        this.#parts.receiver.renewSockets();
      });
    };
    this.#stopWatching = watchNetwork(network, changed, report, time);
  }

  /** Reports other processes that have the port open from now on. */
  watchPort(readOwners: ReadPortOwners): void {
    const { receiver, report, time } = this.#parts;
    const place = () => ({
      addresses: receiver.addresses.map(parsePrefix),
      port: receiver.port,
    });
    this.#portWatch = watchPort(place, readOwners, report, time);
  }

  /**
   * Reads the settings again and takes them over, or keeps everything as it was and reports why.
   * What was seen, that of a key that is taken out too, and a pending flush stay in any case. Never
   * rejects.
   */
  async reload(): Promise<void> {
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
      throw new Error(listenText(rules, error));
    }
    this.#reportKeys(routerKeys);
    this.#routerKeys = routerKeys;
    this.#refresher.configure(settings);
    this.#metrics.configure(settings.MetricsFile);
    this.#interfaceFlushes.configure(settings);
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
    this.#stopWatching();
    this.#portWatch?.stop();
    this.#cancelRenewal?.();
    this.#interfaceFlushes.stop();
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

/** At boot a port may still be taken and an address not assigned yet: tried again that long. */
const maxListenWaitMs = 20_000;
const listenRetryMs = 500;

/** Opens a receiver as soon as it can listen; gives up with a `StartError`. */
async function openWhenFree(
  open: () => Receiver,
  place: Pick<ReceiverRules, "addresses" | "port">,
  report: Report,
  time: Time,
  signal?: AbortSignal,
): Promise<Receiver> {
  const { addresses, port } = place;
  const address = addresses.join(", ");
  const until = time.monotonic() + maxListenWaitMs;
  for (let tries = 1;; tries++) {
    try {
      return open();
    } catch (error) {
      const values = { address, port, error: systemReason(error) };
      // Windows says "permission denied" (WSAEACCES) of a port that another account holds.
      const mayPass = error instanceof Deno.errors.AddrInUse ||
        error instanceof Deno.errors.PermissionDenied ||
        error instanceof Deno.errors.AddrNotAvailable;
      if (!mayPass || signal?.aborted || time.monotonic() + listenRetryMs > until) {
        throw new StartError("listenFailed", listenText(place, error), values);
      }
      if (tries === 1) report("listenWaiting", { ...values, seconds: maxListenWaitMs / 1_000 });
      await sleep(time.after, listenRetryMs, signal);
    }
  }
}

/** Why it can't listen, in one line. */
function listenText(
  { addresses, port }: Pick<ReceiverRules, "addresses" | "port">,
  error: unknown,
): string {
  return `Cannot listen on ${addresses.join(", ")} port ${port}: ${systemReason(error)}`;
}
