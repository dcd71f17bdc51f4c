import assert from "node:assert/strict";
import { outcomeOf } from "../../../lib/sender/outcome.ts";
import { jsonReport } from "../../../lib/sender/json_report.ts";
import { healed, key, plannedRequest, planOf, prefix, recordOf, stuck } from "./helpers.ts";

Deno.test("jsonReport() holds every field", () => {
  const request = { ...plannedRequest, report: true, addresses: [prefix("192.0.2.1")] };
  const plan = planOf({
    content: { kind: "signed", key, requests: [request] },
    expectation: { kind: "names", names: ["web1", "cache9"] },
  });
  const record = recordOf([healed, stuck], { ignored: new Map([["mac", 2]]) });
  const { arpflush, summary, ...document } = JSON.parse(jsonReport(outcomeOf(plan, record)));
  assert.match(arpflush, /^\d+\.\d+\.\d+$/);
  assert.match(summary, /^Flush: /);
  const host = { error: 0, clockOffsetMs: 0, clockErrorMs: 1, repaired: false, acks: 1 };
  const reported = { address: "192.0.2.1", state: "neighbor" };
  assert.deepEqual(document, {
    version: 1,
    exitCode: 3,
    action: "flush all",
    keyId: key.idText,
    requestId: "ab".repeat(16),
    created: "2026-01-02T03:04:05.006Z",
    elapsedMs: 6000.123,
    addresses: ["192.0.2.1"],
    copies: 5,
    targets: [{ target: "192.0.2.255", interfaces: [], sent: 5, error: null }],
    faults: [],
    hosts: [{
      ...host,
      host: "web1",
      addresses: ["192.0.2.7"],
      state: "healed",
      ms: 12.4,
      entries: 7,
      flushMicros: 800,
      reports: [{ ...reported, linkLayerAddress: "02:00:00:00:00:02", finding: "healed" }],
    }, {
      ...host,
      host: "db1",
      addresses: ["192.0.2.8"],
      state: "stuck",
      ms: 640,
      entries: 12,
      flushMicros: 0,
      reports: [{ ...reported, linkLayerAddress: "02:00:00:00:00:01", finding: "stuck" }],
    }],
    missing: { count: 1, names: ["cache9"] },
    ignored: { mac: 2 },
  });
});

Deno.test("jsonReport() of a password has no request", () => {
  const plan = planOf({ content: { kind: "password", password: "x" } });
  const outcome = outcomeOf(plan, recordOf([], { requestIds: [] }));
  const { action, keyId, requestId, hosts, addresses } = JSON.parse(jsonReport(outcome));
  assert.deepEqual([action, keyId, requestId, hosts, addresses], ["password", null, null, [], []]);
});
