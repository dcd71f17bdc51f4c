/**
 * `arpflush --follow FIFO`: a process that lives beside keepalived, reads its FIFO, and carries out the
 * requests that follow from it. It outlives what goes wrong around it: a FIFO that is not there yet or
 * is made anew, a key or a file that can't be read at the moment, a system log that is gone.
 */
import { askedHosts } from "../ask/verdicts.ts";
import { messageOf } from "../errors.ts";
import { createSdNotify, logToSystem } from "../unix_datagram.ts";
import type { SendOptions } from "../sender/arguments.ts";
import { say } from "../sender/output.ts";
import { readPassword, readSeed } from "../sender/preparation.ts";
import { run } from "../sender/run.ts";
import type { Outcome } from "../sender/outcome.ts";
import { keepHeartbeat, keepMetrics } from "../sender/run_files.ts";
import { askedText, stateText } from "../sender/summary.ts";
import type { HostResult } from "../sender/verdict.ts";
import { listText } from "../text.ts";
import { systemTime } from "../time.ts";
import { ownInterfaces } from "../wire/addresses.ts";
import { Follower, type FollowerParts } from "./follower.ts";
import { LastFailover } from "./last_failover.ts";
import { HostLinks, type Link, type Links, linksOf, optionsOn } from "./links.ts";
import { NotifyFifo } from "./notify_fifo.ts";
import { openPresence } from "./presence.ts";

type Log = FollowerParts["log"];

/** How often the FIFO is compared with its path, and systemd told that this process lives. */
const tickMs = 1_000;
/** Exporters read the file every 15 s or so. */
const heartbeatMs = 15_000;
/**
 * A failover's addresses come within this; a run that asks by ARP goes on for long, and two at once on
 * a link would ask twice as fast as they may.
 */
const joinMs = { flush: 2_000, ask: 60_000 } as const;
/** For the last reports after SIGTERM. */
const maxStopMs = 500;
/** The probe at a start: hosts are to be healed soon if something is wrong. */
const quickProbe = { action: "probe", count: 2, intervalMs: 500, waitMs: 1_000 } as const;
/** Hosts that a line names before it counts the rest. */
const maxNamed = 3;

/**
 * Follows until SIGTERM or SIGINT; resolves with the exit code. Rejects with a RunError at the start
 * if the key can't be used, or another process reads the FIFO.
 */
export async function follow(path: string, options: SendOptions): Promise<number> {
  checkSecret(options);
  const log = createLog(options);
  let isUntold = false;
  const sdNotify = createSdNotify(Deno.env.get("NOTIFY_SOCKET"), (error) => {
    if (!isUntold) log("warning", `Cannot tell systemd: ${messageOf(error)}`);
    isUntold = true;
  });
  const fifo = new NotifyFifo(path, (text) => log("warning", text), listenForEnd());
  if (!await fifo.open()) return 0;
  const hostLinks = new HostLinks();
  const failover = new LastFailover(systemTime, options);
  const shared: Shared = { options, hostLinks, failover, log };
  const follower = new Follower({
    time: systemTime,
    joinMs: options.ask === null ? joinMs.flush : joinMs.ask,
    readLinks: () => linksOf(options, ownInterfaces(Deno.networkInterfaces())),
    flush: (link, signal) => flush(link, shared, signal),
    probe: (links, signal) => probe(links, shared, signal),
    log,
  });
  const presence = openPresenceOr(log, () => fifo.isInPlace, () => follower.note([]));
  await sdNotify("READY=1");
  log("info", `Following "${path}"`);
  void follower.begin();
  const memory = await openHostMemoryOr(log, options);
  const timer = setInterval(() => {
    void sdNotify("WATCHDOG=1");
    fifo.look();
    memory?.look();
  }, tickMs);
  const stopHeart = startHeart(options, log);
  await fifo.read((lines) => follower.note(lines));
  clearInterval(timer);
  await memory?.close();
  stopHeart();
  await sdNotify("STOPPING=1");
  presence?.close();
  await follower.stop(maxStopMs);
  return 0;
}

/** Rejects at the start what would fail at each run. */
function checkSecret({ secret, ask }: SendOptions) {
  if (ask?.only) return;
  if (secret.kind === "key file") readSeed(secret.path);
  else if (secret.kind === "password file") readPassword(secret.path);
}

