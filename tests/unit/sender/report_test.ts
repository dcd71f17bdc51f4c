import assert from "node:assert/strict";
import { jsonReport, pinLine } from "../../../lib/sender/report.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { askResult, expectedOf, healed, outcome, stuck } from "./helpers.ts";
import { hostKey, routerKey } from "./virtual_run.ts";

const keyText = (n: number) => formatKey("host", hostKey(n));

Deno.test("jsonReport() holds every field", () => {
  const ended = outcome([healed, stuck], { exchange: { expected: expectedOf("web1\ncache9") } }, {
    uncounted: new Map([["mac", 2]]),
    elsewhere: new Map([["198.51.100.7", 1]]),
  });
  const { arpflush, summary, ...document } = JSON.parse(jsonReport(ended));
  assert.match(arpflush, /^\d+\.\d+\.\d+$/);
  assert.match(summary, /^Flush: /);
  const common = { instance: "0000000000000001", error: 0, restPending: false, acks: 1 };
  const host = { ...common, clockOffsetMs: 0, clockErrorMs: 1 };
  const reported = { address: "192.0.2.1", state: "neighbor", cached: false, gateway: false };
  const [web1, db1] = [1, 2].map(keyText);
  assert.deepEqual(document, {
    ...{ version: 2, exitCode: 3, action: "flush all", keyId: routerKey.idText },
    ...{ created: "2026-01-02T03:04:05.006Z", elapsedMs: 6000.123, copies: 5 },
    requests: [
      { id: "ab".repeat(16), action: "flush all", links: [0], addresses: ["192.0.2.1"] },
    ],
    targets: [{ target: "192.0.2.255", interfaces: [], sent: 5, error: null }],
    ...{ faults: [], hindrances: [], warnings: [] },
    hosts: [{
      ...{ ...host, host: "db1", key: db1, addresses: ["192.0.2.8"], state: "stuck" },
      ...{ text: "STUCK 192.0.2.1 at 02:00:00:00:00:01", ms: 640, entries: 12, flushMicros: 0 },
      expectLine: `db1 192.0.2.8 ${db1}`,
      reports: [{ ...reported, linkLayerAddress: "02:00:00:00:00:01", finding: "stuck" }],
    }, {
      ...{ ...host, host: "web1", key: web1, addresses: ["192.0.2.7"], state: "healed" },
      ...{ text: "healed", ms: 12.4, entries: 7, flushMicros: 800 },
      expectLine: `web1 192.0.2.7 ${web1}`,
      reports: [{ ...reported, linkLayerAddress: "02:00:00:00:00:02", finding: "healed" }],
    }],
    ...{ thisMachine: [], asked: [], askRemarks: [], unverified: 0 },
    missing: { count: 1, names: ["cache9"] },
    elsewhere: { "198.51.100.7": 1 },
    uncounted: { mac: 2 },
  });
});

Deno.test("jsonReport() has every result of asking, idle addresses too", () => {
  const linkLayerAddress = Uint8Array.of(2, 0, 0, 0, 0, 9);
  const results = [askResult("stuck", { linkLayerAddress }), askResult("no answer")];
  const plan = { exchange: { content: { kind: "none", isProbe: false } } } as const;
  const { asked, keyId, action } = JSON.parse(jsonReport(outcome([], plan, {}, results)));
  assert.deepEqual([keyId, action, asked.length], [null, "none", 2]);
  const password = {
    exchange: { content: { kind: "password", password: "x", targets: [] } },
  } as const;
  assert.equal(JSON.parse(jsonReport(outcome([], password))).keyId, null);
  const at = { address: "192.0.2.1", linkLayerAddress: "02:00:00:00:00:09" };
  assert.deepEqual(asked[0], {
    ...{ host: "192.0.2.50", interface: "e0", name: null, expected: false, ...at },
    ...{ verdict: "stuck", text: "STUCK 192.0.2.1 at 02:00:00:00:00:09", ms: 5.2 },
  });
});

Deno.test("pinLine() is a line of an --expect file that pins its host", () => {
  const [{ host, ...result }] = outcome([healed]).hosts;
  const [expected] = expectedOf(pinLine({ host, ...result })).hosts;
  assert.deepEqual([expected.label, expected.pins], ["web1", [host.key]]);
});
