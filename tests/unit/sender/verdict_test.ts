import assert from "node:assert/strict";
import { hasConfirmed, type Host, noteAnswer } from "../../../lib/sender/exchange.ts";
import { offsetText, type Verdict, verdictOn, verdictText } from "../../../lib/sender/outcome.ts";
import { ownershipOf } from "../../../lib/sender/targets.ts";
import type { FlushAck } from "../../../lib/wire/ack.ts";
import { ack, prefix, report, router } from "./helpers.ts";

const to = { id: new Uint8Array(16) };
const addresses = ["192.0.2.1", "192.0.2.2"].map(prefix);
const ownership = ownershipOf(router, true);
const own = report("neighbor", "02:00:00:00:00:02");
const foreign = report("neighbor", "02:00:00:00:00:01");
const nobody = report("no neighbor");
const unseen = report("not looked at");

function host(...acks: [source: string, ack: FlushAck][]): Host {
  const hosts = new Map<string, Host>();
  for (const [address, ack] of acks) noteAnswer(hosts, { address, ms: 1, ack, clockOffsetMs: 0 });
  const [only, ...others] = hosts.values();
  assert.deepEqual(others, []);
  return only;
}

function verdict(...acks: FlushAck[]): Verdict {
  const from = acks.map((ack, i): [string, FlushAck] => [`192.0.2.${10 + i}`, ack]);
  return verdictOn(host(...from), addresses, ownership);
}

/** What a flush that reports so comes to. */
const flushes: [string, ReturnType<typeof report>[], string][] = [
  ["own", [own, own], "healed"],
  ["own and not looked at", [own, unseen], "healed"],
  ["own and nobody", [own, nobody], "no answer 192.0.2.2"],
  ["a foreign and nobody", [foreign, nobody], "STUCK 192.0.2.1 at 02:00:00:00:00:01"],
  ["own and foreign", [own, foreign], "STUCK 192.0.2.2 at 02:00:00:00:00:01"],
  [
    "a permanent foreign one",
    [report("permanent", "02:00:00:00:00:01"), own],
    "STUCK 192.0.2.1 at 02:00:00:00:00:01 (permanent)",
  ],
  ["own as permanent", [report("permanent", "02:00:00:00:00:02"), unseen], "healed"],
  ["nothing looked at", [unseen, unseen], "flushed"],
  ["no reports", [], "flushed"],
];
for (const [what, reports, text] of flushes) {
  Deno.test(`verdictOn() says "${text}" of a flush with ${what}`, () => {
    assert.equal(verdictText(verdict(ack(to, "flushed", { reports })), 0), text);
  });
}

Deno.test("verdictOn() finds a stuck host by a probe, and nothing wrong with an empty cache", () => {
  const probe = (...reports: ReturnType<typeof report>[]) =>
    verdict(ack(to, "alive", { reports })).state;
  assert.equal(probe(foreign, nobody), "stuck");
  assert.equal(probe(nobody, nobody), "alive");
  assert.equal(probe(own, unseen), "alive");
});

Deno.test("verdictOn() gives the error of a failed flush", () => {
  const failed = verdict(ack(to, "failed", { error: 110 }));
  assert.deepEqual(failed, { state: "failed", error: 110, findings: [] });
  assert.equal(verdictText(failed, 0), "FAILED, error 110");
});

Deno.test("verdictOn() tells the clock of a host that refused as stale", () => {
  const stale = verdict(ack(to, "stale"));
  assert.equal(verdictText(stale, 600_000), "REFUSED as stale, its clock is 600.0 s ahead");
});

Deno.test("verdictOn() goes by the best that a host got to, over all its interfaces", () => {
  const flushed = ack(to, "flushed", { reports: [own, own] });
  assert.equal(verdict(ack(to, "failed"), flushed, ack(to, "stale")).state, "healed");
  assert.equal(verdict(ack(to, "stale"), ack(to, "failed", { error: 5 })).state, "failed");
});

