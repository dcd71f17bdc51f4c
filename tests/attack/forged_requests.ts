/** Forged requests against the service: none accepted, none answered, each counted by its reason. */
import { refusalReasons } from "../../lib/receiver/accept.ts";
import { flood, type Shot } from "./flood.ts";
import { forgeries } from "./forgeries.ts";
import { acknowledgedKinds, genuine } from "./genuine.ts";
import { isPassword, requestRefusal } from "./judge.ts";
import {
  checkAccounts,
  createFindings,
  datagramsOf,
  type PartOutcome,
  traffic,
} from "./outcome.ts";
import { openGenuineSender } from "./probes.ts";
import type { Random } from "./random.ts";
import { pitchCamp, startTarget } from "./target.ts";
import { createWireTap, type Source } from "./wire_tap.ts";

/** Genuine requests from outside the allowed networks, in a million. */
const outsideShare = 10_000;
const idReused = "id of another request, signed";

/** Attacks with at least that many datagrams. */
export async function attackWithForgeries(count: number, random: Random): Promise<PartOutcome> {
  const findings = createFindings();
  await using camp = await pitchCamp(random);
  await using target = await startTarget(camp);
  const tap = createWireTap();
  const { key, judged, port } = camp;
  using sender = openGenuineSender(tap, port, key, random);
  using inside = tap.open("127.0.0.2", port);
  const foreign = foreignAddress();
  using outside = foreign === null ? inside : tap.open(foreign, port);
  const expected: Record<string, number> = Object.fromEntries(
    refusalReasons.map((reason) => [reason, 0]),
  );
  const kinds: Record<string, number> = {};

  function* shots(source: Source): Generator<Shot> {
    const forger = { key, password: camp.password, random, acceptedId: () => sender.latestId };
    for (const { kind, bytes } of forgeries(forger, count)) {
      const reason = requestRefusal(bytes, judged) ?? (kind === idReused ? "id reused" : null);
      if (reason === null || isPassword(bytes, camp.password)) {
        throw new Error(`A forgery is genuine: ${kind} ${bytes.toHex()}`);
      }
      expected[reason]++;
      kinds[kind] = (kinds[kind] ?? 0) + 1;
      yield { bytes, source };
    }
    if (foreign === null) return;
    for (let i = 0; i < Math.ceil(count * outsideShare / 1e6); i++) {
      expected.source++;
      kinds["genuine, from outside"] = (kinds["genuine, from outside"] ?? 0) + 1;
      yield { bytes: genuine(random.pick(acknowledgedKinds), key, random), source: outside };
    }
  }
  await sender.pass();
  const sent = await flood(shots(inside), sender);
  const { ack } = await sender.ask();
  if (ack.status !== "flushed") findings.fault(`A genuine request was answered ${ack.status}`);
  const tally = await target.stop();

  for (const reason of refusalReasons) {
    findings.expect(`Refused for ${reason}`, tally.refused[reason] ?? 0, expected[reason]);
  }
  const refused = Object.values(tally.refused).reduce((sum, one) => sum + (one ?? 0), 0);
  findings.expect("Refused", refused, sent);
  findings.expect("Accepted", tally.accepted, sender.requests);
  // The start's and the genuine one's.
  findings.expect("Flushes", tally.flushes, 2);
  findings.expect("Bytes answered", inside.account.receivedBytes, 0);
  findings.expect("Bytes answered outside", outside.account.receivedBytes, 0);
  expectNothingElse(tally.others, findings.fault);
  checkAccounts(tap.accounts, findings);
  return {
    part: "forged requests",
    sent,
    datagrams: datagramsOf(tap.accounts),
    figures: {
      accepted: tally.accepted - sender.requests,
      bytesAnswered: inside.account.receivedBytes + outside.account.receivedBytes,
      ...prefixed("kind: ", kinds),
      ...prefixed("refused: ", tally.refused),
      genuineRequests: sender.requests,
      ...traffic(tap.accounts),
    },
    faults: findings.faults,
  };
}

/** Warnings of the service that belong to an attack by somebody who holds the key. */
const usual = ["started", "stopped", "brokenRequest"];

function expectNothingElse(
  others: Readonly<Record<string, number>>,
  fault: (text: string) => void,
): void {
  for (const [event, count] of Object.entries(others)) {
    if (!usual.includes(event)) fault(`The log tells ${count} times of ${event}`);
  }
}

function prefixed(
  prefix: string,
  counts: Readonly<Partial<Record<string, number>>>,
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(counts).map(([name, count]) => [`${prefix}${name}`, count ?? 0]),
  );
}

/** An address of this machine that the service under attack doesn't let in, or null. */
function foreignAddress(): string | null {
  const own = Deno.networkInterfaces().find(({ family, address }) =>
    family === "IPv4" && !address.startsWith("127.")
  );
  return own?.address ?? null;
}
