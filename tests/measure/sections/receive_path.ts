import { outcomeOf } from "../../support/command.ts";
import { cReceiver, denoReceiver, type Receiver, startReceiverProcess } from "../peers.ts";
import { datagramFile, insidersRequest, sharedRouter, signedRequest } from "../requests.ts";
import { type Context, inTurn, type Row, rowOf, type Section } from "../section.ts";

const port = 47_902;
/** How long the flood may last; each receiver ends it when it has had enough. */
const floodSeconds = 60;

/** Datagrams per second of processor time that a receiver checks when more come than it can take. */
async function saturate(
  receiver: Receiver,
  datagram: Uint8Array,
  folder: string,
  count: number,
): Promise<number> {
  await using running = await startReceiverProcess(receiver, port, count, count);
  const enough = new AbortController();
  const copies = datagramFile([datagram]);
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
  // Copies of one request: the first one alone is verified and flushed, which acknowledges nothing.
  const copy = { datagram: signedRequest({ acknowledge: false }), count: quick ? 400 : 100_000 };
  const wrong = { datagram: insidersRequest(sharedRouter), count: quick ? 400 : 20_000 };
  const ours = denoReceiver("arpflush", "ArpFlush's receiver");
  const subjects = [
    { what: "Deno loop: filter", ...copy, receiver: denoReceiver("filter", "") },
    { what: "ArpFlush: all checks of a copy", ...copy, receiver: ours },
    { what: "Deno loop: nothing", ...copy, receiver: denoReceiver("bare", "") },
    { what: "C loop: filter", ...copy, receiver: cReceiver(folder) },
    { what: "Deno loop: wrong signature", ...wrong, receiver: denoReceiver("signature", "") },
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
  run,
};
