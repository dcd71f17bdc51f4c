/**
 * What the service does with datagrams: receive, `accept`, flush through the gate, ack. One object
 * owns the replay window, the gate and the socket; a reload changes rules and place under it.
 */
import { systemReason } from "../errors.ts";
import type { Report } from "../log/events.ts";
import { createMemoryCache } from "../neighbors/memory.ts";
import {
  type NeighborCache,
  NeighborCacheError,
  toCacheError,
} from "../neighbors/neighbor_cache.ts";
import { type After, type Clock, readClock, systemAfter, systemClock } from "../time.ts";
import { encodeAck } from "../wire/ack.ts";
import { type AddressPrefix, formatAddress, prefixOf } from "../wire/addresses.ts";
import { idLength, printable } from "../wire/datagram.ts";
import type { Key } from "../wire/keys.ts";
import { encodeRequest, type FlushRequest } from "../wire/request.ts";
import {
  accept,
  type AcceptanceRules,
  createLegacyCopies,
  parseSource,
  type Verdict,
} from "./accept.ts";
import {
  type Acknowledger,
  createAcknowledger,
  createLookUps,
  type LookUps,
  type Question,
} from "./answers.ts";
import { type Counters, createCounters } from "./counters.ts";
import { type OpenSocket, startDatagramLoop } from "./datagram_loop.ts";
import { createFlusher, type Flusher } from "./flusher.ts";
import { createLimitedReport, createRateLimit, createRefusalLog } from "./rate_limits.ts";
import {
  acksMost,
  createReplayWindow,
  type Destination,
  type Outcome,
  type ReplayWindow,
  type SeenRequest,
} from "./replay_window.ts";

/** What the receiver needs; tests hand in their own. */
export interface ReceiverParts {
  readonly cache: NeighborCache;
  readonly report: Report;
  readonly clock: Clock;
  readonly after: After;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly open: OpenSocket;
  /** The name in acks. */
  readonly hostName: string;
}

/** What a reload may change. */
export interface ReceiverRules extends AcceptanceRules {
  readonly address: string;
  /** 0: any. */
  readonly port: number;
  readonly holdDownMs: number;
}

/** A running receiver. */
export interface Receiver {
  readonly address: string;
  readonly port: number;
  readonly counters: Counters;
  /** Flushes everything through the gate; resolves when that flush has ended, well or not. */
  flushAll(who: string): Promise<void>;
  /** New rules from the next datagram on; rejects, and keeps the old ones, if it can't listen. */
  configure(rules: ReceiverRules): Promise<void>;
  /** No datagram is looked at any more; does the pending flush, sends what waits, closes. */
  stop(): Promise<void>;
}

/** Opens the socket, or throws, and starts to receive. Requests older than this moment are stale. */
export function startReceiver(first: ReceiverRules, parts: ReceiverParts): Receiver {
  const { cache, report, clock, after, random, open, hostName } = parts;
  const now = clock.monotonic;
  let rules = first;
  let stopping = false;
  const counters = createCounters(clock.wall);
  const window = createReplayWindow(clock.wall());
  const memory = { window, isLegacyCopy: createLegacyCopies() };
  const refusals = createRefusalLog(report, after);
  const reportBroken = createLimitedReport(report, "brokenRequest", now);
  const reportReceive = createLimitedReport(report, "receiveFailed", now);
  const loop = startDatagramLoop(
    first.address,
    first.port,
    {
      datagram: onDatagram,
      receiveFailed(error) {
        counters.count("receiveErrors");
        reportReceive(() => ({ error: systemReason(error) }));
      },
      lost: (error) =>
        report("socketLost", {
          address: loop.address,
          port: loop.port,
          error: systemReason(error),
        }),
      reopened() {
        counters.count("socketsReopened");
        report("socketReopened", { address: loop.address, port: loop.port });
      },
    },
    open,
    after,
  );
  const { holdDownMs } = first;
  const flusher = createFlusher({ cache, report, counters, now, after, holdDownMs });
  const acknowledger = createAcknowledger({
    send: loop.send,
    after,
    random,
    now,
    report,
    counters,
  });
  const lookUps = createLookUps(cache, report, now);
  const handleRequest = createRequestHandler({
    window,
    flusher,
    lookUps,
    acknowledger,
    report,
    counters,
    clock,
    hostName,
  });

  function onDatagram(bytes: Uint8Array, from: Destination): void {
    const source = parseSource(from.hostname);
    if (stopping || source === null) return;
    const verdict = accept(bytes, source, rules, memory, clock);
    switch (verdict.kind) {
      case "refused":
        counters.countRefused(verdict.reason);
        refusals.refused(verdict.reason, source);
        if (verdict.key !== undefined) {
          const { key: { idText }, reason } = verdict;
          reportBroken(() => ({ key: idText, source: formatAddress(source), reason }));
        }
        return;
      case "legacy": {
        counters.count("legacy");
        const who = `a legacy client (${formatAddress(source)})`;
        return flusher.request("all", { who, ended: () => {} });
      }
      case "legacy copy":
        return counters.count("legacyCopies");
      default:
        return handleRequest(verdict, from, source);
    }
  }

  return {
    get address() {
      return loop.address;
    },
    get port() {
      return loop.port;
    },
    counters,
    flushAll(who) {
      const { promise, resolve } = Promise.withResolvers<void>();
      flusher.request("all", { who, ended: () => resolve() });
      return promise;
    },
    async configure(next) {
      if (next.address !== rules.address || next.port !== rules.port) {
        await loop.move(next.address, next.port);
      }
      rules = next;
      flusher.setHoldDown(next.holdDownMs);
    },
    async stop() {
      stopping = true;
      await flusher.finish();
      await acknowledger.hurry();
      loop.stop();
      refusals.close();
    },
  };
}

