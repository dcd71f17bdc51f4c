import assert from "node:assert/strict";
import { events } from "../../../lib/log/events.ts";
import { serviceExitCode, StartError } from "../../../lib/service/start_error.ts";

Deno.test("serviceExitCode() is 0 for what a restart can't mend, else the event's number", () => {
  assert.equal(serviceExitCode(new StartError("settingsInvalid", "x")), 0);
  assert.equal(serviceExitCode(new StartError("listenFailed", "x")), 44);
  assert.equal(serviceExitCode(new TypeError("x")), events.unexpectedError.id);
});

Deno.test("docs/windows.md lists every service-specific exit code", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/windows.md", import.meta.url));
  const names = ["listenFailed", "cacheUnusable", "unexpectedError"] as const;
  for (const name of names) {
    assert.match(page, new RegExp(`^\\| ${events[name].id} +\\| ${name} +\\|`, "m"));
  }
});
