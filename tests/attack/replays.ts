/** Recorded requests sent again: no flush comes of it, and a genuine request still gets through. */
import { type Bytes, genuine, type Random, requestKinds } from "./datagrams.ts";
import { type Findings, total } from "./findings.ts";
import { type Source, Stage } from "./stage.ts";

/** How many in the full attack. */
const replays = { live: 65_000, fullWindow: 20_000, steppedClock: 15_000 } as const;
/** Ids that a host remembers at most. */
const windowCapacity = 4_096;
/** All of them stale at once find room in a host's table of 64. */
const recordingsOfEachKind = 6;
/** Without flushes that are acknowledged: a thousand acks at once would not fit into a socket. */
const fillingKinds = requestKinds.filter(({ action, acknowledge }) =>
  action === "probe" || !acknowledge
);
const hourMs = 3_600_000;
/** Longer than an id is remembered: 2 x 60 s + 1 s. */
const forgottenAfterMs = 122_000;

/** Sends genuine requests, some of each kind or those given; each is accepted. */
async function record(stage: Stage, source: Source, bytes = eachKind(stage)): Promise<Bytes[]> {
  stage.accepted += await stage.flood(bytes.map((one) => ({ bytes: one, source })));
  return bytes;
}

function eachKind(stage: Stage): Bytes[] {
  return requestKinds.flatMap((kind) =>
    Array.from(
      { length: recordingsOfEachKind },
      () => genuine(kind, stage.wall() + 1),
    )
  );
}

/** Replays recordings by chance from sources; then a genuine request must flush, and nothing else. */
async function replay(
  stage: Stage,
  what: string,
  { number, recordings, sources, random }: {
    readonly number: number;
    readonly recordings: readonly Bytes[];
    readonly sources: readonly Source[];
    readonly random: Random;
  },
): Promise<number> {
  const { findings } = stage;
  // Its flush covers whatever was pending; after it nothing is.
  await stage.ask();
  const { counted, refused } = stage.counters;
  const { flushes } = counted;
  const replayed = function* () {
    for (let i = 0; i < number; i++) {
      yield { bytes: random.pick(recordings), source: random.pick(sources) };
    }
  };
  const sent = await stage.flood(replayed());
  findings.expect(`Accepted, ${what}`, counted.accepted, stage.accepted);
  findings.expect(`Flushes, ${what}`, counted.flushes, flushes);
  findings.expect(`Genuine, ${what}`, (await stage.ask()).status, "flushed");
  findings.expect(`Flushes of one genuine request, ${what}`, counted.flushes, flushes + 1);
  findings.expect(`Refused, ${what}`, total(refused), 0);
  return sent;
}

/** Live, from another source address, and after a restart of the service. */
export async function attackWithReplays(part: number, random: Random): Promise<Findings> {
  await using stage = await Stage.start();
  const [router, samePlace, elsewhere] = ["127.0.0.2", "127.0.0.2", "127.0.0.9"]
    .map((address) => stage.open(address));
  const recordings = await record(stage, router);
  const live = {
    number: Math.ceil(part * replays.live / 3),
    recordings,
    sources: [router, samePlace],
    random,
  };
  let sent = await replay(stage, "live", live);
  sent += await replay(stage, "from another address", { ...live, sources: [elsewhere] });
  const received = [router, samePlace, elsewhere].map((source) => source.received);
  // 8 of each status: one that is the end, and before it pending.
  if (received.some((acks) => acks > 2 * 8 * recordings.length)) {
    stage.findings.faults.push(`${received} acks to ${recordings.length} requests`);
  }
  await stage.restart();
  const sources = [router, samePlace, elsewhere];
  sent += await replay(stage, "after a restart", { ...live, sources });
  return stage.finish({ sent, recorded: recordings.length });
}

/**
 * With the replay window full: what is in it stays known, a newer genuine request is accepted though
 * it can't be remembered, its copies are stale, and so is an older genuine one.
 */
export async function attackFullWindow(part: number, random: Random): Promise<Findings> {
  await using stage = await Stage.start();
  const { findings, events } = stage;
  const source = stage.open("127.0.0.2");
  const filling = Array.from(
    { length: windowCapacity },
    () => genuine(random.pick(fillingKinds)),
  );
  const recordings = await record(stage, source, filling);
  findings.expect("Warnings of a full window before it is", events.replayWindowFull ?? 0, 0);
  const common = { number: Math.ceil(part * replays.fullWindow / 2), sources: [source], random };
  let sent = await replay(stage, "window full", { ...common, recordings });
  const { bytes } = await stage.ask();
  const late = await stage.ask({ created: stage.wall() - 1_000 });
  findings.expect("An older genuine request got", late.status, "stale");
  findings.expect("A newer one got", (await stage.ask()).status, "flushed");
  const one = { ...common, recordings: [bytes] };
  sent += await replay(stage, "window full, not remembered", one);
  findings.expect("Warnings of a full window", events.replayWindowFull ?? 0, 1);
  return stage.finish({ sent, liveIds: windowCapacity });
}

/** While the host's clock is stepped: a seventh of the replays at each station. */
export async function attackSteppedClock(part: number, random: Random): Promise<Findings> {
  await using stage = await Stage.start();
  const { moved } = stage;
  const source = stage.open("127.0.0.2");
  let recordings = await record(stage, source);
  let sent = 0;
  const number = Math.ceil(part * replays.steppedClock / 7);
  const station = async (what: string) => {
    sent += await replay(stage, what, { number, recordings, sources: [source], random });
  };
  await station("before any step");
  moved.wallMs = -hourMs;
  await station("an hour back");
  moved.bothMs += forgottenAfterMs;
  await station("an hour back, ids forgotten");
  moved.wallMs = 0;
  await station("forward again");
  moved.wallMs = 24 * hourMs;
  await station("a day forward");
  recordings = await record(stage, source);
  await station("recorded a day ahead");
  moved.bothMs += forgottenAfterMs;
  moved.wallMs = 0;
  await station("back from a day ahead, ids forgotten");
  const { counted: { repeated }, stale } = stage.counters;
  return stage.finish({ sent, repeated, stale: total(stale) });
}
