/** The same bytes to every target, again and again: a lost datagram costs an interval, not a host. */
import { systemReason } from "../errors.ts";
import { sleep, type Time } from "../time.ts";
import type { DatagramPort } from "./datagram_port.ts";
import type { Target } from "./targets.ts";

/** What became of the copies to one target. */
export interface TargetOutcome {
  readonly target: Target;
  /** Copies that the system took. */
  sent: number;
  /** Why the latest copy that failed did; null if none did. */
  error: string | null;
}

/** A request's bytes, and where they go. */
export interface Copies {
  readonly bytes: Uint8Array;
  readonly outcomes: readonly TargetOutcome[];
  /** Monotonic time in ms when the latest copy was given to the system. */
  latestAt: number;
}

/** How often, and how far apart from start to start. */
export interface Schedule {
  readonly count: number;
  readonly intervalMs: number;
}

/** How long the last copies may hang in the resolver before the run goes on without them. */
const resolverMs = 5_000;

/**
 * Sends copies of all requests, the first at once, and returns how many there were. An error on one
 * target is kept in its outcome and hinders neither other targets nor later copies; a target whose
 * name takes long to look up doesn't hold the others up: until it is found its outcome has neither
 * copies nor an error. `onCopy` is called when the first datagram of a copy is with the system: what
 * it starts takes no time from it. When `signal` is aborted no copy follows.
 */
export async function sendCopies(
  requests: readonly Copies[],
  udpPort: number,
  schedule: Schedule,
  port: DatagramPort,
  time: Time,
  onCopy: (copy: number) => void = () => {},
  signal?: AbortSignal,
): Promise<number> {
  const start = time.monotonic();
  const pending: Promise<void>[] = [];
  let copies = 0;
  for (let copy = 1; copy <= schedule.count; copy++) {
    const due = start + (copy - 1) * schedule.intervalMs;
    if (copy > 1) await sleep(time.after, due - time.monotonic(), signal);
    if (signal?.aborted) break;
    copies = copy;
    for (const request of requests) request.latestAt = time.monotonic();
    const sends = requests.flatMap(({ bytes, outcomes }) =>
      outcomes.map((outcome) => ({ outcome, sent: sendOne(bytes, outcome, udpPort, port) }))
    );
    pending.push(...sends.map(({ sent }) => sent));
    Promise.race(sends.map(({ sent }) => sent)).then(() => onCopy(copy));
    // A process's first timer keeps it busy for 10 ms, and what the socket was given waits as long.
    if (copy === 1) {
      await Promise.all(
        sends.filter(({ outcome }) => outcome.target.address !== null).map(({ sent }) => sent),
      );
    }
  }
  if (signal?.aborted) return copies;
  await Promise.race([Promise.all(pending), sleep(time.after, resolverMs, signal)]);
  for (const outcome of requests.flatMap(({ outcomes }) => outcomes)) {
    if (outcome.sent === 0) outcome.error ??= "the resolver has not answered";
  }
  return copies;
}

/** Sends one datagram and notes in the outcome what became of it. Never rejects. */
export async function sendOne(
  bytes: Uint8Array,
  outcome: TargetOutcome,
  udpPort: number,
  port: DatagramPort,
): Promise<void> {
  try {
    await port.send(bytes, outcome.target, udpPort);
    outcome.sent++;
  } catch (error) {
    outcome.error = systemReason(error);
  }
}
