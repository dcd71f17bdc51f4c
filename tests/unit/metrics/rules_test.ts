/** The alerts that administrators take over, judged and tried by Prometheus' own tool. */
import assert from "node:assert/strict";
import dashboard from "../../../packaging/grafana-dashboard.json" with { type: "json" };
import { metricsText } from "../../../lib/metrics/service_metrics.ts";
import { Counters } from "../../../lib/receiver/counters.ts";
import { metricsAfterHeartbeat, metricsAfterRun } from "../../../lib/sender/run_files.ts";
import { expectedOf, outcome, runOf, stuck } from "../sender/helpers.ts";
import { hasPromtool, promtool, samplesOf } from "./samples.ts";

const root = `${import.meta.dirname}/../../../`;
const file = "packaging/arpflush.rules.yml";
const rules = await Deno.readTextFile(`${root}${file}`);
const queries = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
const alerts = [...rules.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);

/** Every series' name and labels as the service and routers publish them. */
function published(): string[] {
  const counters = new Counters();
  counters.countFlushed(1, 1);
  counters.countAccepted(0, "01234567");
  counters.countStale("clock", 0);
  const about = { keyIds: ["01234567"], startedAt: 0, version: "", runtime: "" };
  const ended = outcome([stuck], { exchange: { expected: expectedOf("db1") } });
  const failover = runOf(ended, { interfaceNames: ["e0"] });
  const texts = [
    metricsText({ counters, ...about }),
    [failover, { ...failover, kind: "drill" } as const].reduce(
      metricsAfterRun,
      metricsAfterHeartbeat("", 0),
    ),
  ];
  return texts.flatMap((text) => [...samplesOf(text).keys()]);
}

Deno.test({
  name: "arpflush.rules.yml has no fault that promtool finds",
  ignore: !hasPromtool,
  async fn() {
    const { success, output } = await promtool(["check", "rules", file], "", root);
    assert.ok(success, output);
    assert.match(output, new RegExp(`${alerts.length} rules found`));
  },
});

Deno.test({
  name: "arpflush.rules.yml alerts when it should and is silent otherwise",
  ignore: !hasPromtool,
  async fn() {
    const { success, output } = await promtool(
      ["test", "rules", "tests/unit/metrics/rules.yml"],
      "",
      root,
    );
    assert.ok(success, output);
  },
});

Deno.test("tests/unit/metrics/rules.yml tries every alert both ways", async () => {
  const tries = await Deno.readTextFile(`${root}tests/unit/metrics/rules.yml`);
  assert.ok(alerts.length > 5);
  for (const alert of alerts) {
    assert.match(tries, new RegExp(`alertname: ${alert}\\n +exp_alerts:`), `${alert} is never due`);
    assert.match(tries, new RegExp(`alertname: ${alert} \\}`), `${alert} is always due`);
  }
});

Deno.test({
  name: "grafana-dashboard.json has queries that Prometheus understands",
  ignore: !hasPromtool,
  async fn() {
    const rules = queries.map((expr, i) => ({ record: `panel:${i}`, expr }));
    const file = await Deno.makeTempFile({ suffix: ".yml" });
    try {
      // YAML takes JSON.
      await Deno.writeTextFile(file, JSON.stringify({ groups: [{ name: "panels", rules }] }));
      const { success, output } = await promtool(["check", "rules", file]);
      assert.ok(success, output);
      assert.match(output, new RegExp(`${dashboard.panels.length} rules found`));
    } finally {
      await Deno.remove(file);
    }
  },
});

Deno.test("arpflush.rules.yml and grafana-dashboard.json ask for what the service and routers publish", () => {
  const series = published();
  const asked = [...[rules, ...queries].join("\n").matchAll(/\b(arpflush_\w+)(?:\{([^}]*)\})?/g)];
  assert.ok(asked.length > 5);
  for (const [text, name, matchers = ""] of asked) {
    const parts = [...matchers.matchAll(/(\w+)=~?"([^"]*)"/g)];
    const named = series.filter((one) => one.replace(/\{.*/, "") === name);
    assert.ok(named.length > 0, `nobody publishes ${text}`);
    for (const [, label, pattern] of parts) {
      for (const value of pattern.split("|")) {
        const wanted = new RegExp(`[{,]${label}="${value}"`);
        assert.ok(named.some((one) => wanted.test(one)), `nobody publishes ${value} of ${text}`);
      }
    }
  }
});

Deno.test("docs/operating.md says what to do about every alert", async () => {
  const page = await Deno.readTextFile(`${root}docs/operating.md`);
  for (const alert of alerts) assert.match(page, new RegExp(`^- \`${alert}\`: `, "m"));
});
