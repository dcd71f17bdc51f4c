import assert from "node:assert/strict";
import type { AskResult } from "../../../lib/ask/verdicts.ts";
import { LastFailover } from "../../../lib/follow/last_failover.ts";
import type { SendOptions } from "../../../lib/sender/arguments.ts";
import type { EndedRun } from "../../../lib/sender/history.ts";
import { joinedReason } from "../../../lib/sender/run.ts";
import {
  type Answered,
  askResult,
  countOf,
  defaultOptions,
  expectedOf,
  failed,
  healed,
  outcome,
  prefix,
  stuck,
} from "../sender/helpers.ts";
import { createTestTime } from "../../support/test_time.ts";

/** Runs on links of one daemon; each ends in the order of the calls. */
function createDaemon() {
  const time = createTestTime();
  const failover = new LastFailover(time, defaultOptions);
  const on = (link: string): SendOptions => ({ ...defaultOptions, interfaceNames: [link] });
  return {
    failover,
    time,
    ended: (link: string, answers: readonly Answered[], how: {
      readonly names?: string;
      readonly early?: string | null;
      readonly asked?: readonly AskResult[];
      readonly elsewhere?: readonly string[];
    } = {}) => {
      const { names, early = null, asked, elsewhere } = how;
      const expected = names === undefined ? countOf(null) : expectedOf(names);
      const result = outcome(answers, { exchange: { expected } }, { endedEarly: early }, asked);
      const expect = { kind: "file", path: "hosts", elsewhere: new Set(elsewhere) } as const;
      return failover.end(link, result, { ...on(link), expect });
    },
    broken: (link: string) => failover.end(link, new Error("Cannot read key file"), on(link)),
  };
}

const countsOf = (run: EndedRun | null) => Object.fromEntries(run?.counts ?? []);

Deno.test("LastFailover has all links of a failover, and each host once, by its worst verdict", () => {
  const { failover, ended, time } = createDaemon();
  failover.begin();
  time.pass(1_000);
  failover.begin();
  time.pass(5_000);
  assert.deepEqual(countsOf(ended("e0", [healed, stuck])), { healed: 1, stuck: 1 });
  time.pass(1_000);
  // The one is there, too, and healed; another one failed.
  const whole = ended("e1", [healed, failed]);
  assert.deepEqual(countsOf(whole), { failed: 1, healed: 1, stuck: 1 });
  assert.deepEqual([whole?.interfaceNames, whole?.elapsedMs, whole?.exitCode], [[], 7_000, 3]);
  // The next failover has nothing of the last one.
  failover.begin();
  time.pass(2_000);
  const next = ended("e0", [healed]);
  assert.deepEqual([countsOf(next), next?.elapsedMs], [{ healed: 1 }, 2_000]);
});

Deno.test("LastFailover has all addresses that a host is stuck at, and who was expected on no link", () => {
  const { failover, ended } = createDaemon();
  failover.begin();
  failover.begin();
  const at = (link: string, address: string) => [
    askResult("stuck", { link, name: "printer1", expected: true, address: prefix(address) }),
  ];
  ended("e0", [], { asked: at("e0", "192.0.2.1"), elsewhere: ["web1", "db1"] });
  const whole = ended("e1", [], { asked: at("e1", "198.51.100.1"), elsewhere: ["web1", "cache9"] });
  assert.deepEqual(whole?.verdicts.map(({ stuck }) => stuck), [["192.0.2.1", "198.51.100.1"]]);
  assert.deepEqual([...whole?.elsewhere ?? []], ["web1"]);
});

Deno.test("LastFailover takes a host for present that answered on one of the links", () => {
  const { failover, ended } = createDaemon();
  const names = "web1\ncache9";
  failover.begin();
  failover.begin();
  assert.deepEqual(countsOf(ended("e0", [], { names })), { missing: 2 });
  const whole = ended("e1", [healed], { names });
  assert.deepEqual(countsOf(whole), { healed: 1, missing: 1 });
  assert.deepEqual(whole?.verdicts.map(({ name }) => name).toSorted(), ["cache9", "web1"]);
});

Deno.test("LastFailover adds up who is missing without a name", () => {
  const { failover, ended } = createDaemon();
  failover.begin();
  failover.begin();
  ended("e0", [healed]);
  assert.deepEqual(countsOf(ended("e1", [])), { healed: 1, missing: 1 });
});

Deno.test("LastFailover keeps what a link's hosts said when its addresses leave", () => {
  const { failover, ended } = createDaemon();
  for (let i = 0; i < 3; i++) failover.begin();
  assert.equal(ended("e0", [failed], { early: joinedReason }), null);
  assert.deepEqual(countsOf(ended("e0", [healed])), { healed: 1 });
  const early = "192.0.2.1 has left e0";
  assert.equal(ended("e0", [failed], { early }), null);
  for (let i = 0; i < 2; i++) failover.begin();
  assert.equal(ended("e0", [], { early }), null);
  // Who had no time to answer isn't missing.
  const whole = ended("e0", [failed], { early, names: "cache9" });
  assert.deepEqual(countsOf(whole), { failed: 1 });
});

Deno.test("LastFailover has the worst exit code, and a run that could not be prepared", () => {
  const { failover, ended, broken } = createDaemon();
  failover.begin();
  failover.begin();
  const good = ended("e0", [healed], { names: "web1" });
  assert.equal(good?.exitCode, 0);
  const whole = broken("e1");
  assert.equal(whole?.exitCode, 2);
  assert.deepEqual(countsOf(whole), { healed: 1 });
});
