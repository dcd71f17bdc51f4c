/** The service over real sockets, with the cache in memory and time passing as it does. */
import assert from "node:assert/strict";
import { defaultSettings, type Settings } from "../../../lib/config/settings.ts";
import { createMemoryCache } from "../../../lib/neighbors/memory.ts";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { openUdpSocket } from "../../../lib/receiver/datagram_loop.ts";
import { type ServiceParts, startService } from "../../../lib/service/running_service.ts";
import { StartError } from "../../../lib/service/start_error.ts";
import { generateKeyFile, type Key, parseKeyFile } from "../../../lib/wire/keys.ts";
import { encodeRequest } from "../../../lib/wire/request.ts";
import { notingCache } from "../receiver/harness.ts";
import { keepReport, request } from "../receiver/helpers.ts";

const oldText = generateKeyFile(new Date());
const newText = generateKeyFile(new Date());
const oldKey = parseKeyFile(oldText).signing;
const newKey = parseKeyFile(newText).signing;

/** Settings for a test: loopback, a port of the system's choice. */
function testSettings(changes: Partial<Settings> = {}): Settings {
  return { ...defaultSettings(), Listen: "127.0.0.1", Port: 0, KeyFile: "/k", ...changes };
}

async function start(changes: Partial<Settings> = {}, parts: Partial<ServiceParts> = {}) {
  const kept = keepReport();
  const noted = notingCache();
  let keyText: string | null = oldText;
  const service = await startService(testSettings(changes), {
    cache: noted.cache,
    report: kept.report,
    hostName: "host1",
    readKeyFile: () => keyText,
    ...parts,
  });
  return {
    ...kept,
    ...noted,
    service,
    setKeys: (text: string | null) => void (keyText = text),
  };
}

/** Long enough for an answer on a busy machine, and for the absence of one to mean something. */
const answerMs = 10_000, silenceMs = 200;

/** Sends a request and gives the ack's status byte, or null when none comes in time. */
async function ask(
  port: number,
  key: Key,
  bytes = encodeRequest(request(), key),
  patienceMs = answerMs,
) {
  const socket = openUdpSocket("127.0.0.1", 0);
  await socket.send(bytes, { transport: "udp", hostname: "127.0.0.1", port });
  const timer = setTimeout(() => socket.close(), patienceMs);
  try {
    const [answer] = await socket.receive();
    return answer[6];
  } catch {
    return null;
  } finally {
    clearTimeout(timer);
    try {
      socket.close();
    } catch {
      // The timer was faster.
    }
  }
}
const flushed = 2;

async function expectSilence(port: number, key: Key): Promise<void> {
  assert.equal(await ask(port, key, encodeRequest(request(), key), silenceMs), null);
}

Deno.test("startService() resolves when it listens and has flushed, and says so", async () => {
  const { service, flushes, said } = await start();
  assert.deepEqual(flushes, ["all"]);
  assert.deepEqual(said.map(({ event }) => event), ["flushed", "started"]);
  assert.equal(said[1].values.port, service.port);
  assert.equal(said[1].values.keys, oldKey.idText);
  assert.equal(await ask(service.port, oldKey), flushed);
  await service.stop();
  await service.ended;
  assert.equal(said.at(-1)?.event, "stopped");
});

Deno.test("startService() without FlushOnStart flushes nothing, and old requests are stale all the same", async () => {
  const created = Date.now() - 5_000;
  const { service, flushes } = await start({ FlushOnStart: false });
  assert.deepEqual(flushes, []);
  const bytes = encodeRequest(request({ created }), oldKey);
  const stale = 3;
  assert.equal(await ask(service.port, oldKey, bytes), stale);
  assert.deepEqual(flushes, []);
  await service.stop();
});

