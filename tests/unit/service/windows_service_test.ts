/** The host under a double of the service control manager; a real one is Wine's, in tests/windows. */
import assert from "node:assert/strict";
import { type ControlledService, runAsService } from "../../../lib/service/windows_service.ts";
import { StartError } from "../../../lib/service/running_service.ts";
import type { ControlHandler, ServiceControl, ServiceStatus } from "../../../lib/win32/winsvc.ts";
import { createTestTime, settle } from "../../support/test_time.ts";

const states: Readonly<Record<number, string>> = {
  1: "STOPPED",
  2: "START_PENDING",
  3: "STOP_PENDING",
  4: "RUNNING",
};

/** Double of the service control manager: starts the service at once, and has the dispatcher end at STOPPED. */
function createManagerDouble({ startsService = true } = {}) {
  const reported: ServiceStatus[] = [];
  let handler: ControlHandler = () => -1;
  const { promise: over, resolve: end } = Promise.withResolvers<boolean>();
  const scm: ServiceControl = {
    startDispatcher(serviceMain) {
      if (!startsService) return Promise.resolve(false);
      serviceMain("ArpFlush");
      return over;
    },
    registerHandler(_name, given) {
      handler = given;
      return true;
    },
    setStatus(status) {
      reported.push(status);
      if (status.state === 1) end(true);
      return true;
    },
  };
  return {
    scm,
    reported,
    control: (control: number, eventType = 0) => handler(control, eventType),
    states: () => reported.map(({ state }) => states[state]),
  };
}

/** A service that notes what it is told. */
function createServiceDouble(): ControlledService & { readonly told: string[] } {
  const told: string[] = [];
  return {
    told,
    flushNow: (why) => Promise.resolve(void told.push(`flush for ${why}`)),
    reload: () => Promise.resolve(void told.push("reload")),
    stop: () => Promise.resolve(void told.push("stop")),
  };
}

function createHost(parts: {
  start?: () => Promise<ControlledService>;
  startFailed?: (error: unknown) => void;
}) {
  const manager = createManagerDouble();
  const time = createTestTime();
  const deaths: unknown[] = [];
  const service = createServiceDouble();
  const running = runAsService(manager.scm, {
    start: parts.start ?? (() => Promise.resolve(service)),
    startFailed: parts.startFailed ?? (() => {}),
    die: (reason) => void deaths.push(reason),
    time,
  });
  return {
    manager,
    deaths,
    service,
    running,
    /** Lets time pass and what it starts happen. */
    async pass(ms: number): Promise<void> {
      time.pass(ms);
      await settle();
    },
  };
}

const STOP = 1, PAUSE = 2, INTERROGATE = 4, PARAMCHANGE = 6, POWEREVENT = 13, SHUTDOWN = 5;

Deno.test("runAsService() is no service when the manager didn't start the process", async () => {
  const manager = createManagerDouble({ startsService: false });
  const start = () => Promise.reject(new Error("must not be started"));
  const parts = { start, startFailed: () => {}, die: () => {} };
  assert.equal(await runAsService(manager.scm, parts), false);
  assert.deepEqual(manager.reported, []);
});

Deno.test("runAsService() is RUNNING only once the service has started", async () => {
  const starting = Promise.withResolvers<ControlledService>();
  const { manager, pass, service, running } = createHost({ start: () => starting.promise });
  assert.deepEqual(manager.states(), ["START_PENDING"]);
  assert.equal(manager.reported[0].waitHint, 30_000);
  assert.equal(manager.reported[0].controlsAccepted, 0);
  await pass(0);
  assert.deepEqual(manager.states(), ["START_PENDING"]);
  starting.resolve(service);
  await starting.promise;
  await Promise.resolve();
  assert.deepEqual(manager.states(), ["START_PENDING", "RUNNING"]);
  assert.equal(manager.reported[1].controlsAccepted, 0x1 | 0x4 | 0x8 | 0x40);
  assert.equal(manager.control(STOP), 0);
  await pass(0);
  assert.equal(await running, true);
  assert.deepEqual(manager.states(), ["START_PENDING", "RUNNING", "STOP_PENDING", "STOPPED"]);
  assert.equal(manager.reported[3].exitCode, 0);
});

