/**
 * The catalogue of everything the service says: number (the id in Windows' event log, 1 to 1000),
 * severity, text and what an administrator should do. Numbers are never used again for another
 * meaning. `{name}` in a text stands for a value. docs/events.md is made from this.
 */

/** LogTape's levels. Windows' event log has the first three; debug is for the console alone. */
type Severity = "error" | "warning" | "info" | "debug";

/** One kind of event. */
interface EventKind {
  readonly id: number;
  readonly severity: Severity;
  readonly text: string;
  /** What to do about it, if anything. */
  readonly advice?: string;
}

const catalogue = {
  started: {
    id: 1,
    severity: "info",
    text:
      "Started version {version} on {address} port {port}, keys {keys}, host key {hostKey}, cache {cache}",
  },
  stopped: { id: 2, severity: "info", text: "Stopped" },
  reloaded: {
    id: 3,
    severity: "info",
    text: "Reloaded the settings: listening on {address} port {port}, keys {keys}",
  },
  reloadRefused: {
    id: 4,
    severity: "error",
    text: "Cannot reload the settings, the old ones stay: {error}",
    advice: "Correct what the text names (--check), and reload again.",
  },
  stopIncomplete: {
    id: 5,
    severity: "warning",
    text: "Stopped before a running flush had ended",
    advice: "The cache may not be flushed. Find out why flushes take longer than 1 s.",
  },
  notifyFailed: {
    id: 6,
    severity: "warning",
    text: "Cannot tell the service manager: {error}",
    advice: "Without READY=1 systemd stops the service after a while. Check NOTIFY_SOCKET.",
  },

  routerKeyListed: {
    id: 7,
    severity: "info",
    text: "Obeys the router's key {key} from now on",
  },
  routerKeyTakenOut: {
    id: 8,
    severity: "info",
    text: "Obeys the router's key {key} no more; what it has asked for is done",
  },

  broadcastsUnheard: {
    id: 9,
    severity: "warning",
    text: "Hears no broadcast on {address}: here only datagrams to that very address arrive",
    advice: "Set Listen to 0.0.0.0, or name this host on the routers' command lines.",
  },
  linesLost: {
    id: 48,
    severity: "warning",
    text: "Left out {count} lines of the log: it is written too slowly",
    advice: "Find out what holds up the log's reader, or set LogLevel to info.",
  },

  flushed: {
    id: 10,
    severity: "info",
    text: "Flushed {scope} for {who}: {removed} entries removed in {milliseconds} ms",
  },
  flushFailed: {
    id: 11,
    severity: "error",
    text: "Cannot flush {scope} for {who}: {error}",
    advice: "The next copy of the request tries again. Check the service's rights.",
  },
  flushNote: { id: 12, severity: "warning", text: "Flush: {note}" },
  lookFailed: {
    id: 13,
    severity: "warning",
    text: "Cannot look up neighbors for {who}: {error}",
    advice: "The sender sees no link-layer address from this host.",
  },
  lookOverload: {
    id: 14,
    severity: "warning",
    text: "Left out neighbor look-ups: too many were waiting, the last for {who}",
    advice: "Flushes are done all the same; ask for fewer reports at once.",
  },
  refreshFailed: {
    id: 15,
    severity: "warning",
    text: "Cannot refresh {addresses}: {error}",
    advice:
      "Each reason is said once until it works again, in time. The entry may be an old one. " +
      "Check RefreshAddresses and the reason named.",
  },
  refreshWorks: {
    id: 16,
    severity: "info",
    text: "Refreshing {addresses} works again",
  },

  refused: {
    id: 20,
    severity: "warning",
    text: "Refused {count} datagrams: {reasons}; most from {source} ({sourceCount})",
    advice:
      "At most once a minute. Reason key: list the router's public key, or find out who sends. Source: see AllowedSources. Filter, signature, challenge: somebody else made or repeats them. Others: something else uses the port.",
  },
  brokenRequest: {
    id: 21,
    severity: "warning",
    text: "Refused a request signed with key {key} from {source}: {reason}",
    advice:
      "Reason content: the router is broken or of another version. Window full: it sends far too many requests.",
  },
  clockOffset: {
    id: 22,
    severity: "warning",
    text: "The request of {who} was created {seconds} s away from this host's clock",
    advice:
      "Set both clocks (NTP); nothing is lost, as the sender answers this host's challenge. Or somebody repeats an old request.",
  },
  replayWindowFull: {
    id: 23,
    severity: "warning",
    text: "Cannot remember the request of {who}: {capacity} are remembered already",
    advice:
      "It is done all the same. Find who sends far too many requests, or shorten ClockToleranceSeconds.",
  },
  accepted: {
    id: 24,
    severity: "debug",
    text: "Accepted {action} of {who}",
  },

  earlierRequest: {
    id: 25,
    severity: "info",
    text: "The request of {who} was not created after {than}",
    advice:
      "Nothing is lost, as the sender answers this host's challenge. Start: usual when the service starts during a failover. Forgotten: this host's clock was set back, or its memory is full (23).",
  },
  receiveFailed: {
    id: 30,
    severity: "warning",
    text: "Cannot receive: {error}; trying again",
    advice: "At most once a minute. Usually an ack to a closed port or a network change.",
  },
  socketLost: {
    id: 31,
    severity: "error",
    text: "Cannot receive any more on {address} port {port}: {error}; opening the socket again",
    advice: "Check address and port.",
  },
  socketReopened: {
    id: 32,
    severity: "info",
    text: "Listening on {address} port {port} from now on",
  },
  ackFailed: {
    id: 33,
    severity: "warning",
    text: "Cannot send an ack to {destination}: {error}",
    advice: "At most once a minute. Check routes and firewall towards the sender.",
  },

  networkUnwatched: {
    id: 34,
    severity: "warning",
    text: "Cannot have Windows tell of changes of the network: {error}; trying again",
    advice: "Said once. Until it works the service looks by itself, once a minute.",
  },
  networkWatched: {
    id: 35,
    severity: "info",
    text: "Windows tells of changes of the network now",
  },

  addressMissing: {
    id: 37,
    severity: "warning",
    text:
      "Cannot listen on {address} port {port}: {error}; trying again, other addresses are heard",
    advice: "Check address and port, or take it out of Listen.",
  },
  portShared: {
    id: 36,
    severity: "warning",
    text: "Process {pid} has port {port} open on {address} too, and may be given requests instead",
    advice: "Find out what the process is (Task Manager, tasklist), and end or move it.",
  },

  settingsInvalid: {
    id: 40,
    severity: "error",
    text: "Cannot start: {error}",
    advice: "Correct the settings; --check shows all errors.",
  },
  keyMissing: {
    id: 42,
    severity: "error",
    text: "Cannot start: {error}",
    advice: "List the public key of each router in RouterKeys.",
  },
  listenWaiting: {
    id: 43,
    severity: "warning",
    text: "Cannot listen on {address} port {port} yet: {error}; trying again for {seconds} s",
    advice: "See 44.",
  },
  listenFailed: {
    id: 44,
    severity: "error",
    text: "Cannot listen on {address} port {port}: {error}",
    advice: "Find the program that holds the port, or correct Listen and Port.",
  },
  cacheUnusable: {
    id: 45,
    severity: "error",
    text: "Cannot use the neighbor cache: {error}",
    advice: "On Linux install iproute2; on Windows run as LocalSystem.",
  },
  unexpectedError: {
    id: 46,
    severity: "error",
    text: "Stopped by an unexpected error: {error}",
    advice: "The service manager restarts it. Please report the text.",
  },

  hostKeyNotKept: {
    id: 47,
    severity: "warning",
    text: "Has a host key for this start alone: {error}",
    advice:
      "Senders that pin this host find another key. Give the service its state folder (StateDirectory), or delete a broken host key.",
  },

  metricsFailed: {
    id: 50,
    severity: "warning",
    text: "Cannot write metrics to {path}: {error}; trying again",
    advice:
      "Said once; requests are served all the same. Free the disk, correct MetricsFile, or make the folder, root's own, and restart the service.",
  },
  metricsWork: {
    id: 51,
    severity: "info",
    text: "Writing metrics to {path} works again",
  },
  metricsNotRemoved: {
    id: 52,
    severity: "warning",
    text: "Cannot remove the old metrics {path}: {error}",
    advice: "Remove it: exporters that find metrics in two files show neither.",
  },
} as const satisfies Record<string, EventKind>;

/** The name of a kind of event. */
export type EventName = keyof typeof catalogue;

/** All kinds of events by name. */
export const events: Readonly<Record<EventName, EventKind>> = catalogue;

/** Values for a text's `{name}`s. Never a key, a password or a datagram's payload. */
export type EventValues = Readonly<Record<string, string | number>>;

/** Says that something happened. Never throws: a log that fails must not stop the service. */
export type Report = (event: EventName, values?: EventValues) => void;
