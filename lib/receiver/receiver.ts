/**
 * What the service does with datagrams: receive, `accept`, flush through the gate, ack. One object
 * owns the replay window, the gate and the socket; a reload changes rules and place under it.
 */
import { systemReason } from "../files/system_error.ts";
import type { Report } from "../log/events.ts";
import type { NeighborCache } from "../neighbors/neighbor_cache.ts";
import { formatAddress } from "../wire/ip_address.ts";
import { accept, type AcceptanceRules } from "./accept.ts";
import { createAcknowledger } from "./acknowledger.ts";
import { parseSource } from "./allowed_sources.ts";
import type { After, Clock } from "./clock.ts";
import { type Counters, createCounters } from "./counters.ts";
import { type OpenSocket, startDatagramLoop } from "./datagram_loop.ts";
import { createFlusher } from "./flusher.ts";
import { createLegacyCopies } from "./legacy_copies.ts";
import { createLimitedReport } from "./limited_report.ts";
import { createLookUps } from "./look_ups.ts";
import { createRefusalLog } from "./refusal_log.ts";
import { createReplayWindow, type Destination } from "./replay_window.ts";
import { createRequestHandler } from "./request_handler.ts";

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