// What is done for a sender that holds the key: flush or look, then ack; ack again; ack stale.

/** The verdicts on authentic requests. */
export type AuthenticVerdict = Verdict & { readonly kind: "accepted" | "repeat" | "stale" };

/** What the handler needs. */
export interface RequestHandlerParts {
  readonly window: ReplayWindow;
  readonly flusher: Flusher;
  readonly lookUps: LookUps;
  readonly acknowledger: Acknowledger;
  readonly report: Report;
  readonly counters: Counters;
  readonly clock: Clock;
  /** The name in acks. */
  readonly hostName: string;
}

/** Does what a verdict asks for. */
export type HandleRequest = (
  verdict: AuthenticVerdict,
  from: Destination,
  source: AddressPrefix,
) => void;

const staleAcks = { most: 2, periodMs: 1_000 } as const;

/** The handler of one receiver. */
export function createRequestHandler(parts: RequestHandlerParts): HandleRequest {
  const { window, flusher, lookUps, acknowledger, report, counters, clock, hostName } = parts;
  const reportOffset = createLimitedReport(report, "clockOffset", clock.monotonic);
  const reportFull = createLimitedReport(report, "replayWindowFull", clock.monotonic);
  const mayAckStale = createRateLimit(staleAcks.most, staleAcks.periodMs);

  function onStale(
    { request, key, mac, clock: judgedBy }: Verdict & { kind: "stale" },
    from: Destination,
  ): void {
    counters.countAuthentic("stale", request.created, key.idText);
    reportOffset(() => ({
      who: askerText(request, key, from),
      seconds: Math.round((request.created - judgedBy) / 1_000),
    }));
    if (!request.acknowledge || !mayAckStale(clock.monotonic())) return;
    const outcome = { status: "stale", error: 0, entries: 0, micros: 0, reports: [] } as const;
    acknowledger.acknowledge(from, request.ackSpreadMs, () =>
      encodeAck(
        { ...outcome, clock: window.clock(readClock(clock)), id: request.id, host: hostName },
        key,
        mac,
      ));
  }

  function onRepeat({ key, seen }: Verdict & { kind: "repeat" }, from: Destination): void {
    counters.count("repeated");
    if (!seen.acknowledge) return;
    if (seen.outcome !== null) return acknowledge(key, seen, seen.outcome, from);
    // The flush is still to come; the sender may have more than one address to tell it to.
    const waits = seen.waiting.some(({ hostname, port }) =>
      hostname === from.hostname && port === from.port
    );
    if (!waits && seen.waiting.length < acksMost) seen.waiting.push(from);
  }

  function onAccepted(
    { request, key, seen, remembered }: Verdict & { kind: "accepted" },
    from: Destination,
    source: AddressPrefix,
  ): void {
    counters.countAuthentic("accepted", request.created, key.idText);
    const who = askerText(request, key, from);
    report("accepted", { action: request.action, who });
    if (!remembered) {
      counters.count("unremembered");
      reportFull(() => ({ capacity: window.size, who }));
    }
    if (request.acknowledge) seen.waiting.push(from);
    const conclude = (outcome: Outcome) => {
      seen.outcome = outcome;
      const waiting = seen.waiting;
      seen.waiting = [];
      for (const to of waiting) acknowledge(key, seen, outcome, to);
    };
    const question = { request, source, who };
    // Probes change nothing, so they need no gate.
    if (request.action === "probe") return void probe(question, conclude);
    flusher.request(request.action === "flush all" ? "all" : request.addresses, {
      who,
      async ended(result) {
        if (result instanceof NeighborCacheError) return conclude(failedOutcome(result));
        const { removed: entries, micros } = result;
        const { reports } = await lookUps.resolve(question);
        conclude({ status: "flushed", error: 0, entries, micros, reports });
      },
    });
  }

  async function probe(question: Question, conclude: (outcome: Outcome) => void): Promise<void> {
    try {
      const { entries, reports } = await lookUps.look(question);
      conclude({ status: "alive", error: 0, entries, micros: 0, reports });
    } catch (error) {
      conclude(failedOutcome(toCacheError(error)));
    }
  }

  function acknowledge(key: Key, seen: SeenRequest, outcome: Outcome, to: Destination): void {
    if (seen.acks >= acksMost) return;
    seen.acks++;
    acknowledger.acknowledge(to, seen.ackSpreadMs, () =>
      encodeAck(
        { ...outcome, clock: clock.wall(), id: seen.id, host: hostName },
        key,
        seen.mac,
      ));
  }

  return (verdict, from, source) => {
    switch (verdict.kind) {
      case "accepted":
        return onAccepted(verdict, from, source);
      case "repeat":
        return onRepeat(verdict, from);
      case "stale":
        return onStale(verdict, from);
    }
  };
}

