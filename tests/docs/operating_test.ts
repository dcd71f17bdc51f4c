import assert from "node:assert/strict";
import { askVerdicts } from "../../lib/ask/verdicts.ts";
import { askedText, stateText } from "../../lib/sender/summary.ts";
import { hostStates } from "../../lib/sender/verdict.ts";
import { parsePrefix } from "../../lib/wire/addresses.ts";

const page = Deno.readTextFileSync(new URL("../../docs/operating.md", import.meta.url));
const [section] = page.split("## A host is stuck");

/** The rows of both tables; a first cell has words for what differs from line to line. */
const rows = section.split("\n").filter((line) => line.startsWith("| `")).map((line) => {
  const [state, ...cells] = line.split("|").slice(1, -1).map((cell) => cell.trim());
  const parts = state.slice(1, -1).split(/…|address\b|\bn$/);
  const form = parts.map((part) => RegExp.escape(part)).join(".+");
  return { state, cells, form: new RegExp(`^${form}$`) };
});

const address = parsePrefix("192.0.2.1");
const linkLayerAddress = Uint8Array.fromHex("020000000001");

function textOf(state: typeof hostStates[number], restPending: boolean): string {
  const finding = state === "stuck" || state === "no answer" ? state : "unverified";
  return stateText({
    ...{ name: "sql01", state, error: 1, ms: 1, entries: 1, micros: 1, restPending },
    findings: [{ address, finding, linkLayerAddress, report: null }],
    host: {
      ...{ key: "", instance: "", name: "sql01", addresses: new Set(["192.0.2.10"]) },
      ...{ clock: { ms: 90_000, errorMs: 1 }, acks: 1, own: false },
      ...{ answers: new Map(), inherited: new Map() },
    },
  });
}

/** Everything that can stand in the column STATE. */
const texts = [
  ...hostStates.map((state) => textOf(state, false)),
  textOf("healed", true),
  "missing",
  "(this machine)",
  ...askVerdicts.map((verdict) => {
    const host = { host: "192.0.2.10", link: "e0", name: null, expected: true, ms: 1 };
    return askedText({ verdict, results: [{ ...host, address, verdict, linkLayerAddress }] });
  }),
];

for (const text of texts) {
  Deno.test(`docs/operating.md: "${text}" has a row that says all`, () => {
    const row = rows.find(({ form }) => form.test(text));
    assert.ok(row !== undefined, rows.map(({ form }) => form.source).join("\n"));
    assert.equal(row.cells.length, 3);
    assert.ok(row.cells.every((cell) => cell.length > 0), row.state);
  });
}

Deno.test("docs/operating.md: no row is about what nobody says", () => {
  const dead = rows.filter(({ form }) => !texts.some((text) => form.test(text)));
  assert.deepEqual(dead.map(({ state }) => state), []);
});
