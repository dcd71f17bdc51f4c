/** What receivers that do less than the service lose of a flood: the machine's part of the loss. */
import { forgedRequests, junk } from "../measure/datagrams.ts";
import {
  denoReceiver,
  foreignReceivers,
  type Peers,
  startReceiverProcess,
} from "../measure/peers.ts";
import { type Flood, runFlood } from "./floods.ts";
import { fullSockets } from "./full_sockets.ts";
import { readProcessorTime, stolenPart } from "./stolen_time.ts";

/** A receiver's losses, one entry a round. */
export interface FloodLosses {
  readonly name: string;
  /** Datagrams a second that the sending system took. */
  readonly rates: number[];
  /** The part of them that the receiver's socket had no room for, 0 to 1. */
  readonly lost: number[];
  /** The part of the processors' time that the machine's host gave to others, 0 to 1. */
  readonly stolen: number[];
}

const port = 47_906;

/**
 * Floods a C loop that checks header, key and MAC, a Deno loop that checks nothing, and the service's
 * own receiver, in turn, over loopback in the namespace that this process is in.
 */
export async function floodReceivers(
  peers: Peers,
  { kind, ratePerSecond }: Flood,
  rounds: number,
  seconds = 4,
): Promise<FloodLosses[]> {
  const program = peers.program("flood");
  if (program === null) throw new Error("Cannot flood: no C compiler");
  const [cLoop] = await foreignReceivers(peers);
  const receivers = [
    cLoop,
    denoReceiver("bare", "Deno loop that checks nothing"),
    denoReceiver("arpflush", "ArpFlush's receiver"),
  ];
  const losses = receivers.map(({ name }): FloodLosses => ({
    name,
    rates: [],
    lost: [],
    stolen: [],
  }));
  const datagrams = kind === "junk" ? junk(256) : forgedRequests(256);
  const line = [program, "127.0.0.1", ...[port, ratePerSecond, seconds].map(String)];
  for (let i = 0; i < rounds; i++) {
    for (const [r, receiver] of receivers.entries()) {
      await using _running = await startReceiverProcess(receiver, port, 0, 0);
      const [before, timeBefore] = [await fullSockets([]), await readProcessorTime()];
      const { sent, ns } = await runFlood(line, datagrams, []);
      losses[r].stolen.push(stolenPart(timeBefore, await readProcessorTime()));
      losses[r].rates.push(sent / ns * 1e9);
      losses[r].lost.push((await fullSockets([]) - before) / sent);
    }
  }
  return losses;
}
