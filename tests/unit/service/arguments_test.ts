import assert from "node:assert/strict";
import { registryName } from "../../../lib/config/registry.ts";
import { UsageError } from "../../../lib/errors.ts";
import {
  parseServiceArguments,
  serviceOptions,
  serviceUsageOn,
} from "../../../lib/service/arguments.ts";
import { runCommand, senderCommand } from "../sender/sender_process.ts";

Deno.test("parseServiceArguments() reads every option", () => {
  const run = { kind: "run", configPath: undefined, simulate: false } as const;
  assert.deepEqual(parseServiceArguments([]), run);
  assert.deepEqual(parseServiceArguments(["--config", "a b"]), { ...run, configPath: "a b" });
  assert.deepEqual(parseServiceArguments(["--config=a=b"]), { ...run, configPath: "a=b" });
  assert.deepEqual(parseServiceArguments(["--check", "--simulate"]), {
    ...run,
    kind: "check",
    simulate: true,
  });
  for (const kind of ["host-key", "help", "version"]) {
    assert.equal(parseServiceArguments(["--check", `--${kind}`, "x"]).kind, kind);
  }
  assert.equal(parseServiceArguments(["-h"]).kind, "help");
});

Deno.test("parseServiceArguments() says in one line what it can't follow", () => {
  const faults: [string[], string][] = [
    [["--chekc"], "Unknown option --chekc, is it --check?"],
    [["--frobnicate"], "Unknown option --frobnicate"],
    [["-x"], "Unknown option -x"],
    [["--", "--check"], 'Unknown argument "--check"'],
    [["arpflush.toml"], 'Unknown argument "arpflush.toml"'],
    [[""], 'Unknown argument ""'],
    [["--config"], "Option --config needs a value"],
    [["--config", "--check"], "Option --config needs a value"],
    [["--config="], "Option --config must not be empty"],
    [["--check=yes"], "Option --check has no value"],
  ];
  for (const [args, message] of faults) {
    assert.throws(() => parseServiceArguments(args), new UsageError(message));
  }
});

for (const os of ["linux", "windows"] as const) {
  Deno.test(`serviceUsageOn() names every option and fits a terminal on ${os}`, () => {
    const text = serviceUsageOn(os);
    for (const option of Object.keys(serviceOptions)) {
      assert.ok(text.includes(`  --${option}`), option);
    }
    const lines = text.trimEnd().split("\n");
    assert.ok(lines.length <= 24 && lines.every((line) => line.length <= 80));
  });
}

Deno.test("serviceUsageOn() names the places and words of the system alone", () => {
  const ofUnix = /\/etc\/|SIGHUP|SIGTERM/;
  const ofWindows = /HKLM\\SOFTWARE\\NPSL\\ArpFlush|sc\.exe control/;
  assert.match(serviceUsageOn("linux"), ofUnix);
  assert.doesNotMatch(serviceUsageOn("linux"), ofWindows);
  assert.match(serviceUsageOn("windows"), ofWindows);
  assert.doesNotMatch(serviceUsageOn("windows"), ofUnix);
});

Deno.test("serviceUsageOn() names where Windows' settings really are", () => {
  assert.ok(serviceUsageOn("windows").includes(registryName));
});

Deno.test("service.ts without permissions exits 2 with one line that says how to run it", async () => {
  const [deno, run, ...rest] = senderCommand;
  const bare = rest.filter((word) => !word.startsWith("-P"))
    .map((word) => word.replace(/send\.ts$/, "service.ts"));
  const { code, stdout, stderr } = await runCommand([deno, run, ...bare]);
  assert.deepEqual([code, stdout], [2, ""]);
  assert.match(
    stderr,
    /^arpflush-service: Requires sys access to "\w+": run it as deno run -P=service(-windows)? service\.ts\n$/,
  );
});
