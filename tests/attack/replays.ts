/**
 * Recorded requests sent again to the service: no flush comes of it, and a genuine request still
 * gets through. Every circumstance but stepped clocks; those are in clock_steps.ts.
 */
import { refusalReasons } from "../../lib/receiver/accept.ts";
import { flood, type Shot } from "./flood.ts";
import { genuine, requestKinds } from "./genuine.ts";
import {
  checkAccounts,
  createFindings,
  datagramsOf,
  type Findings,
  type PartOutcome,
  traffic,
} from "./outcome.ts";
import { type GenuineSender, openGenuineSender } from "./probes.ts";
import type { Random } from "./random.ts";
import { type Camp, pitchCamp, type ServiceTally, startTarget, type Target } from "./target.ts";
import { createWireTap, type Source } from "./wire_tap.ts";

/** Ids that a host remembers at most. */
const windowCapacity = 4_096;
const recordingsOfEachKind = 8;
/** Without flushes that are acknowledged: a thousand acks at once would not fit into a socket. */
const fillingKinds = requestKinds.filter(({ action, acknowledge }) =>
  action === "probe" || !acknowledge
);

/** Records and replays of one attack. */
export interface Replayer {
  readonly recordings: readonly Uint8Array<ArrayBuffer>[];
  /** Sends recordings, chosen by chance, from these sources. */
  replay(count: number, sources: readonly Source[]): Promise<number>;
}

/** Sends some genuine requests of each kind from a source; each is accepted. */
export async function record(
  camp: Pick<Camp, "key">,
  sender: GenuineSender,
  source: Source,
  random: Random,
  wall: () => number = Date.now,
): Promise<Replayer> {
  const recordings = requestKinds.flatMap((kind) =>
    Array.from(
      { length: recordingsOfEachKind },
      () => genuine(kind, camp.key, random, wall(), "recorded"),
    )
  );
  await flood(recordings.map((bytes) => ({ bytes, source })), sender);
  return replayerOf(recordings, sender, random);
}

function replayerOf(
  recordings: readonly Uint8Array<ArrayBuffer>[],
  sender: GenuineSender,
  random: Random,
): Replayer {
  return {
    recordings,
    replay(count, sources) {
      const shots = function* (): Generator<Shot> {
        for (let i = 0; i < count; i++) {
          yield { bytes: random.pick(recordings), source: random.pick(sources) };
        }
      };
      return flood(shots(), sender);
    },
  };
}

/** What the service did between two moments; the genuine sender's requests are taken off. */
interface Watch {
  /** Ends it, after a genuine flush that must get through. */
  end(what: string): Promise<void>;
}

/** Watches a service through its log. */
function createWatcher(target: Target, sender: GenuineSender, findings: Findings) {
  let marks = 0;
  async function mark(): Promise<ServiceTally> {
    // The log is written in order: what it told before this name is complete.
    const name = `mark${++marks}`;
    await sender.ask({ action: "probe", sender: name });
    await target.told(name);
    return target.tally();
  }
  return {
    async begin(): Promise<Watch> {
      // The flush of this request covers whatever was pending; after it nothing is.
      await sender.ask();
      const before = await mark();
      const requestsBefore = sender.requests;
      return {
        async end(what) {
          const after = await mark();
          findings.expect(
            `Accepted, ${what}`,
            after.accepted - before.accepted,
            sender.requests - requestsBefore,
          );
          findings.expect(`Flushes, ${what}`, after.flushes - before.flushes, 0);
          const { ack } = await sender.ask();
          if (ack.status !== "flushed") findings.fault(`A genuine request got ${ack.status}`);
          const { flushes } = await mark();
          findings.expect(`Flushes of one genuine request, ${what}`, flushes - after.flushes, 1);
        },
      };
    },
  };
}

function expectNoRefusals({ refused }: ServiceTally, findings: Findings): void {
  for (const reason of refusalReasons) {
    findings.expect(`Refused for ${reason}`, refused[reason] ?? 0, 0);
  }
}

