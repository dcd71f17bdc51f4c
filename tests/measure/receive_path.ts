/** How many checked requests a second one process takes, against a bare loop and other MACs. */
import { benchRequest, datagramFile } from "./datagrams.ts";
import {
  denoReceiver,
  foreignReceivers,
  type Peers,
  type ReceiverKind,
  runWith,
  startReceiverProcess,
} from "./peers.ts";
import type { Section } from "./section.ts";
import { median, show, showSpread } from "./statistics.ts";

const port = 47_902;
const goal = 0.8;
/** Ended before. */
const floodSeconds = "60";
/** Long after everything hot is compiled, as in a flood. */
const countMany = 100_000;

/** Datagrams a second, of time and of processor time. */
interface Rate {
  readonly perSecond: number;
  readonly perCpuSecond: number;
}

/** What a receiver takes when more comes than it can take. */
async function saturate(kind: ReceiverKind, flood: string, count: number): Promise<Rate> {
  await using receiver = await startReceiverProcess(kind, port, count, count);
  const ending = new AbortController();
  // Copies of one request: each is checked in full, and only the first one flushes.
  const copies = datagramFile([benchRequest({ acknowledge: false })]);
  const flooding = runWith(
    [flood, "127.0.0.1", String(port), "0", floodSeconds],
    copies,
    ending.signal,
  );
  const ended = flooding.then(() => {
    throw new Error(`${kind.name}: too slow to take ${2 * count} datagrams in ${floodSeconds} s`);
  });
  const [ns, cpuNs] = (await Promise.race([receiver.result, ended])).split(" ").map(Number);
  ended.catch(() => {});
  ending.abort();
  await flooding;
  return { perSecond: count / ns * 1e9, perCpuSecond: count / cpuNs * 1e9 };
}

/** All kinds in turn, `repetitions` times over. */
export async function benchReceivePath(
  peers: Peers,
  repetitions: number,
  count = countMany,
): Promise<Section> {
  const bare = denoReceiver("mac", "bare loop: the same check of the MAC");
  const unchecked = denoReceiver("bare", "bare loop that checks nothing");
  const ours = denoReceiver("arpflush", "ArpFlush: all checks, @noble/hashes");
  const kinds = [
    bare,
    unchecked,
    ours,
    denoReceiver("node", "ArpFlush: all checks, node:crypto"),
    denoReceiver("no-mac", "ArpFlush: all checks, no MAC computed"),
    denoReceiver("webcrypto", "bare loop and WebCrypto"),
    ...await foreignReceivers(peers),
  ];
  const title = "Receive path: checked requests a second";
  const flood = peers.program("flood");
  const header = ["receiver", "datagrams/s", "per CPU second", "ratio to the bare loop"];
  if (flood === null) {
    return { title, about: "", header, rows: [], notes: ["Left out: no C compiler"] };
  }
  const rates = kinds.map((): Rate[] => []);
  for (let i = 0; i < repetitions; i++) {
    for (const [k, kind] of kinds.entries()) rates[k].push(await saturate(kind, flood, count));
  }
  // In pairs, as both were measured at nearly the same time.
  const ratios = (kind: ReceiverKind, base = bare) => {
    const baseRates = rates[kinds.indexOf(base)];
    return rates[kinds.indexOf(kind)].map(({ perCpuSecond }, i) =>
      perCpuSecond / baseRates[i].perCpuSecond
    );
  };
  const ratio = median(ratios(ours));
  return {
    title,
    about:
      `A C program sends genuine requests to a UDP socket on loopback faster than they can be ` +
      `taken; ${
        show(count)
      } of them behind a warm-up of as many, ${repetitions} repetitions, all ` +
      `receivers in turn. The ratio is of datagrams per second of processor time, which other work on the ` +
      `machine disturbs least.`,
    header,
    rows: kinds.map((kind, k) => [
      kind.name,
      showSpread(rates[k].map(({ perSecond }) => perSecond)),
      showSpread(rates[k].map(({ perCpuSecond }) => perCpuSecond)),
      showSpread(ratios(kind)),
    ]),
    notes: [
      `Goal: at least ${goal} of a bare loop that makes the same check. ` +
      `${ratio >= goal ? "Met" : "Missed"}: ${show(ratio)}. Of a loop that checks nothing: ${
        show(median(ratios(ours, unchecked)))
      }.`,
    ],
  };
}
