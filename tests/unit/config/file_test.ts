import assert from "node:assert/strict";
import { loadSettingsFile, parseSettingsText } from "../../../lib/config/file.ts";
import { SettingsError } from "../../../lib/config/settings.ts";

/** The problems of a text; the test fails if it has none. */
function problemsOf(text: string): readonly string[] {
  try {
    parseSettingsText(text, "/etc/arpflush/arpflush.toml");
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error.problems;
  }
  return assert.fail("no problem");
}

/** Runs a body with a file of its own. */
function withFile(text: string, mode: number, body: (path: string) => void): void {
  const folder = Deno.makeTempDirSync();
  const path = `${folder}/settings.toml`;
  try {
    Deno.writeTextFileSync(path, text);
    if (Deno.build.os !== "windows") Deno.chmodSync(path, mode);
    body(path);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

Deno.test("loadSettingsFile() says where each setting comes from", () => {
  withFile('Port = 4000\nLogFormat = "json"\n', 0o644, (path) => {
    const { settings, origins } = loadSettingsFile(path);
    assert.deepEqual([settings.Port, settings.LogFormat], [4000, "json"]);
    assert.deepEqual([origins.Port, origins.LogFormat, origins.Listen], [path, path, "default"]);
  });
});

// In Linux' words for a missing file.
const ignore = Deno.build.os === "windows";
Deno.test("loadSettingsFile() takes a file that is empty, and names one that isn't there", {
  ignore,
}, () => {
  withFile("# nothing\n", 0o644, (path) => {
    assert.equal(loadSettingsFile(path).settings.Port, 27735);
    assert.throws(
      () => loadSettingsFile(`${path}.missing`),
      { problems: [`Cannot read settings "${path}.missing": No such file or directory`] },
    );
  });
});

Deno.test("parseSettingsText() names file, line and column of a syntax error, not its content", () => {
  const [problem] = problemsOf('Port = 5\nPassword = "TopSecret!\n');
  assert.match(problem, /^arpflush\.toml: line 2 column \d+: [^\n]+$/);
  assert.doesNotMatch(problem, /TopSecret/);
});

Deno.test("parseSettingsText() names the file with every problem", () => {
  assert.deepEqual(problemsOf("Port = 70000\nHoldDown = 3\n"), [
    "arpflush.toml: Port: 70000 is not a whole number from 1 to 65535",
    'arpflush.toml: "HoldDown" is not a setting; is it HoldDownSeconds?',
  ]);
});

Deno.test("parseSettingsText() refuses dates, tables and integers too large in one line each", () => {
  for (const text of ["Port = 1979-05-27", "[Port]\na = 1", "Port = 99999999999999999999"]) {
    const problems = problemsOf(text);
    assert.equal(problems.length, 1, text);
    assert.doesNotMatch(problems[0], /\n/);
  }
});

Deno.test({
  name: "loadSettingsFile() refuses a Password in a file that others can read",
  ignore: Deno.build.os === "windows",
  fn() {
    const text = 'Password = "TopSecret!"\n';
    withFile(text, 0o600, (path) => {
      assert.equal(loadSettingsFile(path).settings.Password, "TopSecret!");
    });
    withFile(text, 0o644, (path) => {
      assert.throws(() => loadSettingsFile(path), {
        message: `Cannot read settings with a Password "${path}": refused, others can read it ` +
          `(mode 0644); run chmod 600 ${path}`,
      });
    });
  },
});

Deno.test({
  name: "loadSettingsFile() refuses a file that others can change, and what is no regular file",
  ignore: Deno.build.os === "windows",
  fn() {
    for (const [mode, digits] of [[0o664, "0664"], [0o646, "0646"]] as const) {
      withFile("Port = 5\n", mode, (path) => {
        assert.throws(() => loadSettingsFile(path), {
          problems: [
            `Cannot read settings "${path}": refused, others can change it (mode ${digits}); ` +
            `run chmod go-w ${path}`,
          ],
        });
      });
    }
    assert.throws(() => loadSettingsFile("/dev/null"), {
      problems: ['Cannot read settings "/dev/null": it is not a regular file'],
    });
  },
});
