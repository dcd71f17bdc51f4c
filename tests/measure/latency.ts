/** From the datagram to the start of the flush and to the ack, as the asker sees it. */
import { datagramFile, forgedRequests, genuineRequests } from "./datagrams.ts";
import {
  denoReceiver,
  foreignReceivers,
  type Peers,
  type ReceiverKind,
  runWith,
  startReceiverProcess,
} from "./peers.ts";
import { askerPort } from "./secrets.ts";
import type { Section } from "./section.ts";
import { median, quantile, show } from "./statistics.ts";

const port = 47_903;
const pauseUs = 1_000;
/** Asked before it is measured: what just started still compiles. */
const warmup = 2_000;
const loads = [0, 10_000] as const;

interface Latency {
  readonly flush: { readonly p50: number; readonly p99: number };
  readonly ack: { readonly p50: number; readonly p99: number };
  readonly lost: number;
}

/** Microseconds of `count` requests, one after the other, with forged ones beside them. */
async function measure(
  kind: ReceiverKind,
  { ask, flood }: { ask: string; flood: string },
  rejected: number,
  count: number,
): Promise<Latency> {
  await using _receiver = await startReceiverProcess(kind, port, 0, 0);
  const ending = new AbortController();
  const flooding = rejected === 0 ? null : runWith(
    [flood, "127.0.0.1", String(port), String(rejected), "600"],
    datagramFile(forgedRequests(64)),
    ending.signal,
  );
  const line = [ask, String(askerPort), String(port), String(pauseUs)];
  const text = await runWith(line, datagramFile(genuineRequests(warmup + count)));
  ending.abort();
  await flooding;
  const lines = text.trim().split("\n").slice(warmup);
  const answered = lines.filter((line) => line !== "lost").map((line) =>
    line.split(" ").map(Number)
  );
  const of = (column: number) => {
    const micros = answered.map((ns) => ns[column] / 1_000);
    return { p50: median(micros), p99: quantile(micros, 0.99) };
  };
  return { flush: of(0), ack: of(1), lost: lines.length - answered.length };
}

/** All kinds in turn, `repetitions` times over, idle and with 10,000 forged requests a second. */
export async function benchLatency(
  peers: Peers,
  repetitions: number,
  count = 500,
): Promise<Section> {
  const title = "Datagram to flush started, and to ack";
  const header = ["receiver", "forged/s", "flush p50", "flush p99", "ack p50", "ack p99", "lost"];
  const [ask, flood] = [peers.program("ask"), peers.program("flood")];
  if (ask === null || flood === null) {
    return { title, about: "", header, rows: [], notes: ["Left out: no C compiler"] };
  }
  const kinds = [
    denoReceiver("arpflush", "ArpFlush"),
    ...await foreignReceivers(peers),
  ];
  const cases = loads.flatMap((load) =>
    kinds.map((kind) => ({ load, kind, seen: [] as Latency[] }))
  );
  for (let i = 0; i < repetitions; i++) {
    for (const { load, kind, seen } of cases) {
      seen.push(await measure(kind, { ask, flood }, load, count));
    }
  }
  const middle = (seen: readonly Latency[], pick: (latency: Latency) => number) =>
    median(seen.map(pick));
  const rows = cases.map(({ load, kind, seen }) => [
    kind.name,
    show(load),
    ...[
      middle(seen, ({ flush }) => flush.p50),
      middle(seen, ({ flush }) => flush.p99),
      middle(seen, ({ ack }) => ack.p50),
      middle(seen, ({ ack }) => ack.p99),
    ].map(show),
    String(seen.reduce((sum, { lost }) => sum + lost, 0)),
  ]);
  const p99 = (name: string) =>
    cases.find(({ load, kind }) => load === 0 && kind.name === name)?.seen ?? [];
  const added = middle(p99("ArpFlush"), ({ ack }) => ack.p99) -
    middle(p99("C loop"), ({ ack }) => ack.p99);
  return {
    title,
    about:
      `A C program asks ${count} times, ${
        pauseUs / 1_000
      } ms apart, and waits for the word that the ` +
      `flush starts and for the ack; in µs, round trip over loopback included. The flush itself is ` +
      `empty. Medians of ${repetitions} repetitions, all receivers in turn, idle and with forged ` +
      `requests (wrong MAC) beside it.`,
    header,
    rows,
    notes: [
      `Goal: less than 1 ms added at p99, idle. ${added < 1_000 ? "Met" : "Missed"}: ` +
      `${show(added)} µs more than the C loop.`,
    ],
  };
}