Deno.test("runAsService() does nothing in the manager's own time but note it", async () => {
  const { manager, pass, service } = createHost({});
  await pass(0);
  manager.control(128);
  manager.control(PARAMCHANGE);
  manager.control(STOP);
  for (let i = 0; i < 10; i++) await Promise.resolve();
  assert.deepEqual(service.told, []);
  await pass(0);
  assert.deepEqual(service.told, ["flush for the service control manager", "reload", "stop"]);
});

Deno.test("runAsService() flushes when the host awakes, and at no other power event", async () => {
  const { manager, pass, service } = createHost({});
  await pass(0);
  const suspend = 4, resumeAutomatic = 18, statusChange = 10;
  for (const type of [suspend, resumeAutomatic, statusChange]) {
    assert.equal(manager.control(POWEREVENT, type), 0);
  }
  await pass(0);
  assert.deepEqual(service.told, ["flush for the host's awakening"]);
});

Deno.test("runAsService() repeats its status when interrogated and refuses what it doesn't know", async () => {
  const { manager, pass } = createHost({});
  await pass(0);
  assert.equal(manager.control(INTERROGATE), 0);
  assert.deepEqual(manager.reported[2], manager.reported[1]);
  for (const control of [PAUSE, 3, 127, 129, 255]) assert.equal(manager.control(control), 120);
  assert.equal(manager.reported.length, 3);
});

Deno.test("runAsService() stops once, whatever asks, and reports nothing behind STOPPED", async () => {
  const { manager, pass, service, running } = createHost({});
  await pass(0);
  assert.equal(manager.control(SHUTDOWN), 0);
  assert.equal(manager.control(STOP), 0);
  await pass(0);
  await running;
  assert.deepEqual(service.told, ["stop"]);
  const reports = manager.reported.length;
  assert.equal(manager.control(INTERROGATE), 0);
  assert.equal(manager.control(STOP), 0);
  assert.equal(manager.reported.length, reports);
});

/** What fails a start, and the manager's two codes: an error only where a restart may help. */
const failures: [error: Error, exitCode: number, serviceExitCode: number][] = [
  [new StartError("listenFailed", "port taken"), 1066, 44],
  [new StartError("settingsInvalid", "a wrong setting"), 0, 40],
  [new TypeError("x is not a function"), 1066, 46],
];
for (const [reason, ...codes] of failures) {
  Deno.test(`runAsService() ends a start that fails with ${reason.message} with ${codes}`, async () => {
    const reasons: unknown[] = [];
    const { manager, pass, running } = createHost({
      start: () => Promise.reject(reason),
      startFailed: (error) => void reasons.push(error),
    });
    await pass(0);
    assert.equal(await running, true);
    assert.deepEqual(manager.states(), ["START_PENDING", "STOPPED"]);
    const { exitCode, serviceExitCode } = manager.reported[1];
    assert.deepEqual([exitCode, serviceExitCode], codes);
    assert.deepEqual(reasons, [reason]);
  });
}

Deno.test("runAsService() gives up a stop that hangs 20 s, and says STOPPED before it dies", async () => {
  const { manager, pass, deaths } = createHost({
    start: () => Promise.resolve({ ...createServiceDouble(), stop: () => new Promise(() => {}) }),
  });
  await pass(0);
  manager.control(STOP);
  await pass(19_999);
  assert.deepEqual(deaths, []);
  await pass(1);
  assert.deepEqual(deaths, [new Error("Stopping took more than 20 s")]);
  assert.equal(manager.states().at(-1), "STOPPED");
});

Deno.test("runAsService() dies of what a control's work throws, so that nothing is lost", async () => {
  const fault = new Error("reload");
  const { manager, pass, deaths } = createHost({
    start: () => Promise.resolve({ ...createServiceDouble(), reload: () => Promise.reject(fault) }),
  });
  await pass(0);
  manager.control(PARAMCHANGE);
  await pass(0);
  assert.deepEqual(deaths, [fault]);
});
