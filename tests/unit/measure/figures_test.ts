/** docs/figures.md is what the tool would write, and pages that repeat a figure repeat it rightly. */
import assert from "node:assert/strict";
import { fillIn, pagesOf, pageText, parsePage, readFigures } from "../../measure/page.ts";
import { brokenPromises, cellsOf, parseTable, rowOf, tableText } from "../../measure/section.ts";
import { growth, quantile, seededRandom, welchT } from "../../measure/statistics.ts";

for (const [path, page] of Object.entries(await pagesOf(await readFigures()))) {
  Deno.test(`${path} is what deno task measure --write makes of docs/figures.md`, async () => {
    const text = await Deno.readTextFile(new URL(`../../../${path}`, import.meta.url));
    assert.doesNotMatch(page, /not\u00a0measured/);
    assert.equal(text.replaceAll("\r\n", "\n"), page, "run: deno task measure --write");
  });
}

const rows = [
  rowOf({ what: "ours", values: [2, 4, 9] }, "ms", { what: "theirs", values: [1, 2, 3] }, {
    goal: { max: 1.5 },
  }),
  { what: "missed", value: 3, unit: "", promise: { max: 0 } },
];

Deno.test("rowOf() and cellsOf() give median, middle half, paired ratio and limit", () => {
  assert.deepEqual(rows.map(cellsOf), [
    ["ours", "4 ms (3–6.5)", "theirs", "2.00", "≤1.5 missed"],
    ["missed", "3", "", "", "≤0 broken"],
  ]);
});

Deno.test("brokenPromises() names promises that are broken, not goals that are missed", () => {
  assert.deepEqual(brokenPromises(rows), ["missed: 3, ≤0 broken"]);
  assert.deepEqual(brokenPromises([{ ...rows[1], value: 0 }]), []);
});

Deno.test("parsePage() reads back what pageText() made of unlike measurements", () => {
  const machine = "2 processors, Linux 6.18, Deno 2.9.6";
  const figures = new Map([
    ["Idle", { taken: `2026-01-01; ${machine}; seed 1.`, rows: rows.map(cellsOf) }],
    ["Loss", {
      taken: `2026-01-01; ${machine}; seed 1; with \`--quick\`.`,
      rows: rows.map(cellsOf),
    }],
    ["Soak", { taken: `2026-01-02; ${machine}; seed 7; for 10 minutes.`, rows: rows.map(cellsOf) }],
  ]);
  assert.match(pageText(figures), /^Measured 2026-01-02; seed 7; for 10 minutes\.$/m);
  assert.deepEqual([...parsePage(pageText(figures))].toSorted(), [...figures]);
});

Deno.test("parseTable() reads back what tableText() made", () => {
  const [first, second, third] = [
    ["ours", "4 ms (3–6.5)", "theirs: all", "2.00", "≤1.5 missed"],
    ["again", "4 ms", "others", "13.01", ""],
    ["loss", "99%", "theory 96.9%", "", "≥95"],
  ];
  for (
    const rows of [[first], [first, second], [first, third], [third], [["plain", "0", "", "", ""]]]
  ) {
    assert.deepEqual(parseTable(tableText(rows)), rows, tableText(rows));
  }
});

Deno.test("fillIn() puts a figure of the page between its marks, and knows when there is none", () => {
  const taken = "2026-01-01; a machine.";
  const figures = new Map([["Idle", { taken, rows: rows.map(cellsOf) }]]);
  const mark = (what: string, column: string) => `<!-- figure: idle | ${what} | ${column} -->`;
  const text = `${mark("ours", "figure")}old<!-- end --> and ${mark("ours", "ratio")}<!-- end -->`;
  const filled = `${mark("ours", "figure")}4\u00a0ms<!-- end --> and ${
    mark("ours", "ratio")
  }2.00<!-- end -->`;
  assert.equal(fillIn(text, parsePage(pageText(figures))), filled);
  const unknown = fillIn(`${mark("none", "ratio")}<!-- end -->`, figures);
  assert.equal(unknown, `${mark("none", "ratio")}not\u00a0measured<!-- end -->`);
});

Deno.test("quantile() interpolates, growth() compares quarters, seededRandom() repeats itself", () => {
  assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
  assert.equal(quantile([0, 10], 0.99), 9.9);
  const saw = Array.from({ length: 100 }, (_, i) => 100 + i % 5);
  assert.equal(growth(saw), 1);
  assert.equal(growth(saw.map((value, i) => i >= 50 && i < 75 ? 2 * value : value)), 2);
  assert.equal(seededRandom(7)(), seededRandom(7)());
});

Deno.test("welchT() is the difference of the means over their standard error", () => {
  // Variances 1 and 4 of three values each.
  const expected = 5 / Math.sqrt(1 / 3 + 4 / 3);
  assert.ok(Math.abs(welchT([1, 2, 3], [5, 7, 9]) - expected) < 1e-12);
});
