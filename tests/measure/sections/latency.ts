import { outcomeOf } from "../../support/command.ts";
import { cReceiver, denoReceiver, type Receiver, startReceiverProcess } from "../peers.ts";
import { askPort, datagramFile, forged, signedRequest } from "../requests.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";
import { quantile } from "../statistics.ts";

const port = 47_903;
const pauseUs = 1_000;
const forgedPerSecond = 10_000;
const someRequests = (count: number) => Array.from({ length: count }, () => signedRequest());

/** 99th percentiles in microseconds, until the flush started and until the ack came. */
async function ask(
  receiver: Receiver,
  beside: "idle" | "forged",
  { folder, quick }: Context,
): Promise<{ flush: number; ack: number }> {
  await using _running = await startReceiverProcess(receiver, port, 0, 0);
  const done = new AbortController();
  const floodLine = [`${folder}/flood`, "127.0.0.1", `${port}`, `${forgedPerSecond}`, "600"];
  const flooding = beside === "idle" ? null : outcomeOf(floodLine, {
    input: datagramFile(someRequests(64).map(forged)),
    signal: done.signal,
  });
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

async function run(context: Context): Promise<Row[]> {
  const { folder, quick } = context;
  const receivers = [
    cReceiver(folder),
    denoReceiver("arpflush", "ArpFlush"),
  ];
  const rows: Row[] = [];
  for (const beside of ["idle", "forged"] as const) {
    const samples = receivers.map(({ name }) => {
      const what = beside === "idle" ? name : `flooded, ${name}`;
      return {
        flush: { what: `${what}: flush`, values: [] as number[] },
        ack: { what: `${what}: ack`, values: [] as number[] },
      };
    });
    for (let i = 0; i < (quick ? 1 : 9); i++) {
      for (const [r, receiver] of receivers.entries()) {
        const { flush, ack } = await ask(receiver, beside, context);
        samples[r].flush.values.push(flush);
        samples[r].ack.values.push(ack);
      }
    }
    const [c, ours] = samples;
    rows.push(
      rowOf(c.flush, "µs"),
      rowOf(c.ack, "µs"),
      rowOf(ours.flush, "µs", c.flush),
      rowOf(ours.ack, "µs", c.ack),
    );
    const added = ours.ack.values.map((us, i) => us - c.ack.values[i]);
    const what = `${ours.ack.what} minus the C loop's`;
    rows.push(rowOf({ what, values: added }, "µs", undefined, { goal: { max: 1_000 } }));
  }
  return rows;
}

export const latency: Section = {
  title: "Datagram to flush and to ack",
  about:
    "99 of 100 requests, 1 ms apart over loopback, are flushed and acked within this time, the " +
    "flush empty; 9 turns. Flooded: 10,000 forged requests a second besides.",
  needs: ["cc"],
  run,
};
