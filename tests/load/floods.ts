/** One genuine request in a flood: does it get through, and what does the flood cost the service. */
import { datagramFile, forgedRequests, junk } from "../../bench/datagrams.ts";
import { type Peers, runWith } from "../../bench/peers.ts";
import { type Asker, openAsker } from "./asker.ts";
import { run } from "../../tools/command.ts";
import { ip } from "../../tools/namespaces.ts";
import { openSegment } from "../net/chain.ts";
import { keyFile, prepareGround } from "./faulty_host.ts";
import { type ProcessState, readProcessState } from "./process_state.ts";

/** What is sent beside the genuine requests. */
export type FloodKind = "wrong MAC" | "junk";

/** How it went. */
export interface FloodResult {
  readonly kind: FloodKind;
  /** Datagrams a second that the sending system took. */
  readonly ratePerSecond: number;
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

/** How it is done. */
export interface FloodPlan {
  readonly kind: FloodKind;
  readonly ratePerSecond: number;
  readonly tries: number;
  /** With packaging/arpflush.nft on the host. */
  readonly guarded: boolean;
}

const host = "192.0.2.100";
const port = 27_735;
const flooder = "192.0.2.66";
const rules = new URL("../../packaging/arpflush.nft", import.meta.url).pathname;
/** Ended before. */
const secondsMost = "600";
const betweenTriesMs = 40;
const copyIntervalMs = 100;
/** The hold-down period is 1 s: a flush is acknowledged after that at the latest. */
const patienceMs = 5_000;
const settleMs = 1_500;

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Floods a service on a segment of its own, in the namespace that this process is in. Needs the
 * peers' flood program.
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
  using asker = openAsker(await Deno.readTextFile(keyFile), host);
  await asker.ask();
  const before = await readProcessState(pid);
  const ending = new AbortController();
  const datagrams = kind === "junk" ? junk(256) : forgedRequests(256);
  const line = [program, host, String(port), String(ratePerSecond), secondsMost, flooder];
  const flooding = runWith(line, datagramFile(datagrams), ending.signal);
  await sleep(500);
  const single = await count(tries, () => asked(asker, 1));
  const during = await readProcessState(pid);
  const five = await count(Math.ceil(tries / 4), () => asked(asker, 5));
  ending.abort();
  const [sent, ns] = (await flooding).trim().split(" ").map(Number);
  await sleep(settleMs);
  const after = await readProcessState(pid);
  await sleep(1_000);
  const idleCpuMs = (await readProcessState(pid)).cpuMs - after.cpuMs;
  const rate = sent / ns * 1e9;
  return { kind, ratePerSecond: rate, tries, single, five, before, during, after, idleCpuMs };
}

/** Tries one after the other without waiting for their ends; how many succeeded. */
async function count(tries: number, attempt: () => Promise<boolean>): Promise<number> {
  const attempts: Promise<boolean>[] = [];
  for (let i = 0; i < tries; i++) {
    attempts.push(attempt());
    await sleep(betweenTriesMs);
  }
  return (await Promise.all(attempts)).filter(Boolean).length;
}

/** Whether a request in so many copies is acknowledged. */
async function asked(asker: Asker, copies: number): Promise<boolean> {
  const ack = await asker.ask({}, patienceMs, { copies, intervalMs: copyIntervalMs });
  return ack?.status === "flushed";
}
