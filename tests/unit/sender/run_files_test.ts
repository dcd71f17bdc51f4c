/** The router's metrics file, run after run. */
import assert from "node:assert/strict";
import { RunError } from "../../../lib/errors.ts";
import { exposition, gauge, parseExposition } from "../../../lib/exposition.ts";
import { metricsAfterHeartbeat, metricsAfterRun } from "../../../lib/sender/run_files.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { hasPromtool, promtool, samplesOf } from "../metrics/samples.ts";
import { answer, reports } from "./answers.ts";
import {
  type Answered,
  countOf,
  endedAt,
  expectedOf,
  healed,
  outcome,
  runOf,
  stuck,
} from "./helpers.ts";
import { planned, signed } from "./virtual_run.ts";

const expected = "web1\ndb1.example.org\ncache9";

/** A failover or drill in which these hosts answered, and these were expected. */
function ran(
  answers: readonly Answered[],
  names: string | null = expected,
  isDrill = false,
  scope: Parameters<typeof runOf>[1] = {},
) {
  return runOf(
    outcome(answers, {
      exchange: {
        ...isDrill ? { content: signed(planned({ action: "probe" })) } : {},
        expected: names === null ? countOf(null) : expectedOf(names),
      },
    }),
    scope,
  );
}

const stuckSample = 'arpflush_host_stuck{host="db1.example.org",address="192.0.2.1"}';
const stuckHosts = (text: string) =>
  [...samplesOf(text).keys()].filter((name) => name.startsWith("arpflush_host_stuck"));

Deno.test("metricsAfterRun() has every number of a run, zeros too", () => {
  const samples = samplesOf(metricsAfterRun("", ran([healed, stuck])));
  const of = (name: string, labels = "") =>
    samples.get(`arpflush_${name}{run="failover"${labels}}`);
  assert.equal(of("run_timestamp_seconds"), endedAt / 1_000);
  assert.equal(of("run_duration_seconds"), 6);
  assert.equal(of("run_exit_code"), 3);
  for (const verdict of ["stuck", "healed", "missing"]) {
    assert.equal(of("run_hosts", `,verdict="${verdict}"`), 1, verdict);
  }
  assert.equal(of("run_hosts", ',verdict="no answer"'), 0);
  assert.equal(samples.get(stuckSample), 1);
  assert.equal(stuckHosts(metricsAfterRun("", ran([healed, stuck]))).length, 1);
});

Deno.test("metricsAfterRun() keeps what the other kind of run and the daemon said", () => {
  const failover = metricsAfterRun(metricsAfterHeartbeat("", endedAt), ran([healed, stuck]));
  const drill = metricsAfterRun(failover, ran([healed], null, true));
  const before = samplesOf(failover);
  const after = samplesOf(drill);
  for (const [name, value] of before) assert.equal(after.get(name), value, name);
  assert.equal(after.get('arpflush_run_hosts{run="drill",verdict="healed"}'), 1);
  assert.equal(after.get("arpflush_router_heartbeat_timestamp_seconds"), endedAt / 1_000);
  assert.equal(metricsAfterRun(drill, ran([healed], null, true)), drill);
});

Deno.test("metricsAfterRun() tells runs on one interface apart, not from those on all", () => {
  const on = (...interfaceNames: string[]) => ran([healed], null, false, { interfaceNames });
  const codes = (text: string) =>
    [...samplesOf(text).keys()].flatMap((name) =>
      /^arpflush_run_exit_code(.*)$/.exec(name)?.[1] ?? []
    );
  const both = metricsAfterRun(metricsAfterRun("", on("e0")), on("e1"));
  const labels = (name: string) => `{run="failover",interface="${name}"}`;
  assert.deepEqual(codes(both), [labels("e0"), labels("e1")]);
  assert.deepEqual(codes(metricsAfterRun(both, on("e0"))), [labels("e1"), labels("e0")]);
  const whole = metricsAfterRun(both, on());
  assert.deepEqual(codes(whole), ['{run="failover"}']);
  assert.deepEqual(codes(metricsAfterRun(whole, on("e0"))), [labels("e0")]);
});

