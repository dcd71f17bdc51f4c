/** Settings files; `--check` of one that is right or wrong is tried in service/process_test.ts. */
import assert from "node:assert/strict";
import { loadSettingsFile, parseSettingsText } from "../../../lib/config/file.ts";
import { defaultSettings, SettingsError } from "../../../lib/config/settings.ts";
import { isMissing } from "../../../lib/secret_file.ts";
import { inFolder } from "../../support/command.ts";

// Windows has no modes, and other words for a missing file.
const ignore = Deno.build.os === "windows";

/** A file's text and mode, and what is wrong with it, if anything, where $ is its path. */
const files: [text: string, mode: number, problem: string | null][] = [
  ["# nothing\n", 0o644, null],
  ["Port = 5\n", 0o644, null],
  [
    "Port = 5\n",
    0o664,
    'Cannot read settings "$": refused, others can change it (mode 0664); run chmod go-w $',
  ],
  [
    "Port = 5\n",
    0o646,
    'Cannot read settings "$": refused, others can change it (mode 0646); run chmod go-w $',
  ],
  ['Password = "TopSecret!"\n', 0o600, null],
  [
    'Password = "TopSecret!"\n',
    0o644,
    'Cannot read settings with a Password "$": refused, others can read it (mode 0644); ' +
    "run chmod 600 $",
  ],
];
for (const [text, mode, problem] of files) {
  Deno.test({
    name: `loadSettingsFile() ${problem === null ? "reads" : "refuses"} ${
      JSON.stringify(text)
    } of mode ${mode.toString(8)}`,
    ignore,
    fn: () =>
      inFolder((folder) => {
        const path = `${folder}/settings.toml`;
        Deno.writeTextFileSync(path, text);
        Deno.chmodSync(path, mode);
        if (problem === null) return void loadSettingsFile(path);
        const problems = [problem.replaceAll("$", path)];
        assert.throws(() => loadSettingsFile(path), { name: "SettingsError", problems });
      }),
  });
}

Deno.test("loadSettingsFile() gives the defaults where there is no file and none is named", {
  ignore: !isMissing("/etc/arpflush/arpflush.toml"),
}, () => {
  const { settings, origins } = loadSettingsFile();
  assert.deepEqual(settings, defaultSettings());
  assert.deepEqual(new Set(Object.values(origins)), new Set(["default"]));
});

Deno.test("loadSettingsFile() names what isn't there and what is no file", { ignore }, () => {
  for (
    const [path, reason] of [
      ["/nowhere/settings.toml", "No such file or directory"],
      ["/dev/null", "it is not a regular file"],
    ]
  ) {
    const problems = [`Cannot read settings "${path}": ${reason}`];
    assert.throws(() => loadSettingsFile(path), { name: "SettingsError", problems });
  }
});

/** Texts that are no settings, and the one line that is said of each. */
const broken: [text: string, problem: RegExp][] = [
  ['Port = 5\nPassword = "TopSecret!\n', /^arpflush\.toml: line 2 column \d+: [^\n]+$/],
  ["Port = 1979-05-27", /^arpflush\.toml: Port: [^\n]+$/],
  ["[Port]\na = 1", /^arpflush\.toml: Port: [^\n]+$/],
  ["Port = 99999999999999999999", /^arpflush\.toml: line 1 column \d+: [^\n]+$/],
];
for (const [text, problem] of broken) {
  Deno.test(`parseSettingsText() says in one line what is wrong in ${JSON.stringify(text)}`, () => {
    const wrong = (error: unknown) => {
      assert.ok(error instanceof SettingsError);
      assert.equal(error.problems.length, 1);
      assert.match(error.problems[0], problem);
      assert.doesNotMatch(error.problems[0], /TopSecret/);
      return true;
    };
    assert.throws(() => parseSettingsText(text, "/etc/arpflush/arpflush.toml"), wrong);
  });
}
