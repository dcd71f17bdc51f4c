/** One genuine request in a flood: does it get through, and what does the flood cost the service. */
import { parseKeyFile } from "../../lib/wire/keys.ts";
import { datagramFile, forgedRequests, junk } from "../measure/datagrams.ts";
import { type Peers, runWith } from "../measure/peers.ts";
import { openSegment } from "../net/chain.ts";
import { run } from "../support/command.ts";
import { ip } from "../support/namespaces.ts";
import { openAsker } from "./asker.ts";
import { keyFile, prepareGround } from "./faulty_host.ts";
import { fullSockets } from "./full_sockets.ts";
import { type ProcessState, readProcessState } from "./process_state.ts";
import { readProcessorTime, stolenPart } from "./stolen_time.ts";
import {
  countFlushed,
  endOfTries,
  timedDatagrams,
  type TimedTries,
  type TimedTry,
  timeTries,
} from "./timed_tries.ts";

/** What is sent beside the genuine requests. */
export type FloodKind = "wrong MAC" | "junk";

/** How it went. */
export interface FloodResult {
  readonly kind: FloodKind;
  /** Datagrams a second that the sending system took. */
  readonly ratePerSecond: number;
  /** The part of them that the service's socket had no room for. */
  readonly dropped: number;
  /** The part of the processors' time in the flood that the machine's host gave to others, 0 to 1. */
  readonly stolen: number;
  readonly tries: number;
  /** Tries that were acknowledged "flushed", with one copy and with five. */
  readonly single: number;
  readonly five: number;
  /** The service before the flood, in it, and afterwards. */
  readonly before: ProcessState;
  readonly during: ProcessState;
  readonly after: ProcessState;
  /** Processor time that the service takes in a second after the flood. */
  readonly idleCpuMs: number;
}

/** A flood. */
export interface Flood {
  readonly kind: FloodKind;
  /** 0: as fast as can be. */
  readonly ratePerSecond: number;
}

/** A flood with tries in it. */
export interface FloodPlan extends Flood {
  readonly tries: number;
  /** With packaging/arpflush.nft on the host. */
  readonly guarded: boolean;
}

const host = "192.0.2.100";
const port = 27_735;
const router = "192.0.2.2";
const flooder = "192.0.2.66";
const rules = `${import.meta.dirname}/../../packaging/arpflush.nft`;
const periodMs = 40;
const copyIntervalMs = 100;
/** From the start of the flood to the first try, and between the tries with one copy and five. */
const pauseMs = 500;
/** The hold-down period is 1 s: a flush is acknowledged after that at the latest. */
const patienceMs = 3_000;
const settleMs = 1_500;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Floods a service on a segment of its own, in the namespace that this process is in. Needs the
 * peers' flood program, which sends the genuine requests, too: a process that woke up for each of
 * them would take the service's core away from it, and let its socket run full, just before.
 */
export async function floodService(peers: Peers, plan: FloodPlan): Promise<FloodResult> {
  const program = peers.program("flood");
  if (program === null) throw new Error("Cannot flood: no C compiler");
  const { kind, ratePerSecond, tries, guarded } = plan;
  await using segment = await openSegment();
  await ip(null, [`addr add ${flooder}/24 dev br0`]);
  const target = await segment.host();
  if (guarded) await run([...target.namespace.argv, "nft", "-f", rules]);
  await using ground = await prepareGround(target, "flood");
  await using service = await ground.start(["HoldDownSeconds = 1"]);
  await service.line(/Started/);
  const pid = await ground.pid();
  const keyText = await Deno.readTextFile(keyFile);
  using asker = openAsker(keyText, host);
  await asker.ask();
  const before = await readProcessState(pid);
  const droppedBefore = await fullSockets(target.namespace.argv);
  const timeBefore = await readProcessorTime();

  const ones: TimedTries = { tries, fromMs: pauseMs, periodMs, copies: 1, copyIntervalMs };
  const onesEndMs = endOfTries(ones);
  const fives = { ...ones, tries: Math.ceil(tries / 4), fromMs: onesEndMs + pauseMs, copies: 5 };
  const startsAt = Date.now();
  const timed = (plan: TimedTries) =>
    timeTries(plan, startsAt, (created) => asker.sign({ created }), Math.random);
  const [single, five] = [timed(ones), timed(fives)];
  const seconds = (endOfTries(fives) + patienceMs) / 1_000;
  const flooding = runFlood(
    [program, host, ...[port, ratePerSecond, seconds].map(String), flooder, router],
    kind === "junk" ? junk(256) : forgedRequests(256),
    [...single, ...five],
  );
  await sleep(onesEndMs + pauseMs / 2);
  const during = await readProcessState(pid);
  const { sent, ns, answers } = await flooding;

  const stolen = stolenPart(timeBefore, await readProcessorTime());
  const dropped = await fullSockets(target.namespace.argv) - droppedBefore;
  await sleep(settleMs);
  const after = await readProcessState(pid);
  await sleep(1_000);
  const { signing } = parseKeyFile(keyText);
  return {
    kind,
    ratePerSecond: sent / ns * 1e9,
    dropped: dropped / sent,
    stolen,
    tries,
    single: countFlushed(single, answers, signing),
    five: countFlushed(five, answers, signing),
    before,
    during,
    after,
    idleCpuMs: (await readProcessState(pid)).cpuMs - after.cpuMs,
  };
}

/** What the flood program says at its end. */
export interface FloodFigures {
  /** Datagrams of the flood that the system took. */
  readonly sent: number;
  /** How long that took. */
  readonly ns: number;
  /** What came back for the tries. */
  readonly answers: readonly Uint8Array[];
}

/** Runs the flood program, with tries in the midst of its datagrams; rejects if it doesn't flood. */
export async function runFlood(
  line: readonly string[],
  datagrams: readonly Uint8Array[],
  tries: readonly TimedTry[],
): Promise<FloodFigures> {
  const file = datagramFile([...datagrams, new Uint8Array(), ...timedDatagrams(tries)]);
  const lines = (await runWith(line, file)).trim().split("\n");
  const [sent, ns] = lines.splice(-1)[0].split(" ").map(Number);
  if (!(sent > 0)) throw new Error(`Cannot flood by "${line.join(" ")}"`);
  return { sent, ns, answers: lines.map((answer) => Uint8Array.fromHex(answer)) };
}
