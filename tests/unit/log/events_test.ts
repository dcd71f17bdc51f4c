import assert from "node:assert/strict";
import { type EventName, events } from "../../../lib/log/events.ts";

const kinds = Object.entries(events);

Deno.test("events have ids of their own from 1 to 1000, which Windows' event log takes", () => {
  const ids = kinds.map(([, { id }]) => id);
  assert.equal(new Set(ids).size, ids.length);
  for (const id of ids) assert.ok(Number.isInteger(id) && id >= 1 && id <= 1000);
});

Deno.test("events have one line of text without a period, and advice in sentences", () => {
  for (const [name, { text, advice, severity }] of kinds) {
    assert.match(text, /^[A-Z][^\n]*[^.\n]$/, name);
    if (advice !== undefined) assert.match(advice, /^[A-Z][^\n]*\.$/, name);
    // Whoever reads of an error wants to know what to do.
    if (severity === "error") assert.ok(advice, name);
  }
});

/** The names of events that a source file reports, and the values it gives where they are listed. */
function reportedIn(source: string): EventName[] {
  return Object.keys(events).filter((name): name is EventName => source.includes(`"${name}"`));
}

Deno.test("every event is reported somewhere in lib", async () => {
  const reported = new Set<EventName>();
  const visit = async (folder: URL) => {
    for await (const entry of Deno.readDir(folder)) {
      const url = new URL(entry.isDirectory ? `${entry.name}/` : entry.name, folder);
      if (entry.isDirectory) await visit(url);
      else if (entry.name !== "events.ts") {
        for (const name of reportedIn(await Deno.readTextFile(url))) reported.add(name);
      }
    }
  };
  await visit(new URL("../../../lib/", import.meta.url));
  const never = Object.keys(events).filter((name) => !reported.has(name as EventName));
  // Failures to start are reported by the name that a StartError carries.
  assert.deepEqual(never, []);
});
