/**
 * Sends acks: each to the source of the datagram it answers, after a random delay up to the spread
 * that the request asks for, so that a thousand hosts don't answer at once.
 */
import { systemReason } from "../files/system_error.ts";
import type { Report } from "../log/events.ts";
import type { After } from "./clock.ts";
import type { Counters } from "./counters.ts";
import { createLimitedReport } from "./limited_report.ts";
import type { Destination } from "./replay_window.ts";

/** What the acknowledger needs. */
export interface AcknowledgerParts {
  readonly send: (bytes: Uint8Array, to: Destination) => Promise<void>;
  readonly after: After;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly now: () => number;
  readonly report: Report;
  readonly counters: Counters;
}

/** Acks that wait for their time. */
export interface Acknowledger {
  /** Sends what `encode` makes at that time, so that the ack's clock is right. */
  acknowledge(to: Destination, spreadMs: number, encode: () => Uint8Array): void;
  /** Sends everything that waits, at once; resolves when it has been handed to the system. */
  hurry(): Promise<void>;
}

/** Delayed acks at most; one more is dropped, which is counted. */
const delayedMost = 4_096;

/** An acknowledger with nothing to send. */
export function createAcknowledger(parts: AcknowledgerParts): Acknowledger {
  const { send, after, random, now, report, counters } = parts;
  const delayed = new Map<() => Promise<void>, () => void>();
  const reportFailure = createLimitedReport(report, "ackFailed", now);

  async function sendNow(to: Destination, encode: () => Uint8Array): Promise<void> {
    try {
      await send(encode(), to);
      counters.count("acksSent");
    } catch (error) {
      counters.count("acksFailed");
      reportFailure(() => ({
        destination: `${to.hostname} port ${to.port}`,
        error: systemReason(error),
      }));
    }
  }

  return {
    acknowledge(to, spreadMs, encode) {
      if (spreadMs === 0) return void sendNow(to, encode);
      if (delayed.size >= delayedMost) return counters.count("acksDropped");
      const run = () => {
        delayed.delete(run);
        return sendNow(to, encode);
      };
      delayed.set(run, after(random() * spreadMs, run));
    },
    async hurry() {
      const waiting = [...delayed];
      await Promise.all(waiting.map(([run, cancel]) => {
        cancel();
        return run();
      }));
    },
  };
}
