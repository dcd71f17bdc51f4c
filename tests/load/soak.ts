/**
 * Mixed requests for as long as one likes: everything that is to be answered must be, and the service
 * must be as large at the end as it was after its first minutes.
 */
import type { AckStatus } from "../../lib/wire/ack.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";
import type { FlushRequest } from "../../lib/wire/request.ts";
import { median } from "../measure/statistics.ts";
import { openSegment } from "../net/chain.ts";
import { type Asker, openAsker } from "./asker.ts";
import { keyFile, prepareGround } from "./faulty_host.ts";
import { fullSockets } from "./full_sockets.ts";
import { type ProcessState, readProcessState } from "./process_state.ts";

/** How long and how hard. */
export interface SoakPlan {
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Called now and then with a line of progress. */
  readonly progress: (line: string) => void;
}

/** How it went. */
export interface SoakResult {
  readonly sent: number;
  /** Requests that were to be acknowledged, and those that were not. */
  readonly asked: number;
  readonly missed: number;
  /** Datagrams that the kernel dropped on either side because a socket was full. */
  readonly dropped: number;
  /** The service after the settling time, and at the end. */
  readonly settled: ProcessState;
  readonly end: ProcessState;
  /**
   * RSS goes up and down with the garbage of a few seconds. So: the largest median of the second,
   * third and last quarter of the time behind settling, as a part of the first quarter's.
   */
  readonly rssGrowth: number;
  readonly seconds: number;
}

/** Long enough for V8's heap to have found its size; less when the whole soak is short. */
export const settlingSeconds = 300;
const settlingPart = 1 / 3;
const readEverySeconds = 5;
const tickMs = 10;
const burstMost = 20;
const holdDownMs = 1_000;
/** A flush is acknowledged after one hold-down period; the rest is for a busy machine. */
const patienceMs = 15_000;
/** Hundreds are acknowledged when one flush ends: more at once than the asking socket holds. */
const ackSpreadMs = 500;
const addresses = [parsePrefix("192.0.2.1")];

/** In copies, as the sender does: a busy machine drops a datagram now and then. */
const schedule = { copies: 5, intervalMs: 500 } as const;

/** Of each 20 requests: what is sent, and how it ended if it is to be acknowledged: "" well. */
function sendOne(asker: Asker, i: number, copies: Uint8Array[]): Promise<string> | null {
  const ask = async (changes: Partial<FlushRequest>, wanted: AckStatus): Promise<string> => {
    const ack = await asker.ask({ ackSpreadMs, ...changes }, patienceMs, schedule);
    return ack === null ? "no ack" : ack.status === wanted ? "" : ack.status;
  };
  switch (i % 20) {
    case 0:
      return ask({ action: "probe" }, "alive");
    case 1:
    case 2:
      return ask({ action: "flush listed", addresses }, "flushed");
    case 3:
    case 4:
    case 5:
      return ask({}, "flushed");
    case 6: {
      const request = asker.sign({ acknowledge: false });
      copies.splice(0, copies.length, request);
      asker.send(request);
      return null;
    }
    case 7: {
      const forged = asker.sign();
      forged[forged.length - 1] ^= 1;
      asker.send(forged);
      return null;
    }
    case 8:
      asker.send(crypto.getRandomValues(new Uint8Array(1 + i % 1_000)));
      return null;
    case 9:
      // Stale: its ack is rate limited, so that it isn't waited for.
      asker.send(asker.sign({ created: Date.now() - 3_600_000 }));
      return null;
    default:
      for (const copy of copies) asker.send(copy);
      return null;
  }
}

