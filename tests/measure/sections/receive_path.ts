import { outcomeOf } from "../../support/command.ts";
import { cReceiver, denoReceiver, type Receiver, startReceiverProcess } from "../peers.ts";
import { datagramFile, signedRequest } from "../requests.ts";
import { type Context, type Row, rowOf, type Section } from "../section.ts";

const port = 47_902;
/** How long the flood may last; each receiver ends it when it has had enough. */
const floodSeconds = 60;

/** Datagrams per second of processor time that a receiver checks when more come than it can take. */
async function saturate(receiver: Receiver, folder: string, count: number): Promise<number> {
  await using running = await startReceiverProcess(receiver, port, count, count);
  const enough = new AbortController();
  // Copies of one request: each is checked in full, and the first one alone is flushed.
  const copies = datagramFile([signedRequest({ acknowledge: false })]);
  const line = [`${folder}/flood`, "127.0.0.1", `${port}`, "0", `${floodSeconds}`];
  const flooding = outcomeOf(line, { input: copies, signal: enough.signal });
  const tooSlow = flooding.then(() => {
    throw new Error(`${receiver.name}: fewer than ${2 * count} datagrams in ${floodSeconds} s`);
  });
  const [, cpuNs] = (await Promise.race([running.result, tooSlow])).split(" ").map(Number);
  tooSlow.catch(() => {});
  enough.abort();
  await flooding;
  return count / cpuNs * 1e9;
}

async function run({ folder, quick }: Context): Promise<Row[]> {
  const receivers = [
    denoReceiver("mac", "Deno loop that checks the MAC alone"),
    denoReceiver("arpflush", "ArpFlush's receiver, all checks"),
    denoReceiver("bare", "Deno loop that checks nothing"),
    cReceiver(folder),
  ];
  const samples = receivers.map(({ name }) => ({ what: name, values: [] as number[] }));
  for (let i = 0; i < (quick ? 1 : 9); i++) {
    for (const [r, receiver] of receivers.entries()) {
      samples[r].values.push(await saturate(receiver, folder, quick ? 400 : 100_000));
    }
  }
  const [base, ours, ...others] = samples;
  return [
    rowOf(base, "a second"),
    rowOf(ours, "a second", base, { goal: { min: 0.8 } }),
    ...others.map((one) => rowOf(one, "a second", base)),
  ];
}

export const receivePath: Section = {
  title: "Receive path",
  about:
    "Requests checked per second of processor time, which other work on the machine disturbs " +
    "least. A C program sends copies of a genuine request over loopback faster than they can be " +
    "taken: 100,000 count, behind as many that don't. The receivers take turns 9 times.",
  needs: ["cc"],
  run,
};