Deno.test("startService() starts although its first flush fails", async () => {
  const failing: NeighborCache = {
    ...createMemoryCache(),
    flush: () => Promise.reject(new Error("not permitted")),
  };
  const { service, said } = await start({}, { cache: failing });
  assert.deepEqual(said.map(({ event }) => event), ["flushFailed", "started"]);
  await service.stop();
});

Deno.test("startService() rejects a missing key before it listens", async () => {
  const opened: string[] = [];
  await assert.rejects(
    start({}, {
      readKeyFile: () => null,
      open: (address) => {
        opened.push(address);
        return openUdpSocket(address, 0);
      },
    }),
    (error) => error instanceof StartError && error.event === "keyMissing",
  );
  assert.deepEqual(opened, []);
});

Deno.test("startService() waits for a port that is taken, says so once, and gets it", async () => {
  const holder = openUdpSocket("127.0.0.1", 0);
  assert.ok(holder.addr.transport === "udp");
  const { port: Port } = holder.addr;
  setTimeout(() => holder.close(), 700);
  const { service, saidOf } = await start({ Port }, { listenPatienceMs: 10_000 });
  assert.equal(service.port, Port);
  assert.equal(saidOf("listenWaiting").length, 1);
  await service.stop();
});

Deno.test("startService() gives up a port after its patience, naming address and port", async () => {
  const holder = openUdpSocket("127.0.0.1", 0);
  assert.ok(holder.addr.transport === "udp");
  const { port: Port } = holder.addr;
  await assert.rejects(start({ Port }, { listenPatienceMs: 0 }), {
    event: "listenFailed",
    message: `Cannot listen on 127.0.0.1 port ${Port}: Address already in use`,
    exitStatus: 1,
  });
  holder.close();
});

Deno.test("startService() told to end gives up a port at once", async () => {
  const holder = openUdpSocket("127.0.0.1", 0);
  assert.ok(holder.addr.transport === "udp");
  const ending = new AbortController();
  const { port: Port } = holder.addr;
  const starting = start({ Port }, { listenPatienceMs: 3_600_000, signal: ending.signal });
  setTimeout(() => ending.abort(), 50);
  await assert.rejects(starting, { event: "listenFailed" });
  holder.close();
});

Deno.test("RunningService.reload() takes over keys, and leaves what was seen seen", async () => {
  const { service, setKeys, flushes } = await start();
  const bytes = encodeRequest(request(), oldKey);
  assert.equal(await ask(service.port, oldKey, bytes), flushed);
  await expectSilence(service.port, newKey);
  setKeys(newText + oldText);
  await service.reload(testSettings());
  assert.equal(await ask(service.port, newKey), flushed);
  const count = flushes.length;
  assert.equal(await ask(service.port, oldKey, bytes), flushed);
  assert.equal(flushes.length, count, "a replay after a reload flushed");
  setKeys(newText);
  await service.reload(testSettings());
  await expectSilence(service.port, oldKey);
  await service.stop();
});

Deno.test("RunningService.reload() keeps everything when keys, port or address are of no use", async () => {
  const { service, setKeys, said } = await start();
  const { port } = service;
  setKeys("not a key");
  await assert.rejects(service.reload(testSettings()), /Cannot read key file "\/k": line 1 is not/);
  setKeys(null);
  await assert.rejects(service.reload(testSettings()), /does not exist/);
  setKeys(oldText);
  await assert.rejects(
    service.reload(testSettings({ Listen: "192.0.2.77" })),
    /Cannot listen on 192\.0\.2\.77 port 0: Cannot assign requested address/,
  );
  assert.equal(service.port, port);
  assert.equal(await ask(port, oldKey), flushed);
  assert.equal(said.filter(({ event }) => event === "reloaded").length, 0);
  await service.stop();
});

