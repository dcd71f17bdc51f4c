import assert from "node:assert/strict";
import { senderOptions } from "../../../lib/sender/arguments.ts";
import { usageOn } from "../../../lib/sender/help.ts";

const usage = usageOn("unix");

Deno.test("usageOn() names every option with its letter, no other, and fits a terminal", () => {
  const lines = usage.trimEnd().split("\n");
  assert.ok(lines.every((line) => [...line].length < 80), "a line over 79 columns");
  assert.ok(lines.length < 50, `${lines.length} lines`);
  const named = new Set(usage.match(/(-\w, )?--[a-z]+(-[a-z]+)*/g));
  for (const [name, option] of Object.entries(senderOptions)) {
    const short = "letter" in option ? `-${option.letter}, ` : "";
    assert.ok(named.delete(`${short}--${name}`), name);
    named.delete(`--${name}`);
  }
  assert.deepEqual([...named], []);
});

Deno.test("usageOn() leaves out on Windows what only routers have", () => {
  const windowsUsage = usageOn("windows");
  const routersOnly = ["--follow", "--notify", "--syslog", "--unless-following"];
  const optionsIn = (text: string) => new Set(text.match(/--[a-z]+(-[a-z]+)*/g));
  const missing = optionsIn(usage).difference(optionsIn(windowsUsage));
  assert.deepEqual([...missing].sort(), routersOnly);
  assert.deepEqual([...optionsIn(windowsUsage).difference(optionsIn(usage))], []);
  assert.doesNotMatch(windowsUsage, /keepalived|\/etc\/|^ {2}arpflush /m);
  assert.match(windowsUsage, /-k, --key-file FILE {4}default C:\\ProgramData\\ArpFlush\\key$/m);
});
