/** The JSON schemas against the documents that they describe; install.ps1's own tests try its own. */
import assert from "node:assert/strict";
import { askVerdicts } from "../../lib/ask/verdicts.ts";
import { historyJson, historyLine, parseHistory } from "../../lib/sender/history.ts";
import { jsonReport } from "../../lib/sender/report.ts";
import { hostStates } from "../../lib/sender/verdict.ts";
import { neighborStates } from "../../lib/wire/ack.ts";
import {
  assertMatches,
  readSchema,
  schemaFaults,
  type SchemaName,
  schemaNames,
} from "../support/schemas.ts";
import { answer, reports } from "./sender/answers.ts";
import {
  type Answered,
  askResult,
  expectedOf,
  failed,
  healed,
  outcome,
  runOf,
  stuck,
  targetOutcome,
} from "./sender/helpers.ts";

const own = (key: number, of: Answered["answer"]): Answered => ({ key, answer: of });

/** Runs that have every field in each of its forms. */
const outcomes = [
  outcome(
    [
      healed,
      stuck,
      failed,
      own(4, answer("stale")),
      own(5, answer("pending", [], { host: "x" })),
      ...Object.values(reports).map((one, i) => own(6 + i, answer("flushed", [one]))),
    ],
    { exchange: { expected: expectedOf("web1\ncache9") }, faults: ["No e9"], warnings: ["w"] },
    { uncounted: new Map([["mac", 2]]), elsewhere: new Map([["198.51.100.7", 1]]), unverified: 1 },
  ),
  outcome([healed], {}, { own: "192.0.2.7" }),
  outcome([], {}, { targets: [targetOutcome("192.0.2.255", { sent: 0, error: "Down" })] }),
  outcome([], { exchange: { content: { kind: "password", password: "x", targets: [] } } }),
  outcome(
    [],
    { exchange: { content: { kind: "none", isProbe: false } } },
    { requests: [], copies: 0 },
    askVerdicts.map((verdict, i) =>
      askResult(verdict, {
        host: `192.0.2.${50 + i}`,
        name: i === 0 ? "printer" : null,
        linkLayerAddress: i === 0 ? Uint8Array.of(2, 0, 0, 0, 0, 9) : null,
      })
    ),
  ),
];

const lines = [...outcomes, new Error("No key")].map((one) => historyLine(runOf(one)));

const documents: readonly [SchemaName, string][] = [
  ...outcomes.map((one) => ["arpflush-run", jsonReport(one)] as const),
  ["arpflush-history", historyJson(parseHistory([...lines, "{torn"].join("\n")))],
  ["arpflush-history", historyJson(parseHistory(""))],
  ["install-status", '{"health":"not installed"}'],
].map(([name, text]) => [name as SchemaName, text]);

Deno.test("the schemas take every document that the programs write", async () => {
  for (const [name, text] of documents) await assertMatches(name, text);
  assert.deepEqual(parseHistory(lines.join("\n")).unreadable, 0);
});

/** Every object in a value that has fields, not entries by name. */
function objectsIn(value: unknown, name = ""): Record<string, unknown>[] {
  if (typeof value !== "object" || value === null) return [];
  const inside = Object.entries(value).flatMap(([name, one]) => objectsIn(one, name));
  if (Array.isArray(value)) return inside;
  const isMap = ["elsewhere", "uncounted", "hosts"].includes(name);
  return isMap ? inside : [value as Record<string, unknown>, ...inside];
}

Deno.test("the schemas refuse a field that they don't have, and the lack of one that they have", async () => {
  for (const [schema, text] of documents) {
    const document = JSON.parse(text);
    for (const object of objectsIn(document)) {
      object.added = 1;
      assert.notDeepEqual(await schemaFaults(schema, document), [], `added to ${text}`);
      delete object.added;
      for (const [field, old] of Object.entries(object)) {
        delete object[field];
        assert.notDeepEqual(await schemaFaults(schema, document), [], `${field} of ${text}`);
        object[field] = old;
      }
    }
  }
});

Deno.test("the schemas have the programs' own words, and describe themselves", async () => {
  const { $defs } = await readSchema("arpflush-run");
  const { host, asked, report } = $defs as Record<string, {
    readonly properties: Record<string, { readonly enum: readonly unknown[] }>;
  }>;
  assert.deepEqual(host.properties.state.enum, hostStates);
  assert.deepEqual(asked.properties.verdict.enum, askVerdicts);
  const states = new Set([...neighborStates, null]);
  assert.deepEqual(new Set(report.properties.state.enum), states);
  for (const name of schemaNames) {
    const { $schema, title, description } = await readSchema(name);
    assert.equal($schema, "https://json-schema.org/draft/2020-12/schema");
    assert.ok(title && description, name);
  }
});
