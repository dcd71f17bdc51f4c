/** The manual pages: as generated, complete, and without a warning of the formatter. */
import assert from "node:assert/strict";
import { senderOptions } from "../../lib/sender/arguments.ts";
import { usage } from "../../lib/sender/help.ts";
import { serviceUsage } from "../../lib/service/arguments.ts";
import { manualPages } from "../../packaging/man/generate.ts";
import { optionsSection } from "../../packaging/man/page.ts";
import { literal, running } from "../../packaging/man/roff.ts";
import { usageExamples, usageExitCodes, usageOptions } from "../../packaging/man/usage_text.ts";
import { ignoreWithout } from "./tools.ts";

const folder = new URL("../../packaging/man/", import.meta.url);
const pages = await manualPages();

for (const [name, text] of Object.entries(pages)) {
  Deno.test(`packaging/man/${name} is what packaging/man/generate.ts makes`, async () => {
    assert.equal(
      await Deno.readTextFile(new URL(name, folder)),
      text,
      "write it anew: deno run -q --allow-read --allow-write packaging/man/generate.ts",
    );
  });

  Deno.test({
    name: `packaging/man/${name} is formatted by groff without a warning`,
    ignore: await ignoreWithout("groff"),
    async fn() {
      const args = ["-ww", "-man", "-Tutf8", "-z", name];
      const { code, stderr } = await new Deno.Command("groff", { args, cwd: folder }).output();
      assert.deepEqual({ code, said: new TextDecoder().decode(stderr) }, { code: 0, said: "" });
    },
  });
}

Deno.test("senderPage() has every option of the sender once, with all its forms", () => {
  const options = usageOptions(usage);
  assert.deepEqual(
    options.map(({ name }) => name).sort(),
    Object.keys(senderOptions).sort(),
  );
  const terms = pages["arpflush.1"].split("\n").filter((line) => line.startsWith("\\fB\\-"));
  for (const [name, option] of Object.entries(senderOptions)) {
    const long = `\\fB${literal(`--${name}`)}\\fP`;
    const short = "letter" in option ? `\\fB\\-${option.letter}\\fP, ` : "";
    const found = terms.filter((term) =>
      term === short + long || term.startsWith(`${short}${long} `)
    );
    assert.equal(found.length, 1, `--${name}`);
    assert.equal(found[0].includes("\\fI"), "value" in option, `--${name}`);
  }
});

Deno.test("usageOptions() finds every option that a usage text names", () => {
  for (const text of [usage, serviceUsage]) {
    const named = new Set(text.match(/(?<=^[ ,\-a-zA-Z]*)--[a-z-]+/gm));
    const found = usageOptions(text);
    for (const option of named) assert.ok(found.some(({ name }) => `--${name}` === option), option);
    assert.ok(found.every(({ text }) => !/ {3}/.test(text)));
  }
});

Deno.test("usageOptions() keeps what continues with the option it belongs to", () => {
  const text =
    "Usage: x\n\n  -a, --all N|FILE   one\n                     two\n\n      more\n  --b\n";
  assert.deepEqual(usageOptions(text), [
    { forms: "-a, --all N|FILE", name: "all", text: "one two" },
    { forms: "--b", name: "b", text: "" },
  ]);
});

Deno.test("usageExitCodes() reads both ways of writing them", () => {
  assert.deepEqual(usageExitCodes("Exit: 0 a (b)   1 c\n      2 d, e     3 f\n\n  4 no\n"), [
    ["0", "a (b)"],
    ["1", "c"],
    ["2", "d, e"],
    ["3", "f"],
  ]);
  assert.deepEqual(usageExitCodes("Exit status: 0 a b, 1 c, 2 d, e or f.\n\nMore: 4 g\n"), [
    ["0", "a b"],
    ["1", "c"],
    ["2", "d, e or f"],
  ]);
  assert.deepEqual(usageExitCodes(usage).map(([code]) => code), ["0", "1", "2", "3"]);
  assert.deepEqual(usageExitCodes(serviceUsage).map(([code]) => code), ["0", "1", "2"]);
});

Deno.test("usageExamples() reads commands with and without a reason", () => {
  assert.deepEqual(usageExamples("  -a x\n  x -a     why not\n  x b c\n", "x"), [
    ["x -a", "why not"],
    ["x b c", ""],
  ]);
});

Deno.test("optionsSection() refuses words about an option that isn't there", () => {
  assert.throws(() => optionsSection("  --all  everything\n", { every: "x" }), /no option --every/);
});

Deno.test("running() lets no character of a text be roff's", () => {
  assert.equal(running(".TH 'a' \\n"), "\\&.TH 'a' \\en");
  assert.equal(running("'tis"), "\\&'tis");
  const long = running(`${"word ".repeat(14)}word. .SH NAME`);
  assert.deepEqual(long.split("\n").map((line) => line.slice(0, 5)), ["word ", "\\&.SH"]);
});