function failedOutcome({ code }: NeighborCacheError): Outcome {
  return { status: "failed", error: code, entries: 0, micros: 0, reports: [] };
}

/** Who asks, for the log: `r1 (192.0.2.1, key 3a9c5e34)`. */
function askerText(request: FlushRequest, key: Key, from: Destination): string {
  return `${printable(request.sender) || "unnamed"} (${from.hostname}, key ${key.idText})`;
}

// One request through a receiver of its own, in memory: no datagram leaves or comes, no neighbor is touched, nothing is counted or logged. What runs for the first time is compiled and loaded first, which takes about 10 ms; the request that a service waits for comes once in weeks, and shouldn't wait for that.

const asker: Deno.NetAddr = { transport: "udp", hostname: "127.0.0.1", port: 1 };

/**
 * Rehearses under rules; resolves when the ack was sent. Does nothing without a key. Derives what
 * the signing key derives at its first use.
 */
export async function rehearse(rules: ReceiverRules): Promise<void> {
  const key = rules.keyring?.signing;
  if (key === undefined) return;
  const request = encodeRequest({
    action: "flush all",
    acknowledge: true,
    report: true,
    created: Date.now(),
    id: crypto.getRandomValues(new Uint8Array(idLength)),
    ackSpreadMs: 0,
    sender: "rehearsal",
    addresses: [prefixOf(4, 32, 192, 0, 2, 1)],
  }, key);
  const { promise: done, resolve: end } = Promise.withResolvers<void>();
  const receiver = startReceiver(rules, {
    cache: createMemoryCache(),
    report: () => {},
    clock: systemClock,
    after: systemAfter,
    random: Math.random,
    open: askedOnce(request, end),
    hostName: "rehearsal",
  });
  await done;
  await receiver.stop();
}

/** A socket that receives one datagram, and then nothing until it is closed. */
function askedOnce(datagram: Uint8Array, answered: () => void): OpenSocket {
  return () => {
    const { promise: closed, reject: close } = Promise.withResolvers<never>();
    closed.catch(() => {});
    let asked = false;
    return {
      addr: asker,
      receive() {
        if (asked) return closed;
        asked = true;
        return Promise.resolve([datagram, asker]);
      },
      send(bytes) {
        answered();
        return Promise.resolve(bytes.length);
      },
      close: () => close(new Deno.errors.BadResource("closed")),
    };
  };
}
