import assert from "node:assert/strict";
import { type ExchangeRecord } from "../../../lib/sender/exchange.ts";
import { outcomeOf } from "../../../lib/sender/outcome.ts";
import type { Plan } from "../../../lib/sender/preparation.ts";
import { ack, failed, healed, planOf, received, recordOf, stuck, targetRecord } from "./helpers.ts";

const to = { id: new Uint8Array(16) };
const flushed = received("192.0.2.7", ack(to, "flushed"));
const alive = received("192.0.2.7", ack(to, "alive"));
const names = (...names: string[]) => ({ kind: "names", names }) as const;
const password: Partial<Plan> = { content: { kind: "password", password: "x" } };
const down = { sent: 0, error: "Down" };
const found = targetRecord("10.0.0.255", down);

/** What ended how: acks, plan and targets, and the exit code. */
const codes: [
  what: string,
  acks: Parameters<typeof recordOf>[0],
  plan: Partial<Plan>,
  targets: ExchangeRecord["targets"] | undefined,
  code: number,
][] = [
  ["one host healed, none expected by name", [healed], {}, undefined, 0],
  ["a host flushed and had nothing to verify", [flushed], {}, undefined, 0],
  ["a host was probed and is well", [alive], {}, undefined, 0],
  ["nobody answered", [], {}, undefined, 3],
  ["a host is stuck", [healed, stuck], {}, undefined, 3],
  ["a host failed", [healed, failed], {}, undefined, 3],
  ["a host is missing", [healed], { expectation: names("web1", "db2") }, undefined, 3],
  ["the expected hosts healed", [healed], { expectation: names("WEB1") }, undefined, 0],
  ["too few answered", [healed], { expectation: { kind: "count", count: 2 } }, undefined, 3],
  [
    "one that nobody expected is stuck",
    [healed, stuck],
    { expectation: names("web1") },
    undefined,
    3,
  ],
  ["a named interface can't be used", [healed], { faults: ["No e9"] }, undefined, 3],
  [
    "a target that --all found couldn't be reached",
    [healed],
    {},
    [targetRecord("192.0.2.255"), { ...found, target: { ...found.target, named: false } }],
    0,
  ],
  [
    "a target that was named couldn't be reached",
    [healed],
    {},
    [targetRecord("web1"), targetRecord("web2", down)],
    3,
  ],
  ["nothing could be sent", [], {}, [targetRecord("192.0.2.255", down)], 1],
  ["a password was sent", [], password, undefined, 0],
  ["a password could not be sent", [], password, [targetRecord("web1", down)], 1],
];
for (const [what, acks, plan, targets, code] of codes) {
  Deno.test(`outcomeOf() gives exit code ${code} when ${what}`, () => {
    const record = recordOf(acks, targets === undefined ? {} : { targets });
    assert.equal(outcomeOf(planOf(plan), record).exitCode, code);
  });
}

Deno.test("outcomeOf() names the missing of those expected, and counts them", () => {
  const plan = planOf({ expectation: names("web1", "db2", "cache9") });
  const { missingNames, missingCount } = outcomeOf(plan, recordOf([healed]));
  assert.deepEqual([missingNames, missingCount], [["db2", "cache9"], 2]);
});
