import type { AckStatus } from "../../../lib/wire/ack.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import type { FlushRequest } from "../../../lib/wire/request.ts";
import { droppedDatagrams, type ProcessState, readProcessState } from "../../support/linux.ts";
import { openMeasuredService } from "../peers.ts";
import { forged, insidersRequest, junk, type RequestSocket } from "../requests.ts";
import { type Context, figure, type Row, type Section } from "../section.ts";
import { growth } from "../statistics.ts";

/** V8's heap has found its size by then; a third of the time in a shorter soak. */
const settlingSeconds = 300;
const readEverySeconds = 5;
const tickMs = 10;
/** A machine that stood still doesn't make up for it in one burst. */
const maxBurst = 20;
const holdDownMs = 1_000;
/** A flush is acknowledged after one hold-down period; the rest is for a busy machine. */
const patienceMs = 15_000;
/** One flush's end acknowledges hundreds of requests: more at once than the asking socket holds. */
const ackSpreadMs = 500;
const addresses = [parsePrefix("192.0.2.1")];
/** As the sender does: a busy machine drops a datagram now and then. */
const copies = { count: 5, intervalMs: 500 } as const;

/**
 * Sends the request that is due: of each 100 one probe, two listed flushes, two of all, one that
 * asks for no ack, 14 forged, of which 4 have a right filter, 20 junk, 10 stale, 50 copies. More new
 * ones wouldn't find room among the ids that a host remembers for 61 s. Null: no ack is to come.
 * Otherwise what went wrong, empty if nothing did.
 */
function sendNext(socket: RequestSocket, i: number, last: Uint8Array[]): Promise<string> | null {
  const ask = async (changes: Partial<FlushRequest>, wanted: AckStatus): Promise<string> => {
    const ack = await socket.request({ ackSpreadMs, ...changes }, patienceMs, copies);
    return ack === null ? "no ack" : ack.status === wanted ? "" : ack.status;
  };
  const kind = i % 100;
  if (kind === 0) return ask({ action: "probe" }, "alive");
  if (kind === 20 || kind === 40) return ask({ action: "flush listed", addresses }, "flushed");
  if (kind === 60 || kind === 80) return ask({}, "flushed");
  if (kind === 90) {
    last[0] = socket.sign({ acknowledge: false });
    socket.send(last[0]);
  } else if (kind % 10 === 1) socket.send(forged(socket.sign()));
  else if (kind % 20 === 2) socket.send(insidersRequest(socket.router));
  else if (kind % 10 === 3 || kind % 10 === 4) socket.send(junk(1 + i % 1_000));
  // Nobody answers the challenge, so the stale ack isn't waited for.
  else if (kind % 10 === 5) socket.send(socket.sign({ created: Date.now() - 3_600_000 }));
  else last.forEach((copy) => socket.send(copy));
  return null;
}

/** What a soak saw. */
interface Soak {
  readonly sent: number;
  readonly asked: number;
  /** How many requests went wrong in which way. */
  readonly faults: ReadonlyMap<string, number>;
  readonly settled: ProcessState;
  readonly end: ProcessState;
  /** Resident memory from the settling time on, in bytes. */
  readonly memory: readonly number[];
}

/** Sends for some seconds at a rate, and reads the service's state every 5 s. */
async function soakService(
  socket: RequestSocket,
  pid: number,
  { seconds, perSecond }: { seconds: number; perSecond: number },
  progress: Context["progress"],
): Promise<Soak> {
  const start = performance.now();
  const settleAt = Math.min(settlingSeconds, seconds / 3);
  const last: Uint8Array[] = [];
  const faults = new Map<string, number>();
  const open = new Set<Promise<void>>();
  const memory: number[] = [];
  let settled: ProcessState | null = null;
  let [sent, asked, readAt] = [0, 0, 0];
  for (;;) {
    const elapsed = (performance.now() - start) / 1_000;
    if (elapsed >= seconds) break;
    const due = Math.min(elapsed * perSecond, sent + maxBurst);
    for (; sent < due; sent++) {
      const answered = sendNext(socket, sent, last);
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
      if (elapsed >= settleAt) settled ??= state;
      if (settled !== null) memory.push(state.rss);
      progress(
        `${Math.round(elapsed)} s: ${sent} sent, ${asked} to be answered, ${open.size} open, ` +
          `faults ${JSON.stringify(Object.fromEntries(faults))}, ` +
          `${(state.rss / 2 ** 20).toFixed(1)} MiB, ${state.descriptors} descriptors`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, tickMs));
  }
  await Promise.all(open);
  // Until the last flush has ended, whose request asked for no ack: it holds descriptors.
  await new Promise((resolve) => setTimeout(resolve, 2 * holdDownMs));
  const end = await readProcessState(pid);
  return { sent, asked, faults, settled: settled ?? end, end, memory: [...memory, end.rss] };
}

async function run({ quick, minutes, progress }: Context): Promise<Row[]> {
  // The last copy is sent 2 s behind the first and must be fresh.
  const settings = [`HoldDownSeconds = ${holdDownMs / 1_000}`, "ClockToleranceSeconds = 4"];
  await using opened = await openMeasuredService("soak", settings);
  const { host, pid, socket } = opened;
  const seconds = quick ? 6 : minutes * 60;
  const plan = { seconds, perSecond: quick ? 200 : 1_000 };
  const soaked = await soakService(socket, pid, plan, progress);
  const { sent, asked, faults, settled, end, memory } = soaked;
  const dropped = await droppedDatagrams() + await droppedDatagrams(host.namespace.argv);
  const missed = [...faults.values()].reduce((sum, count) => sum + count, 0);
  const limits = seconds < 2 * settlingSeconds ? {} : { promise: { max: 1.05 } };
  return [
    figure("datagrams sent", sent),
    figure("to be answered", asked),
    figure("missed", missed, "", { promise: { max: 0 } }),
    figure("socket full", dropped),
    {
      ...figure("memory at the end", end.rss / 2 ** 20, "MiB", limits),
      ...{ peer: "first quarter", ratio: growth(memory) },
    },
    figure("descriptors more", Math.max(0, end.descriptors - settled.descriptors), "", {
      promise: { max: 1 },
    }),
  ];
}

export const soak: Section = {
  title: "Soak",
  about: "1,000 datagrams of all kinds a second. Memory: the largest median of a quarter of the " +
    "readings over the first's, judged from ten minutes on.",
  run,
};