/** To the system log with --syslog, to stderr without, or where no system log takes it. */
function createLog({ syslog, quiet }: SendOptions): Log {
  return (severity, text) => {
    const sayIt = () => {
      if (!quiet || severity === "error") say(text);
    };
    if (!syslog) return sayIt();
    void logToSystem(severity, text).then((isLogged) => {
      if (!isLogged) sayIt();
    });
  };
}

function listenForEnd(): AbortSignal {
  const ending = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => ending.abort());
  }
  return ending.signal;
}

/** Notes in the metrics file again and again that this process lives. */
function startHeart({ metricsFile }: SendOptions, log: Log): () => void {
  if (metricsFile === null) return () => {};
  let said = "";
  const beat = async () => {
    const [wrong = ""] = await keepHeartbeat(metricsFile, Date.now());
    if (wrong !== "" && wrong !== said) log("warning", wrong);
    said = wrong;
  };
  void beat();
  const timer = setInterval(() => void beat(), heartbeatMs);
  return () => clearInterval(timer);
}

function openPresenceOr(log: Log, ...given: Parameters<typeof openPresence>) {
  try {
    return openPresence(...given);
  } catch (error) {
    log("warning", `Scripts with --unless-following will send themselves: ${messageOf(error)}`);
    return null;
  }
}

/** Who is heard on the links is remembered where hosts are asked. */
async function openHostMemoryOr(log: Log, { ask }: SendOptions) {
  if (ask === null) return null;
  try {
    const { openHostMemory } = await import("../sender/asking.ts");
    return openHostMemory(systemTime, (line) => log("warning", line));
  } catch (error) {
    log("warning", `Hosts will only be connected to: ${messageOf(error)}`);
    return null;
  }
}

/** What all runs of the process share. */
interface Shared {
  readonly options: SendOptions;
  readonly hostLinks: HostLinks;
  readonly failover: LastFailover;
  readonly log: Log;
}

/** Flushes one link and reports it; see `FollowerParts`. */
async function flush(
  link: Link,
  { options, hostLinks, failover, log }: Shared,
  signal: AbortSignal,
): Promise<void> {
  const { metricsFile } = options;
  const expect = hostLinks.expectedOn(link.name, options.expect);
  // The metrics are of all links together.
  const narrowed: SendOptions = {
    ...optionsOn(link, options),
    expect,
    output: "line",
    metricsFile: null,
  };
  const keep = async (result: Outcome | Error) => {
    const whole = failover.end(link.name, result, narrowed);
    if (whole === null || metricsFile === null) return;
    for (const wrong of await keepMetrics(metricsFile, whole)) log("warning", wrong);
  };
  failover.begin();
  try {
    const outcome = await run(narrowed, signal);
    hostLinks.note(outcome, [link.name]);
    await keep(outcome);
  } catch (error) {
    await keep(error instanceof Error ? error : new Error(messageOf(error)));
    throw error;
  }
}

/** Probes all links and reports it; see `FollowerParts`. */
async function probe(
  links: Links,
  { options, hostLinks }: Shared,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  // Nobody answers a password.
  if (options.secret.kind !== "key file" && options.ask === null) return new Map();
  // A drill is a longer one, with hosts by name: metrics and history don't take this one for it.
  const quick = { ...quickProbe, output: "line", metricsFile: null, historyFile: null } as const;
  const outcome = await run({ ...options, ...quick }, signal);
  const names = [...links.keys()];
  hostLinks.note(outcome, names);
  // Whoever couldn't be looked at may be stuck.
  const isToHeal = ({ state }: HostResult) => state === "stuck" || state === "unverified";
  const wrong = outcome.hosts.filter(isToHeal).flatMap((result) =>
    Array.from(outcome.record.hosts.linksOf(result.host), (link) => ({
      link: names[link],
      text: `${result.name} ${stateText(result)}`,
    }))
  );
  const asked = askedHosts(outcome.asked).filter(({ verdict }) => verdict === "stuck")
    .map((host) => ({ link: host.link, text: `${host.name ?? host.host} ${askedText(host)}` }));
  return new Map(
    Array.from(
      Map.groupBy([...wrong, ...asked], ({ link }) => link),
      ([link, hosts]) => [link, listText(hosts.map(({ text }) => text), maxNamed)],
    ),
  );
}
