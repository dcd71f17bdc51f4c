/** Forged requests against the service: none accepted, none answered, each counted by its reason. */
import { refusalReasons } from "../../lib/receiver/accept.ts";
import { draw, fullAttack, idReusedClass, requestClasses } from "./classes.ts";
import { genuine, type Random, requestKinds } from "./datagrams.ts";
import { isPassword, requestRefusal } from "./judge.ts";
import { count, type PartOutcome, prefixed, total } from "./outcome.ts";
import { Stage } from "./stage.ts";

/** Genuine requests from outside the allowed networks, a part of the forged ones. */
const outsidePart = 0.01;
/** Events of the service that belong to an attack by somebody who holds the key. */
const usualEvents = ["started", "stopped", "brokenRequest", "refused", "accepted", "flushed"];
const acknowledgedKinds = requestKinds.filter(({ acknowledge }) => acknowledge);

/** Attacks with at least that many datagrams. */
export async function attackWithRequests(wanted: number, random: Random): Promise<PartOutcome> {
  await using stage = await Stage.start();
  const { findings, counters, password, site: { key, judged } } = stage;
  const inside = stage.open("127.0.0.2");
  // An address of this machine that the service doesn't let in, if there is one.
  const foreign = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  );
  const outside = stage.open(foreign?.address ?? "127.0.0.2");
  const expected: Record<string, number> = {};
  const classes: Record<string, number> = {};

  function* forged() {
    const table = requestClasses({ key, password, random, acceptedId: () => stage.latestId });
    const amount = { count: wanted, full: fullAttack.requests, random };
    for (const { name, bytes } of draw(table, amount)) {
      const reason = requestRefusal(bytes, judged) ?? (name === idReusedClass ? "id reused" : null);
      if (reason === null || isPassword(bytes, password)) {
        throw new Error(`A forgery is genuine: ${name} ${bytes.toHex()}`);
      }
      count(expected, reason);
      count(classes, name);
      yield { bytes, source: inside };
    }
    for (let i = 0; foreign !== undefined && i < wanted * outsidePart; i++) {
      count(expected, "source");
      count(classes, "genuine, from outside");
      yield { bytes: genuine(random.pick(acknowledgedKinds), key), source: outside };
    }
  }
  await stage.ask();
  const { flushes } = counters.counted;
  const sent = await stage.flood(forged());
  findings.expect("Flushes", counters.counted.flushes, flushes);
  const { status } = await stage.ask();
  findings.expect("A genuine request got", status, "flushed");

  for (const reason of refusalReasons) {
    findings.expect(`Refused for ${reason}`, counters.refused[reason], expected[reason] ?? 0);
  }
  findings.expect("Refused", total(counters.refused), sent);
  findings.expect("Accepted", counters.counted.accepted, stage.accepted);
  const bytesAnswered = inside.receivedBytes + outside.receivedBytes;
  findings.expect("Bytes answered", bytesAnswered, 0);
  for (const event of Object.keys(stage.events).filter((name) => !usualEvents.includes(name))) {
    findings.expect(`Events ${event}`, stage.events[event], 0);
  }
  return stage.outcome("forged requests", sent, {
    accepted: counters.counted.accepted - stage.accepted,
    bytesAnswered,
    ...prefixed("class", classes),
    ...prefixed("refused", counters.refused),
  });
}