/** Runs a soak against a service in a namespace of its own. */
export async function soak(
  { seconds, requestsPerSecond, progress }: SoakPlan,
): Promise<SoakResult> {
  await using segment = await openSegment();
  const host = await segment.host();
  await using ground = await prepareGround(host, "soak");
  // The last copy is sent 2 s behind the first and must be fresh; ids are remembered for 9 s, in
  // which 350 a second find room in the replay window.
  const settings = [`HoldDownSeconds = ${holdDownMs / 1_000}`, "ClockToleranceSeconds = 4"];
  await using service = await ground.start(settings);
  await service.line(/Started/);
  const pid = await ground.pid();
  using asker = openAsker(await Deno.readTextFile(keyFile), "192.0.2.100");
  const start = performance.now();
  const settleAt = Math.min(settlingSeconds, seconds * settlingPart);
  const copies: Uint8Array[] = [];
  let sent = 0;
  let asked = 0;
  const faults = new Map<string, number>();
  const missedCount = () => [...faults.values()].reduce((sum, count) => sum + count, 0);
  let settled: ProcessState | null = null;
  const readings: number[] = [];
  let readAt = 0;
  const open = new Set<Promise<void>>();
  for (;;) {
    const elapsed = (performance.now() - start) / 1_000;
    if (elapsed >= seconds) break;
    // What a stalled machine has missed isn't made up for in one burst.
    const due = Math.min(elapsed * requestsPerSecond, sent + burstMost);
    for (; sent < due; sent++) {
      const answered = sendOne(asker, sent, copies);
      if (answered === null) continue;
      asked++;
      const done: Promise<void> = answered.then((fault) => {
        if (fault !== "") faults.set(fault, (faults.get(fault) ?? 0) + 1);
        open.delete(done);
      });
      open.add(done);
    }
    if (elapsed >= readAt) {
      readAt += readEverySeconds;
      const state = await readProcessState(pid);
      if (settled === null && elapsed >= settleAt) settled = state;
      if (settled !== null) readings.push(state.rss);
      const megabytes = (state.rss / 2 ** 20).toFixed(1);
      progress(
        `${Math.round(elapsed)} s: ${sent} sent, ${asked} asked, ${faultsText(faults)}, ` +
          `${open.size} open, RSS ${megabytes} MiB, ${state.descriptors} descriptors`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  await Promise.all(open);
  // For the last flush that nobody asked to be told of: while it runs there are more descriptors.
  await new Promise((resolve) => setTimeout(resolve, 2 * holdDownMs));
  const end = await readProcessState(pid);
  settled ??= end;
  readings.push(end.rss);
  const dropped = await fullSockets([]) + await fullSockets(host.namespace.argv);
  return {
    sent,
    asked,
    missed: missedCount(),
    dropped,
    settled,
    end,
    rssGrowth: growthOf(readings),
    seconds,
  };
}

/** The largest growth of memory behind the settling time. */
const growthMost = 1.05;

/** Whether a soak was long enough for its growth to say something. */
export function judgesGrowth({ seconds }: Pick<SoakResult, "seconds">): boolean {
  return seconds >= 2 * settlingSeconds;
}

/** What a soak was to show and didn't, a line each. */
export function brokenPromises(
  result: Pick<SoakResult, "missed" | "settled" | "end" | "rssGrowth" | "seconds">,
): string[] {
  const { missed, settled, end, rssGrowth } = result;
  return [
    ...missed > 0 ? [`${missed} requests missed`] : [],
    ...end.descriptors > settled.descriptors + 1 ? ["descriptors grow"] : [],
    ...judgesGrowth(result) && rssGrowth > growthMost
      ? [`RSS grew to ${rssGrowth.toFixed(3)} of what it was`]
      : [],
  ];
}

/** The largest median of a later quarter of values as a part of the first quarter's. */
export function growthOf(values: readonly number[]): number {
  const length = Math.ceil(values.length / 4);
  const [first, ...later] = [0, 1, 2, 3]
    .map((quarter) => values.slice(quarter * length, (quarter + 1) * length))
    .filter((part) => part.length > 0)
    .map(median);
  return Math.max(first, ...later) / first;
}

/** `0 missed`, or how many and why. */
function faultsText(faults: ReadonlyMap<string, number>): string {
  if (faults.size === 0) return "0 missed";
  return `missed ${[...faults].map(([fault, count]) => `${count} ${fault}`).join(", ")}`;
}