Deno.test("verdictOn() finds a host stuck if any of its interfaces is", () => {
  const good = ack(to, "flushed", { reports: [own, own] });
  const bad = ack(to, "flushed", { reports: [own, foreign] });
  assert.equal(verdict(good, bad).state, "stuck");
  assert.equal(verdict(bad, good).findings.length, 4);
});

Deno.test("verdictOn() doesn't judge addresses of another link than the host's", () => {
  const from = (source: string) =>
    verdictOn(
      host([source, ack(to, "flushed", { reports: [nobody, nobody] })]),
      addresses,
      ownershipOf(router, false),
    ).state;
  assert.equal(from("198.51.100.7"), "flushed");
  assert.equal(from("192.0.2.7"), "no answer");
});

Deno.test("verdictText() names three addresses and counts the rest", () => {
  const many = Array.from({ length: 5 }, (_, i) => prefix(`192.0.2.${i}`));
  const stuck = verdictOn(
    host(["192.0.2.9", ack(to, "flushed", { reports: many.map(() => nobody) })]),
    many,
    ownership,
  );
  assert.equal(verdictText(stuck, 0), "no answer 192.0.2.0, 192.0.2.1, 192.0.2.2 and 2 more");
});

Deno.test("noteAnswer() takes a host with several interfaces as one, whatever its name's case", () => {
  const both = host(
    ["192.0.2.7", ack(to, "flushed", { host: "web1", entries: 3 })],
    ["198.51.100.7", ack(to, "flushed", { host: "WEB1" })],
    ["192.0.2.7", ack(to, "flushed", { host: "web1", entries: 9 })],
  );
  assert.equal(both.name, "web1");
  assert.equal(both.acks, 3);
  assert.deepEqual([...both.answers.keys()], ["192.0.2.7", "198.51.100.7"]);
  assert.equal(both.answers.get("192.0.2.7")?.ack.entries, 3);
});

Deno.test("noteAnswer() keeps the latest failure until a flush replaces it", () => {
  const failed = (error: number) => ack(to, "failed", { error });
  const two = host(["192.0.2.7", failed(1)], ["192.0.2.7", failed(2)]);
  assert.equal(two.answers.get("192.0.2.7")?.ack.error, 2);
  assert.ok(!hasConfirmed(two));
  const healed = host(["192.0.2.7", failed(1)], ["192.0.2.7", ack(to, "flushed")], [
    "192.0.2.7",
    failed(2),
  ]);
  assert.equal(healed.answers.get("192.0.2.7")?.ack.status, "flushed");
  assert.ok(hasConfirmed(healed));
});

Deno.test("noteAnswer() keeps a failure when a stale ack comes from the same address", () => {
  const one = host(["192.0.2.10", ack(to, "failed")], ["192.0.2.10", ack(to, "stale")]);
  assert.deepEqual([...one.answers.values()].map(({ ack }) => ack.status), ["failed"]);
});

Deno.test("hasConfirmed() is content with one of a host's addresses", () => {
  assert.ok(
    hasConfirmed(host(["192.0.2.10", ack(to, "flushed")], ["192.0.2.11", ack(to, "failed")])),
  );
  assert.ok(
    !hasConfirmed(host(["192.0.2.10", ack(to, "stale")], ["192.0.2.11", ack(to, "failed")])),
  );
});

Deno.test("noteAnswer() calls a host without a name by its address, and takes names apart from control", () => {
  assert.equal(host(["192.0.2.7", ack(to, "alive", { host: "" })]).name, "192.0.2.7");
  assert.equal(host(["192.0.2.7", ack(to, "alive", { host: "a\x1b[2Jb" })]).name, "a?[2Jb");
});

Deno.test("offsetText() speaks of seconds or milliseconds", () => {
  assert.equal(offsetText(-600_000), "600.0 s behind");
  assert.equal(offsetText(12.4), "12 ms ahead");
  assert.equal(offsetText(0), "0 ms ahead");
});