/** Live, from another source address, and after a restart of the service. */
export async function attackWithReplays(
  counts: { readonly live: number; readonly elsewhere: number; readonly restarted: number },
  random: Random,
): Promise<PartOutcome> {
  const findings = createFindings();
  await using camp = await pitchCamp(random);
  const tap = createWireTap();
  using router = tap.open("127.0.0.2", camp.port);
  using samePlace = tap.open("127.0.0.2", camp.port);
  using elsewhere = tap.open("127.0.0.9", camp.port);
  let sent = 0;
  const acksBefore = () =>
    router.account.received + samePlace.account.received +
    elsewhere.account.received;

  let recordings: Replayer["recordings"];
  {
    await using target = await startTarget(camp);
    using sender = openGenuineSender(tap, camp.port, camp.key, random);
    const replayer = await record(camp, sender, router, random);
    recordings = replayer.recordings;
    const watcher = createWatcher(target, sender, findings);
    const live = await watcher.begin();
    sent += await replayer.replay(counts.live, [router, samePlace]);
    await live.end("live");
    const other = await watcher.begin();
    sent += await replayer.replay(counts.elsewhere, [elsewhere]);
    await other.end("from another source address");
    expectNoRefusals(await target.stop(), findings);
  }
  const most = 8 * recordings.length;
  if (acksBefore() > most) findings.fault(`${acksBefore()} acks, must be at most ${most}`);
  {
    await using target = await startTarget(camp);
    using sender = openGenuineSender(tap, camp.port, camp.key, random);
    const watch = await createWatcher(target, sender, findings).begin();
    const sources = [router, samePlace, elsewhere];
    sent += await replayerOf(recordings, sender, random).replay(counts.restarted, sources);
    await watch.end("after a restart");
    expectNoRefusals(await target.stop(), findings);
  }
  checkAccounts(tap.accounts, findings);
  return {
    part: "replays, live, elsewhere, after a restart",
    sent,
    datagrams: datagramsOf(tap.accounts),
    figures: { ...counts, recorded: recordings.length, ...traffic(tap.accounts) },
    faults: findings.faults,
  };
}

/**
 * With the replay window full: what is in it stays known, a newer genuine request is accepted though
 * it can't be remembered, its copies are stale, and so is an older genuine one until it is repeated.
 */
export async function attackFullWindow(count: number, random: Random): Promise<PartOutcome> {
  const findings = createFindings();
  await using camp = await pitchCamp(random);
  const { key, port } = camp;
  const tap = createWireTap();
  using router = tap.open("127.0.0.2", port);
  await using target = await startTarget(camp);
  let newest = 0;
  // While the window is full only what is newer than everything accepted is fresh.
  const wall = () => newest = Math.max(Date.now(), newest + 1);
  using sender = openGenuineSender(tap, port, key, random, wall);
  await sender.prepare(Math.ceil(count / 16) + windowCapacity / 16);
  const filling = Array.from(
    { length: windowCapacity - sender.requests },
    () => genuine(random.pick(fillingKinds), key, random, Date.now(), "filling"),
  );
  await flood(filling.map((bytes) => ({ bytes, source: router })), sender);
  findings.expect("Warnings of a full window before it is", target.tally().others[full] ?? 0, 0);

  const watcher = createWatcher(target, sender, findings);
  const watch = await watcher.begin();
  const replayer = replayerOf(filling, sender, random);
  let sent = await replayer.replay(Math.ceil(count / 2), [router]);
  await watch.end("window full");

  const { bytes: unremembered } = await sender.ask();
  const late = await sender.ask({ created: newest - 1_000 });
  if (!late.repaired) findings.fault("An older genuine request was accepted by a full window");
  if (late.ack.status !== "flushed") findings.fault(`Repeated, it got ${late.ack.status}`);
  const second = await watcher.begin();
  sent += await replayerOf([unremembered], sender, random)
    .replay(Math.floor(count / 2), [router]);
  await second.end("window full, not remembered");
  const tally = await target.stop();
  expectNoRefusals(tally, findings);
  findings.expect("Warnings of a full window", tally.others[full] ?? 0, 1);
  checkAccounts(tap.accounts, findings);
  return {
    part: "replays, window full",
    sent,
    datagrams: datagramsOf(tap.accounts),
    figures: { liveIds: windowCapacity, ...traffic(tap.accounts) },
    faults: findings.faults,
  };
}

const full = "replayWindowFull";