Deno.test("metricsAfterRun() has a stuck host until the host itself says otherwise", () => {
  const first = metricsAfterRun("", ran([healed, stuck]));
  const isStuck = (text: string) => stuckHosts(text).length > 0;
  assert.ok(isStuck(metricsAfterRun(first, ran([healed]))), "it is missing");
  assert.ok(isStuck(metricsAfterRun(first, ran([healed], null))), "nobody was named");
  const unseen = { ...stuck, answer: answer("flushed", [reports.unknown], { host: "db1" }) };
  assert.ok(isStuck(metricsAfterRun(first, ran([unseen]))), "it could not be looked at");
  assert.ok(!isStuck(metricsAfterRun(first, ran([healed], "web1"))), "not expected any more");
  const onOtherLink = { ...ran([healed], "web1"), elsewhere: new Set(["db1.example.org"]) };
  assert.ok(isStuck(metricsAfterRun(first, onOtherLink)), "the run was on another link");
  const plan = { exchange: { expected: expectedOf(expected) } };
  const interrupted = runOf(outcome([healed], plan, { endedEarly: "interrupted" }));
  assert.ok(isStuck(metricsAfterRun(first, interrupted)), "the run was ended before it answered");
  const { ack } = healed.answer;
  const mended = { ...stuck, answer: { ...stuck.answer, ack: { ...ack, host: "db1" } } };
  assert.ok(!isStuck(metricsAfterRun(first, ran([mended]))), "it is healed");
  for (const [address, expected] of [["192.0.2.9", true], ["192.0.2.1", false]] as const) {
    const scope = { addresses: [parsePrefix(address)] };
    const after = metricsAfterRun(first, ran([mended], undefined, false, scope));
    assert.equal(isStuck(after), expected, `only ${address} was in question`);
  }
});

Deno.test("metricsAfterRun() names nobody whom the administrator didn't", () => {
  assert.deepEqual(stuckHosts(metricsAfterRun("", ran([stuck], null))), []);
  assert.deepEqual(stuckHosts(metricsAfterRun("", ran([stuck], "web1"))), []);
});

Deno.test("metricsAfterRun() forgets where a host was stuck that is stuck elsewhere now", () => {
  const run = ran([stuck]);
  const verdicts = run.verdicts.map((one) => ({ ...one, stuck: one.stuck.map(() => "192.0.2.9") }));
  const after = metricsAfterRun(metricsAfterRun("", run), { ...run, verdicts });
  assert.deepEqual(stuckHosts(after), [
    'arpflush_host_stuck{host="db1.example.org",address="192.0.2.9"}',
  ]);
});

Deno.test("metricsAfterRun() names a thousand stuck hosts at most, and counts them all", () => {
  const run = ran([stuck]);
  const [verdict] = run.verdicts;
  const verdicts = Array.from(
    { length: 1_001 },
    (_, i) => ({ ...verdict, expectedName: `db${i}` }),
  );
  assert.equal(stuckHosts(metricsAfterRun("", { ...run, verdicts })).length, 1_000);
});

Deno.test("metricsAfterRun() takes a run that could not be prepared", () => {
  const before = metricsAfterRun("", ran([healed, stuck]));
  const failed = runOf(new RunError("No key", 2));
  const samples = samplesOf(metricsAfterRun(before, failed));
  assert.equal(samples.get('arpflush_run_exit_code{run="failover"}'), 2);
  assert.equal(samples.get(stuckSample), 1);
  assert.equal(samples.get('arpflush_run_hosts{run="failover",verdict="stuck"}'), undefined);
});

Deno.test("metricsAfterRun() refuses a file that is not a router's", () => {
  for (
    const text of ["root:x:0:0\n", "arpflush_build_info 1\n", 'arpflush_run_hosts{run="drill" 1\n']
  ) {
    assert.throws(() => metricsAfterRun(text, ran([healed])), /^Error: it holds something else/);
  }
});

Deno.test("parseExposition() gives back what exposition() was given", () => {
  const labels = { a: 'quote " backslash \\ line\nfeed', b: "C:\\new", c: "é {},=" };
  const samples = [{ labels, value: -1.5e-7 }, { labels: {}, value: 1e21 }];
  const text = exposition([gauge("x", "Help.", samples)]);
  assert.deepEqual(parseExposition(text), new Map([["arpflush_x", samples]]));
});

Deno.test({
  name: "promtool has no complaint about a router's metrics file",
  ignore: !hasPromtool,
  async fn() {
    const text = metricsAfterRun(metricsAfterHeartbeat("", endedAt), ran([healed, stuck]));
    assert.deepEqual(await promtool(["check", "metrics"], text), { success: true, output: "" });
  },
});
