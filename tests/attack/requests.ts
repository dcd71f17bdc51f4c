/** Forged requests against the service: none accepted, none answered, each counted by its reason. */
import { refusalReasons } from "../../lib/receiver/accept.ts";
import {
  type Bytes,
  genuine,
  otherRouter,
  type Random,
  requestKinds,
  router,
} from "./datagrams.ts";
import { count, type Findings, total } from "./findings.ts";
import { isPassword, requestRefusal } from "./judge.ts";
import { requestClasses } from "./request_classes.ts";
import { Stage } from "./stage.ts";

/** Genuine requests from outside the allowed networks, in the full attack. */
const outsideRequests = 10_000;
/** Events of the service that belong to an attack by somebody who has the routers' keys. */
const usualEvents = [
  ...["started", "stopped", "accepted", "flushed"],
  ...["refused", "brokenRequest", "clockOffset", "earlierRequest"],
  // Of the one that is started anew.
  "listenWaiting",
];
const acknowledgedKinds = requestKinds.filter(({ acknowledge }) => acknowledge);

/** Attacks with that part of all classes. */
export async function attackWithRequests(part: number, random: Random): Promise<Findings> {
  await using other = await Stage.start();
  await using stage = await Stage.start();
  const { findings, password } = stage;
  const foreign = [await other.challengeFor(router), await stage.challengeFor(router)];
  await stage.restart();
  const { counters } = stage;
  const inside = stage.open("127.0.0.2");
  // An address of this machine that the service doesn't let in, if there is one.
  const outsideAddress = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  )?.address;
  const expected: Record<string, number> = {};
  let sent = 0;

  /** Sends a class to its end; nothing of it may be accepted or answered. */
  async function send(
    name: string,
    datagrams: Iterable<Bytes>,
    source = inside,
    reasonOf = (bytes: Bytes): string | null => requestRefusal(bytes, stage.judgedHost),
  ): Promise<void> {
    const authentic = () => counters.counted.accepted + total(counters.stale);
    const before = authentic();
    const answered = source.receivedBytes;
    const tried = await stage.flood((function* () {
      for (const bytes of datagrams) {
        const reason = reasonOf(bytes);
        if (reason === null || isPassword(bytes, password)) {
          throw new Error(`A forgery is genuine: ${name} ${bytes.toHex()}`);
        }
        count(expected, reason);
        yield { bytes, source };
      }
    })());
    sent += tried;
    findings.figures[name] = tried;
    findings.expect(`Accepted of ${name}`, authentic() - before, 0);
    findings.expect(`Bytes answered to ${name}`, source.receivedBytes, answered);
  }

  await stage.ask();
  const { flushes } = counters.counted;
  const classes = requestClasses({
    ...{ password, random, acceptedId: stage.latestId },
    challenges: {
      own: await stage.challengeFor(router),
      ofOtherRouter: await stage.challengeFor(otherRouter),
      foreign,
    },
  });
  for (const { name, datagrams } of classes) await send(name, datagrams(part));
  if (outsideAddress !== undefined) {
    const some = Array.from(
      { length: Math.ceil(part * outsideRequests) },
      () => genuine(random.pick(acknowledgedKinds)),
    );
    await send("genuine, from outside", some, stage.open(outsideAddress), () => "source");
  }
  findings.expect("Flushes", counters.counted.flushes, flushes);
  const { status } = await stage.ask();
  findings.expect("A genuine request got", status, "flushed");

  for (const reason of refusalReasons) {
    findings.figures[`refused: ${reason}`] = counters.refused[reason];
    findings.expect(`Refused for ${reason}`, counters.refused[reason], expected[reason] ?? 0);
  }
  findings.expect("Refused", total(counters.refused), sent);
  findings.expect("Accepted", counters.counted.accepted, stage.accepted);
  for (const event of Object.keys(stage.events).filter((name) => !usualEvents.includes(name))) {
    findings.expect(`Events ${event}`, stage.events[event], 0);
  }
  stage.finish({ sent });
  findings.datagrams = stage.datagrams + other.datagrams;
  return findings;
}
