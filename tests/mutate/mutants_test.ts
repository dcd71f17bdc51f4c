/** Mutants are made of every condition, and the tests catch some of those of the product. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import { mutantsOf } from "./mutants.ts";
import { subjects } from "./subjects.ts";
import { isSame, readSurvivors } from "./survivors.ts";
import { type Trial, tryMutants } from "./trial.ts";

/** The mutants of a text, each as what changed. */
async function changesOf(text: string): Promise<string[]> {
  const path = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(path, text);
    const mutants = await mutantsOf([path]);
    for (const { text: changed, old } of mutants) {
      assert.notEqual(changed, text);
      assert.ok(text.includes(old));
    }
    return mutants.map(({ what, old, new: replacement }) => `${what}: ${old} -> ${replacement}`);
  } finally {
    await Deno.remove(path);
  }
}

Deno.test("mutantsOf() removes and inverts the condition of an if", async () => {
  assert.deepEqual(await changesOf("if (a.b(c)) d();"), [
    "condition inverted: a.b(c) -> !(a.b(c))",
    "condition always true: a.b(c) -> true",
    "condition always false: a.b(c) -> false",
  ]);
});

Deno.test("mutantsOf() removes each side of && and ||, and moves boundaries", async () => {
  assert.deepEqual(await changesOf("const x = (µ: string) => a < 1 || µ === b;"), [
    "right of || removed: a < 1 || µ === b -> a < 1",
    "left of || removed: a < 1 || µ === b -> µ === b",
    "boundary moved: a < 1 -> a <= 1",
    "comparison inverted: a < 1 -> a >= 1",
    "comparison inverted: µ === b -> µ !== b",
  ]);
});

Deno.test("mutantsOf() changes the results of what returns a boolean, and no other's", async () => {
  assert.deepEqual(await changesOf("function f(): boolean { return g(); }"), [
    "result always true: g() -> true",
    "result always false: g() -> false",
  ]);
  assert.deepEqual(await changesOf("function f(): number { return g(); }"), []);
  assert.deepEqual(await changesOf("const text = a.toString() in b;"), []);
  assert.deepEqual(await changesOf("const text = `if (a && b) ${1}`; // if (a) b();"), []);
});

Deno.test("the modules that decide have at least 60 mutants, and each listed survivor is one", async () => {
  const mutants = await mutantsOf(subjects.map(({ path }) => path));
  assert.ok(mutants.length >= 60, `only ${mutants.length}`);
  const lost = (await readSurvivors()).filter((one) => !mutants.some((all) => isSame(one, all)));
  assert.deepEqual(lost, []);
});

Deno.test("tryMutants() sees that the tests catch a missing check of the MAC", async () => {
  const path = "lib/receiver/accept.ts";
  const mutants = (await mutantsOf([path])).filter(({ old, new: replacement }) =>
    old === "!verifyRequest(bytes, key)" && replacement === "false"
  );
  assert.equal(mutants.length, 1);
  const only = { path, nearest: ["tests/unit/receiver/accept_test.ts"], others: [] };
  const trials: Trial[] = [];
  await tryMutants(mutants, [only], 1, (trial) => trials.push(trial));
  assert.deepEqual(trials.map(({ verdict }) => verdict), ["caught"]);
  assert.match(trials[0].by, /^accept\(\) refuses a wrong MAC/);
});

Deno.test("tryMutants() takes tests that run out of memory for tests that fail", async () => {
  const path = "lib/wire/datagram.ts";
  const [known] = await mutantsOf([path]);
  const text = "export const textFieldLength = 64;\n" +
    "export const readTextField = () => { for (const all = []; ; ) all.push(Math.random()); };\n" +
    "export const writeTextField = readTextField, printable = readTextField;\n";
  const greedy = { path, nearest: ["tests/unit/wire/text_field_test.ts"], others: [] };
  const trials: Trial[] = [];
  await tryMutants([{ ...known, text }], [greedy], 1, (trial) => trials.push(trial));
  assert.deepEqual(trials.map(({ verdict, by }) => ({ verdict, by })), [
    { verdict: "caught", by: "the heap's limit" },
  ]);
});

Deno.test("deno task mutate has every mutant caught, with a small number", async () => {
  const path = `${import.meta.dirname}/main.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];
  const output = await run([...deno, path, "lib/wire/keys.ts", "--sample", "1"]);
  assert.match(output, /\n1 mutants: 1 caught \(0 by not ending\), .* 0 not caught\n$/);
});
