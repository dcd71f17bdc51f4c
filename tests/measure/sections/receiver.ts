/** Sections about the service's receiver beside loops in Deno and C (peers/). */
import { type CommandLine, outcomeOf } from "../../support/command.ts";
import { signRequest } from "../../support/datagrams.ts";
import { cReceiver, denoReceiver, startReceiverProcess } from "../peers.ts";
import { askPort, datagramFile, forged, insidersRequest, sharedRouter } from "../requests.ts";
import { type Context, inTurn, type Row, rowOf, type Samples, type Section } from "../section.ts";
import { quantile } from "../statistics.ts";

const port = 47_902;
/** How long a flood may last; each receiver ends it when it has had enough. */
const floodSeconds = 60;
const forgedPerSecond = 10_000;
const pauseUs = 1_000;
const someRequests = (count: number) =>
  Array.from({ length: count }, () => signRequest(sharedRouter));

/** Floods the receiver with datagrams in turn, at a rate or as fast as can be, until it is told. */
function flood(
  folder: string,
  datagrams: readonly Uint8Array[],
  perSecond: number,
  signal: AbortSignal,
) {
  const line = [`${folder}/flood`, "127.0.0.1", `${port}`, `${perSecond}`, `${floodSeconds}`];
  return outcomeOf(line, { input: datagramFile(datagrams), signal });
}

/** Datagrams per second of processor time that a receiver checks when more come than it can take. */
async function saturate(
  receiver: CommandLine,
  datagram: Uint8Array,
  folder: string,
  count: number,
): Promise<number> {
  await using running = await startReceiverProcess(receiver, port, count, count);
  const enough = new AbortController();
  const flooding = flood(folder, [datagram], 0, enough.signal);
  const tooSlow = flooding.then(() => {
    throw new Error(`Fewer than ${2 * count} datagrams in ${floodSeconds} s`);
  });
  const [, cpuNs] = (await Promise.race([running.result, tooSlow])).split(" ").map(Number);
  tooSlow.catch(() => {});
  enough.abort();
  await flooding;
  return count / cpuNs * 1e9;
}

async function checkDatagrams({ folder, quick }: Context): Promise<Row[]> {
  // Copies of one request: the first one alone is verified and flushed, which acknowledges nothing.
  const copy = {
    datagram: signRequest(sharedRouter, { acknowledge: false }),
    count: quick ? 400 : 100_000,
  };
  const wrong = { datagram: insidersRequest(sharedRouter), count: quick ? 400 : 20_000 };
  const ours = denoReceiver("arpflush");
  const subjects = [
    { what: "Deno loop: filter", ...copy, receiver: denoReceiver("filter") },
    { what: "ArpFlush: all checks of a copy", ...copy, receiver: ours },
    { what: "Deno loop: nothing", ...copy, receiver: denoReceiver("bare") },
    { what: "C loop: filter", ...copy, receiver: cReceiver(folder) },
    { what: "Deno loop: wrong signature", ...wrong, receiver: denoReceiver("signature") },
    { what: "ArpFlush: wrong signature", ...wrong, receiver: ours },
  ];
  const [filters, copies, bare, inC, signatures, refused] = await inTurn(
    subjects,
    { count: quick ? 1 : 9 },
    ({ receiver, datagram, count }) => saturate(receiver, datagram, folder, count),
  );
  return [
    rowOf(filters, "/s"),
    rowOf(copies, "/s", filters, { goal: { min: 0.8 } }),
    ...[bare, inC].map((one) => rowOf(one, "/s", filters)),
    rowOf(signatures, "/s"),
    rowOf(refused, "/s", signatures, { goal: { min: 0.8 } }),
  ];
}

export const receivePath: Section = {
  title: "Receive path",
  about: "Copies of a genuine request, and wrong signatures under a right filter, checked per " +
    "second of processor time, 9 turns.",
  needs: ["cc"],
  run: checkDatagrams,
};

/** 99th percentiles in microseconds, until the flush started and until the ack came. */
interface Latency {
  readonly flush: number;
  readonly ack: number;
}

async function ask(
  receiver: CommandLine,
  isFlooded: boolean,
  { folder, quick }: Context,
): Promise<Latency> {
  await using _running = await startReceiverProcess(receiver, port, 0, 0);
  const done = new AbortController();
  const forgeries = isFlooded ? someRequests(64).map(forged) : [];
  const flooding = isFlooded ? flood(folder, forgeries, forgedPerSecond, done.signal) : null;
  // The first requests are for the compiler.
  const warmUp = quick ? 10 : 2_000;
  const requests = datagramFile(someRequests(warmUp + (quick ? 20 : 500)));
  const askLine = [`${folder}/ask`, `${askPort}`, `${port}`, `${pauseUs}`];
  const { stdout } = await outcomeOf(askLine, { input: requests });
  done.abort();
  await flooding;
  const answered = stdout.trim().split("\n").slice(warmUp).filter((line) => line !== "lost")
    .map((line) => line.split(" ").map((ns) => Number(ns) / 1_000));
  const [flush, ack] = [0, 1].map((column) => quantile(answered.map((us) => us[column]), 0.99));
  return { flush, ack };
}

async function answerRequests(context: Context): Promise<Row[]> {
  const rows: Row[] = [];
  for (const isFlooded of [false, true]) {
    const prefix = isFlooded ? "flooded, " : "";
    const [c, ours] = await inTurn(
      [
        { what: `${prefix}C loop`, receiver: cReceiver(context.folder) },
        { what: `${prefix}ArpFlush`, receiver: denoReceiver("arpflush") },
      ],
      { count: context.quick ? 1 : 9 },
      ({ receiver }) => ask(receiver, isFlooded, context),
    );
    const until = (end: keyof Latency, { what, values }: Samples<Latency>) => ({
      what: `${what}: ${end}`,
      values: values.map((one) => one[end]),
    });
    const added = {
      what: `${ours.what}: ack minus the C loop's`,
      values: ours.values.map(({ ack }, i) => ack - c.values[i].ack),
    };
    const ends = ["flush", "ack"] as const;
    rows.push(
      ...ends.map((end) => rowOf(until(end, c), "µs")),
      ...ends.map((end) => rowOf(until(end, ours), "µs", until(end, c))),
      rowOf(added, "µs", undefined, { goal: { max: 1_000 } }),
    );
  }
  return rows;
}

export const latency: Section = {
  title: "Datagram to flush and to ack",
  about:
    "99 of 100 requests, 1 ms apart over loopback, are flushed and acked within this time, the " +
    "flush empty; 9 turns. Flooded: 10,000 forged requests a second besides.",
  needs: ["cc"],
  run: answerRequests,
};
