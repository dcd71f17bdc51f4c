/** Forged requests against the service: none accepted, none answered, each counted by its reason. */
import { refusalReasons } from "../../lib/receiver/accept.ts";
import { type AttackClass, draw, fullAttack } from "./classes.ts";
import { type Bytes, genuine, type Random, requestKinds } from "./datagrams.ts";
import { isPassword, requestRefusal } from "./judge.ts";
import { type ClassOutcome, count, type PartOutcome, prefixed, total } from "./outcome.ts";
import { requestClasses } from "./request_classes.ts";
import { Stage } from "./stage.ts";

/** Genuine requests from outside the allowed networks, a part of the forged ones. */
const outsidePart = 0.01;
/** Events of the service that belong to an attack by somebody who has the routers' keys. */
const usualEvents = [
  ...["started", "stopped", "accepted", "flushed"],
  ...["refused", "brokenRequest", "clockOffset", "earlierRequest"],
  // Of the one that is started anew.
  "listenWaiting",
];
const acknowledgedKinds = requestKinds.filter(({ acknowledge }) => acknowledge);

/** Attacks with at least that many datagrams. */
export async function attackWithRequests(wanted: number, random: Random): Promise<PartOutcome> {
  await using other = await Stage.start();
  await using stage = await Stage.start();
  const { findings, password, site: { router, otherRouter } } = stage;
  const foreignChallenges = [await other.challengeFor(router), await stage.challengeFor(router)];
  await stage.restart();
  const { counters } = stage;
  const inside = stage.open("127.0.0.2");
  // An address of this machine that the service doesn't let in, if there is one.
  const foreign = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  );
  const outside = stage.open(foreign?.address ?? "127.0.0.2");
  const expected: Record<string, number> = {};

  function judge(bytes: Bytes, name: string): Bytes {
    const reason = requestRefusal(bytes, stage.judgedHost);
    if (reason === null || isPassword(bytes, password)) {
      throw new Error(`A forgery is genuine: ${name} ${bytes.toHex()}`);
    }
    count(expected, reason);
    return bytes;
  }
  function fromOutside(bytes: Bytes): Bytes {
    count(expected, "source");
    return bytes;
  }
  /** Sends a class to its end; what was accepted and answered meanwhile. */
  async function send(
    name: string,
    datagrams: Iterable<Bytes>,
    source = inside,
    judged = judge,
  ): Promise<ClassOutcome> {
    const authentic = () => counters.counted.accepted + total(counters.stale);
    const before = authentic();
    const answered = inside.receivedBytes + outside.receivedBytes;
    const tried = await stage.flood((function* () {
      for (const bytes of datagrams) yield { bytes: judged(bytes, name), source };
    })());
    return {
      name,
      tried,
      accepted: authentic() - before,
      answered: inside.receivedBytes + outside.receivedBytes - answered,
    };
  }

  await stage.ask();
  const { flushes } = counters.counted;
  const table: readonly AttackClass[] = requestClasses({
    ...{ router, otherRouter, password, random, foreignChallenges },
    acceptedId: () => stage.latestId,
    challengeFor: (router) => stage.challengeFor(router),
  });
  const amount = { count: wanted, full: fullAttack.requests, random };
  const classes: ClassOutcome[] = [];
  for (const { attack, datagrams } of draw(table, amount)) {
    await attack.prepare?.();
    classes.push(await send(attack.name, datagrams));
  }
  if (foreign !== undefined) {
    const some = Array.from(
      { length: Math.ceil(wanted * outsidePart) },
      () => genuine(random.pick(acknowledgedKinds), router),
    );
    classes.push(await send("genuine, from outside", some, outside, fromOutside));
  }
  findings.expect("Flushes", counters.counted.flushes, flushes);
  const { status } = await stage.ask();
  findings.expect("A genuine request got", status, "flushed");

  const sent = classes.reduce((sum, { tried }) => sum + tried, 0);
  for (const { name, accepted, answered } of classes) {
    findings.expect(`Accepted of ${name}`, accepted, 0);
    findings.expect(`Bytes answered to ${name}`, answered, 0);
  }
  for (const reason of refusalReasons) {
    findings.expect(`Refused for ${reason}`, counters.refused[reason], expected[reason] ?? 0);
  }
  findings.expect("Refused", total(counters.refused), sent);
  findings.expect("Accepted", counters.counted.accepted, stage.accepted);
  for (const event of Object.keys(stage.events).filter((name) => !usualEvents.includes(name))) {
    findings.expect(`Events ${event}`, stage.events[event], 0);
  }
  const outcome = stage.outcome("forged requests", sent, {
    accepted: counters.counted.accepted - stage.accepted,
    bytesAnswered: inside.receivedBytes + outside.receivedBytes,
    ...prefixed("refused", counters.refused),
  });
  return { ...outcome, datagrams: stage.datagrams + other.datagrams, classes };
}