Deno.test("RunningService.reload() moves to another port, and a pending flush is not lost", async () => {
  const { service, flushes } = await start({ HoldDownSeconds: 300 });
  for (let i = 0; i < 2; i++) assert.equal(await ask(service.port, oldKey), flushed);
  // The fourth start within the hold-down waits.
  await expectSilence(service.port, oldKey);
  assert.equal(flushes.length, 3);
  const free = openUdpSocket("127.0.0.1", 0);
  assert.ok(free.addr.transport === "udp");
  const { port: Port } = free.addr;
  free.close();
  await service.reload(testSettings({ Port, HoldDownSeconds: 300 }));
  assert.equal(service.port, Port);
  assert.equal(flushes.length, 3);
  await service.stop();
  assert.equal(flushes.length, 4);
});

Deno.test("RunningService.reload() every second one broken, 200 times under load, loses no request", async () => {
  const { service, setKeys } = await start({ HoldDownSeconds: 1 });
  const probes: Promise<number | null>[] = [];
  const alive = 1;
  for (let i = 0; i < 200; i++) {
    const bytes = encodeRequest(request({ action: "probe" }), oldKey);
    probes.push(ask(service.port, oldKey, bytes));
    setKeys(i % 2 === 0 ? oldText : "broken");
    const reloading = service.reload(testSettings({ HoldDownSeconds: 1 }));
    if (i % 2 === 0) await reloading;
    else await assert.rejects(reloading);
    // Some at a time: sockets are bounded.
    if (probes.length === 20) {
      for (const status of await Promise.all(probes.splice(0))) assert.equal(status, alive);
    }
  }
  setKeys(oldText);
  assert.equal(await ask(service.port, oldKey), flushed);
  await service.stop();
});

Deno.test("RunningService.reload() turns the legacy datagram on and off", async () => {
  const { service, flushes } = await start({ FlushOnStart: false });
  const send = async () =>
    void await ask(service.port, oldKey, new TextEncoder().encode("secret"), silenceMs);
  await send();
  assert.equal(flushes.length, 0);
  await service.reload(testSettings({ Password: "secret" }));
  await send();
  assert.equal(flushes.length, 1);
  await service.stop();
});

Deno.test("RunningService.flushNow() flushes through the gate and names the reason", async () => {
  const { service, saidOf } = await start({ FlushOnStart: false });
  await service.flushNow("the administrator");
  assert.deepEqual(saidOf("flushed").map(({ values }) => values.who), ["the administrator"]);
  await service.stop();
});

Deno.test("RunningService.stop() does the pending flush first", async () => {
  const { service, flushes } = await start({ HoldDownSeconds: 300 });
  for (let i = 0; i < 2; i++) await service.flushNow("a test");
  const pending = service.flushNow("a test");
  assert.equal(flushes.length, 3);
  await service.stop();
  await pending;
  assert.equal(flushes.length, 4);
});

Deno.test("RunningService.stop() ends within 1 s although a flush hangs, and says so", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hanging: NeighborCache = {
    ...createMemoryCache(),
    async flush() {
      await promise;
      return { removed: 0, micros: 0, notes: [] };
    },
  };
  const { service, said } = await start({ FlushOnStart: false }, { cache: hanging });
  const flushing = service.flushNow("a test");
  const before = performance.now();
  await service.stop();
  assert.ok(performance.now() - before < 1_000);
  assert.deepEqual(said.slice(-2).map(({ event }) => event), ["stopIncomplete", "stopped"]);
  resolve();
  await flushing;
});

Deno.test("startService() refreshes addresses as set, and as set anew", async () => {
  const resolved: number[] = [];
  const first = Promise.withResolvers<void>();
  const cache: NeighborCache = {
    ...createMemoryCache(),
    resolve(addresses) {
      resolved.push(addresses.length);
      first.resolve();
      return Promise.resolve([]);
    },
  };
  const RefreshAddresses = [{ family: 4, length: 32, bytes: new Uint8Array(16) }] as const;
  const { service } = await start({ RefreshAddresses, RefreshSeconds: 1 }, { cache });
  await first.promise;
  await service.reload(testSettings());
  assert.deepEqual(resolved, [1]);
  await service.stop();
});
