/**
 * Events read back through the event log API, by deno.exe under Wine, whose own event log keeps none:
 * a stand-in advapi32.dll does. Needs root and wine/setup.sh.
 */
import assert from "node:assert/strict";
import { events } from "../../lib/log/events.ts";
import { eventSourceName } from "../../lib/log/windows_event_log.ts";
import { REG_DWORD } from "../../lib/win32/advapi32.ts";
import { parseEventLog } from "./wine/event_log.ts";
import { keepEvents, keptEvents, limitLog } from "./wine/kept_events.ts";
import { denoExe, openWineSession } from "./wine/session.ts";
import { openWindowsHost, serviceName } from "./wine/windows_host.ts";

const PARAMCHANGE = 6, FLUSH_NOW = 128;
const [started, stopped, reloadRefused, flushed, refused] = [1, 2, 4, 10, 20];
const typeNumbers = { error: 1, warning: 2, information: 4 } as const;

Deno.test("what createEventLogSink() writes is read back from an event log that keeps it", async () => {
  await using session = await openWineSession();
  await keepEvents(session);
  const { code, stdout } = await session.unix([
    ...["env", "-C", "/checkout", "NO_COLOR=1", "ARPFLUSH_EVENTS_KEPT=1", "wine", denoExe],
    ...["test", "-q", "-A", "--no-check", "--cached-only"],
    "tests/unit/log/windows_event_log_read_test.ts",
  ]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /writes events that the event log gives back \.\.\. ok/);
  assert.match(stdout, /1 passed/);
});

Deno.test("a service's life is read back from the event log, and a full log doesn't end it", async () => {
  await using host = await openWindowsHost();
  const { manager, session } = host;
  await keepEvents(session);
  const control = (code: number) => manager.run("control", serviceName, code);

  assert.equal((await manager.state("start", serviceName)).state, "RUNNING");
  await host.event(started);
  await host.router("flush");
  await host.event(flushed);
  await host.router("password", "nobody set one");
  await host.event(refused);
  await manager.run("setValue", "Port", REG_DWORD, [0, 0, 0, 1]);
  assert.equal(await control(PARAMCHANGE), 0);
  await host.event(reloadRefused);
  await manager.run("clearSettings");

  const before = await keptEvents(session);
  await limitLog(session, 1);
  assert.equal(await control(FLUSH_NOW), 0);
  assert.notEqual(await host.router("flush"), null, "answers with its log full");
  assert.equal((await keptEvents(session)).length, before.length, "nothing fits a full log");
  await limitLog(session, 1 << 20);
  assert.equal((await manager.state("stop", serviceName)).state, "STOPPED");
  await host.event(stopped);

  const kept = await keptEvents(session);
  assert.deepEqual(kept.map(({ recordNumber }) => recordNumber), kept.map((_, i) => i + 1));
  assert.ok(kept.every(({ source }) => source === eventSourceName));
  assert.deepEqual(new Set(kept.map(({ id }) => id)), new Set([started, flushed, refused, 4, 2]));
  assert.equal(kept.at(-1)?.id, stopped);
  // Wine was given them too, and says the beginning of each on its debug channel.
  const said = parseEventLog(await Deno.readTextFile(`${session.shared}/wine.log`));
  assert.deepEqual(
    kept.map(({ id, type, strings: [text] }, i) => ({
      id,
      type,
      text: text.slice(0, said[i]?.text.length),
    })),
    said.map((event) => ({ ...event, type: typeNumbers[event.type] })),
  );
  for (const { id, strings: [text] } of kept) {
    const advice = Object.values(events).find((event) => event.id === id)?.advice;
    assert.ok(advice !== undefined && text.endsWith(advice), text);
  }
});
