import assert from "node:assert/strict";
import { parseServiceArguments, serviceUsage, UsageError } from "../../lib/service/arguments.ts";

Deno.test("parseServiceArguments() reads every option", () => {
  const run = { kind: "run", configPath: undefined, simulate: false };
  assert.deepEqual(parseServiceArguments([]), run);
  assert.deepEqual(parseServiceArguments(["--config", "a b"]), { ...run, configPath: "a b" });
  assert.deepEqual(parseServiceArguments(["--config=a=b"]), { ...run, configPath: "a=b" });
  assert.deepEqual(parseServiceArguments(["--check", "--simulate"]), {
    kind: "check",
    configPath: undefined,
    simulate: true,
  });
  for (const kind of ["keygen", "help", "version"]) {
    assert.deepEqual(parseServiceArguments(["--check", `--${kind}`]), { kind });
  }
  assert.deepEqual(parseServiceArguments(["-h"]), { kind: "help" });
});

Deno.test("parseServiceArguments() says in one line what it can't follow", () => {
  const faults: [string[], string][] = [
    [["--chekc"], "Unknown option --chekc, is it --check?"],
    [["--frobnicate"], "Unknown option --frobnicate, see --help"],
    [["-x"], "Unknown option -x, see --help"],
    [["--"], "Unknown option --, see --help"],
    [["arpflush.toml"], 'Unknown argument "arpflush.toml", see --help'],
    [[""], 'Unknown argument "", see --help'],
    [["--config"], "Option --config needs a FILE"],
    [["--config="], "Option --config needs a FILE"],
    [["--check=yes"], "Option --check takes no value"],
  ];
  for (const [args, message] of faults) {
    assert.throws(() => parseServiceArguments(args), new UsageError(message));
  }
});

Deno.test("serviceUsage names every option and fits a terminal", () => {
  for (const option of ["--config", "--check", "--simulate", "--keygen", "--help", "--version"]) {
    assert.ok(serviceUsage.includes(`  ${option}`), option);
  }
  const lines = serviceUsage.trimEnd().split("\n");
  assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80));
});
