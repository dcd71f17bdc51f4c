/** A service that is told to reload again and again while it is asked. */
import { openSegment } from "../net/chain.ts";
import type { ServiceProcess } from "../support/programs.ts";
import { openAsker } from "./asker.ts";
import { keyFile, prepareGround } from "./faulty_host.ts";
import { readProcessState } from "./process_state.ts";

/** How it went. */
export interface ReloadResult {
  readonly asked: number;
  /** Requests without an ack "flushed". */
  readonly unanswered: number;
  /** Reloads that the log confirms, and that it says were refused. */
  readonly reloaded: number;
  readonly refused: number;
  /** File descriptors held at the end and not at the beginning. */
  readonly descriptorsMore: number;
}

const asksPerReload = 5;
/** Hundreds are acknowledged when one flush ends: more at once than the asking socket holds. */
const ackSpreadMs = 1_000;
/**
 * Flushes are acknowledged after one hold-down period at the latest. Ids are remembered for 3 s, so
 * that all of them find room.
 */
const good = (i: number) => [`HoldDownSeconds = ${1 + i % 2}`, "ClockToleranceSeconds = 1"];
const broken = ["HoldDownSeconds = 0"];

/** Reloads `count` times, each after the one before was done, with five requests on their way. */
export async function reloadUnderLoad(count: number): Promise<ReloadResult> {
  await using segment = await openSegment();
  const host = await segment.host();
  await using ground = await prepareGround(host, "reload");
  await using service = await ground.start(good(0));
  await service.line(/Started/);
  const pid = await ground.pid();
  const before = await readProcessState(pid);
  using asker = openAsker(await Deno.readTextFile(keyFile), "192.0.2.100");
  const answers: Promise<boolean>[] = [];
  const done = { reloaded: /Reloaded the settings/, refused: /Cannot reload the settings/ };
  for (let i = 0; i < count; i++) {
    const isGood = i % 2 === 1;
    await ground.settings(isGood ? good(i) : broken);
    // On its way while the settings are being read again, and what comes after it too.
    for (let k = 0; k < asksPerReload; k++) {
      answers.push(asker.ask({ ackSpreadMs }, 10_000).then((ack) => ack?.status === "flushed"));
    }
    service.kill("SIGHUP");
    const pattern = isGood ? done.reloaded : done.refused;
    await counted(service, pattern, Math.floor(i / 2) + 1);
  }
  const answered = await Promise.all(answers);
  const after = await readProcessState(pid);
  return {
    asked: answered.length,
    unanswered: answered.filter((flushed) => !flushed).length,
    reloaded: linesOf(service, done.reloaded),
    refused: linesOf(service, done.refused),
    descriptorsMore: Math.max(0, after.descriptors - before.descriptors),
  };
}

function linesOf(service: ServiceProcess, pattern: RegExp): number {
  return service.log.filter((line) => pattern.test(line)).length;
}

/** Resolves when the log has so many such lines. */
async function counted(service: ServiceProcess, pattern: RegExp, count: number): Promise<void> {
  const patience = AbortSignal.timeout(10_000);
  while (linesOf(service, pattern) < count) {
    patience.throwIfAborted();
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
