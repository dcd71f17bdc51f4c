/** docs/figures.md is what the tool would write, and pages that repeat a figure repeat it rightly. */
import assert from "node:assert/strict";
import { fillIn, measuredText, pagesOf, pageText } from "../../measure/page.ts";
import { brokenPromises, type Row, rowOf, tableText } from "../../measure/section.ts";
import { sections } from "../../measure/sections.ts";
import { growth, quantile, seededRandom, welchT } from "../../measure/statistics.ts";

for (const [path, page] of Object.entries(await pagesOf())) {
  Deno.test(`${path} is what deno task measure --write makes of docs/figures.md`, async () => {
    const text = await Deno.readTextFile(new URL(`../../../${path}`, import.meta.url));
    assert.doesNotMatch(page, /not\u00a0measured/);
    assert.equal(text.replaceAll("\r\n", "\n"), page, "run: deno task measure --write");
  });
}

const theirs = { what: "theirs", values: [1, 2, 3] };
const rows: readonly Row[] = [
  rowOf({ what: "ours", values: [2, 4, 9] }, "ms", theirs, { goal: { max: 1.5 } }),
  { what: "missed", value: 3, unit: "", promise: { max: 0 } },
];
const table = `\
what    figure        ratio to theirs  limit
ours    4 ms (3–6.5)  2.00             ≤1.5 missed
missed  3                              ≤0 broken`;

Deno.test("tableText() gives median, middle half, paired ratio and limit; of one peer in the head", () => {
  assert.equal(tableText(rows), table);
  const beside = rowOf({ what: "loss", values: [99] }, "%", { what: "theory", values: [96.9] });
  assert.equal(
    tableText([rows[0], beside]),
    `\
what  figure        ratio           limit
ours  4 ms (3–6.5)  2.00 to theirs  ≤1.5 missed
loss  99%           1.02 to theory`,
  );
  assert.equal(tableText([{ what: "plain", value: 0, unit: "" }]), "what   figure\nplain  0");
});

Deno.test("brokenPromises() names promises that are broken, not goals that are missed", () => {
  assert.deepEqual(brokenPromises(rows), ["missed: 3, ≤0 broken"]);
  assert.deepEqual(brokenPromises([{ ...rows[1], value: 0 }]), []);
});

const measured = measuredText(rows, { seed: 7, quick: false, minutes: 10 });
const page = pageText("", { idle: measured });

Deno.test("pageText() puts in what has been measured, and keeps the rest as it stands", () => {
  assert.match(measured, /^Measured \d{4}-\d\d-\d\d; .* Deno [\d.]+; seed 7; for 10 minutes\.$/m);
  assert.ok(measured.includes(table));
  assert.equal(pageText(page), page);
  assert.equal(page.match(/^Not measured yet\.$/gm)?.length, Object.keys(sections).length - 1);
  assert.ok(page.includes("; for 10 minutes.\n\n## "), "the line is not at the top");
  const anew = "Measured anew.\n\n```\nanew\n```";
  const again = pageText(page, { idle: anew });
  assert.ok(!again.includes(table) && again.includes("\n\n```\nanew\n```\n\n## Many hosts"));
  assert.equal(pageText(again, { idle: measured }), page);
  const other = measured.replace("seed 7", "seed 8");
  const mixed = pageText(pageText(page, { loss: measured }), { start: other });
  assert.equal(mixed.match(/^Measured .*seed 8/gm)?.length, 1);
  assert.equal(mixed.split("seed 7").length, 2, "what most share stands once");
  assert.equal(pageText(mixed), mixed);
  const turned = pageText(mixed, { loss: other });
  assert.equal(turned.match(/^Measured .*seed 7/gm)?.length, 1);
  assert.equal(turned.split("seed 8").length, 2);
});

Deno.test("fillIn() puts a figure of the page between its marks, and knows when there is none", () => {
  const fill = (what: string, column: string) => {
    const begin = `<!-- figure: idle | ${what} | ${column} -->`;
    return fillIn(`${begin}old<!-- end -->`, page).replace(begin, "").replace("<!-- end -->", "");
  };
  assert.equal(fill("ours", "figure"), "4\u00a0ms");
  assert.equal(fill("ours", "ratio"), "2.00");
  for (const [what, column] of [["none", "ratio"], ["missed", "ratio"], ["ours", "other"]]) {
    assert.equal(fill(what, column), "not\u00a0measured", `${what} ${column}`);
  }
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
