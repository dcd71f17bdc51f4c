/** The same bytes to every target, again and again: a lost datagram costs an interval, not a host. */
import { systemReason } from "../files/system_error.ts";
import type { DatagramPort } from "./datagram_port.ts";
import type { Target } from "./targets.ts";
import type { Time } from "./time.ts";

/** What became of the copies to one target. */
export interface TargetOutcome {
  readonly target: Target;
  /** Copies that the system took. */
  sent: number;
  /** Why the latest copy that failed did; null if none did. */
  error: string | null;
}

/** How often, and how far apart from start to start. */
export interface Schedule {
  readonly count: number;
  readonly intervalMs: number;
}

/** How long the last copies may hang in the resolver before the run goes on without them. */
const resolverMs = 5000;

/**
 * Sends copies of the bytes to each target, the first at once, until all are sent or the signal is
 * aborted, and returns how many there were. An error on one target is kept in its outcome and
 * hinders neither other targets nor later copies; a target whose name takes long to look up doesn't
 * hold the others up: until it is found its outcome has neither copies nor an error. `onCopy` is
 * called when the first datagram of a copy is with the system: what it starts takes no time from
 * it. It isn't called once the signal is aborted.
 */
export async function sendCopies(
  bytes: Uint8Array,
  outcomes: readonly TargetOutcome[],
  udpPort: number,
  schedule: Schedule,
  port: DatagramPort,
  time: Time,
  signal: AbortSignal,
  onCopy: (copy: number) => void = () => {},
): Promise<number> {
  const start = time.monotonic();
  const pending: Promise<void>[] = [];
  let copies = 0;
  while (copies < schedule.count) {
    if (copies > 0) {
      await time.sleep(start + copies * schedule.intervalMs - time.monotonic(), signal);
    }
    if (signal.aborted) break;
    const sends = outcomes.map((outcome) => sendOne(bytes, outcome, udpPort, port));
    pending.push(...sends);
    const copy = ++copies;
    Promise.race(sends).then(() => {
      if (!signal.aborted) onCopy(copy);
    });
    // A process's first timer keeps it busy for 10 ms, and what the socket was given waits as long.
    if (copy === 1) await Promise.all(sends.filter((_, i) => outcomes[i].target.address !== null));
  }
  await withPatience(Promise.all(pending), time, resolverMs, signal);
  for (const outcome of outcomes) {
    if (outcome.sent === 0) outcome.error ??= "the resolver has not answered";
  }
  return copies;
}

/** Waits for work to end, for so many ms at most, and no longer than until the signal is aborted. */
async function withPatience(
  work: Promise<unknown>,
  time: Time,
  ms: number,
  signal: AbortSignal,
): Promise<void> {
  const ended = new AbortController();
  await Promise.race([
    work.then(() => ended.abort()),
    time.sleep(ms, AbortSignal.any([signal, ended.signal])),
  ]);
}

async function sendOne(
  bytes: Uint8Array,
  outcome: TargetOutcome,
  udpPort: number,
  port: DatagramPort,
): Promise<void> {
  const { hostname, address } = outcome.target;
  try {
    await port.send(bytes, { hostname, family: address?.family ?? null, port: udpPort });
    outcome.sent++;
  } catch (error) {
    outcome.error = systemReason(error);
  }
}
