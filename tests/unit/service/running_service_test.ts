/** The service over real sockets, with the cache in memory and time advanced by the test. */
import assert from "node:assert/strict";
import { defaultSettings } from "../../../lib/config/settings.ts";
import type { NeighborCache } from "../../../lib/neighbors/neighbor_cache.ts";
import { openUdpSocket } from "../../../lib/receiver/listeners.ts";
import type { NetworkChanges } from "../../../lib/service/network_changes.ts";
import {
  type ServiceParts,
  StartError,
  startService,
} from "../../../lib/service/running_service.ts";
import { parsePrefix } from "../../../lib/wire/addresses.ts";
import { createSyncSigner } from "../../../lib/wire/ed25519_node.ts";
import { formatKey } from "../../../lib/wire/keys.ts";
import { emptyCache } from "../../support/empty_cache.ts";
import { createRouter, freePort, readAck, type TestRouter } from "../../support/datagrams.ts";
import { settle } from "../../support/test_time.ts";
import { firstAnswer, signed } from "../receiver/harness.ts";
import { createParts, oldRouter, origins, start } from "./parts.ts";

const newRouter = createRouter(12);

const status = { alive: 1, flushed: 2, stale: 3, pending: 5 } as const;

/** Sends datagrams; gives the status and id bytes of the first answer. */
async function ask(port: number, ...datagrams: Uint8Array[]) {
  const answer = await firstAnswer(port, datagrams);
  return { status: answer[6], id: answer.slice(20, 36) };
}

async function expectFlush(port: number, by: TestRouter, bytes = signed({}, by)): Promise<void> {
  assert.equal((await ask(port, bytes)).status, status.flushed);
}

/** The first answer must be that to a probe which was sent behind the datagram. */
async function expectSilence(port: number, bytes: Uint8Array, by: TestRouter): Promise<void> {
  const probe = signed({ action: "probe" }, by);
  const answer = await ask(port, bytes, probe);
  assert.deepEqual(answer, { status: status.alive, id: probe.slice(20, 36) });
}

Deno.test("startService() sets the log up, listens, flushes, and says so", async () => {
  const { service, flushes, names, said, levels, time } = await start();
  assert.deepEqual(flushes, ["all"]);
  assert.deepEqual(levels, ["info"]);
  assert.deepEqual(names(), ["flushed", "started"]);
  assert.equal(said[1].values.port, service.port);
  assert.equal(said[1].values.keys, oldRouter.key.idText);
  await expectFlush(service.port, oldRouter);
  await service.stop();
  assert.equal(names().at(-1), "stopped");
  assert.equal(time.timers, 0);
});

Deno.test("startService() signs with the host's key, and says when that can't be kept", async () => {
  const written: Uint8Array[] = [];
  const hostKeyStore = {
    read: () => null,
    write: (seed: Uint8Array) => void written.push(seed.slice()),
  };
  const { service, said, names } = await start({}, { hostKeyStore });
  const { publicKey } = createSyncSigner(written[0]);
  assert.equal(said[1].values.hostKey, formatKey("host", publicKey));
  const bytes = signed({}, oldRouter);
  const answer = await firstAnswer(service.port, [bytes]);
  assert.deepEqual(answer.slice(120, 152), publicKey);
  readAck(answer, bytes, oldRouter);
  assert.ok(!names().includes("hostKeyNotKept"));
  await service.stop();

  const failing = await start({}, {
    hostKeyStore: {
      ...hostKeyStore,
      write() {
        throw new Error("Cannot write host key: No space left on device");
      },
    },
  });
  assert.deepEqual(failing.saidOf("hostKeyNotKept").map(({ values }) => values.error), [
    "Cannot write host key: No space left on device",
  ]);
  await expectFlush(failing.service.port, oldRouter);
  await failing.service.stop();
});

Deno.test({
  name: "startService() says where it hears no broadcast, and so does a reload",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const Listen = ["127.0.0.1", "192.0.2.77"].map(parsePrefix);
    const { service, saidOf } = await start({ Listen });
    await service.reload();
    const said = saidOf("broadcastsUnheard").map(({ values }) => values.address);
    assert.deepEqual(said, ["192.0.2.77", "192.0.2.77"]);
    await service.stop();
  },
});

Deno.test("startService() without FlushOnStart flushes nothing, and old requests are stale all the same", async () => {
  const { service, flushes, time } = await start({ FlushOnStart: false });
  const bytes = signed({ created: time.wall() - 5_000 }, oldRouter);
  assert.equal((await ask(service.port, bytes)).status, status.stale);
  assert.deepEqual(flushes, []);
  await service.stop();
});

Deno.test("startService() starts although its first flush fails", async () => {
  const { parts, fail, names } = createParts();
  fail(new Error("not permitted"));
  const service = await startService(parts);
  assert.deepEqual(names(), ["flushFailed", "started"]);
  await service.stop();
});

Deno.test("startService() names what a start fails at, before it listens, and reports nothing", async () => {
  const load = () => {
    throw new Error("Port: 0");
  };
  const keyless = () => ({ settings: { ...defaultSettings(), RouterKeys: [] }, origins });
  const broken = () => Promise.reject(new Error("no iphlpapi.dll"));
  const cases: [string, number, RegExp, Partial<ServiceParts>][] = [
    ["settingsInvalid", 2, /^Port: 0$/, { load }],
    ["cacheUnusable", 1, /^no iphlpapi.dll$/, { openCache: broken }],
    ["keyMissing", 2, /^RouterKeys is empty and no Password .*--public-key/, { load: keyless }],
  ];
  const open = () => assert.fail("it listens");
  for (const [event, exitStatus, reason, changes] of cases) {
    const { parts, said } = createParts({}, { open, ...changes });
    const error = await startService(parts).catch((error) => error);
    assert.ok(error instanceof StartError);
    assert.deepEqual([error.event, error.exitStatus], [event, exitStatus]);
    assert.match(String(error.values.error), reason);
    assert.deepEqual(said, []);
  }
});

Deno.test("startService() waits for a port that another account holds", async () => {
  let tries = 0;
  const { parts, time, saidOf } = createParts({}, {
    open(address, port) {
      if (++tries < 3) throw new Deno.errors.PermissionDenied("Forbidden (os error 10013)");
      return openUdpSocket(address, port);
    },
  });
  const service = await time.until(startService(parts));
  assert.equal(tries, 3);
  assert.deepEqual(saidOf("listenWaiting").map(({ values }) => values.error), ["Forbidden"]);
  await service.stop();
});

Deno.test("startService() gives up a port after 20 s, naming address and port", async () => {
  const port = freePort();
  const holder = openUdpSocket("127.0.0.1", port);
  const { parts, time } = createParts({ Port: port });
  const failed = assert.rejects(startService(parts), {
    event: "listenFailed",
    values: { address: "127.0.0.1", port, error: "Address already in use" },
    exitStatus: 1,
  });
  for (let i = 0; i < 40; i++) {
    await settle();
    assert.equal(time.timers, 1);
    time.pass(500);
  }
  await failed;
  holder.close();
});

Deno.test("startService() reads the host's networks without waiting for a datagram", async () => {
  const { service, readings, time } = await start();
  assert.equal(readings(), 0, "the start doesn't wait for it");
  time.pass(0);
  assert.equal(readings(), 1);
  await service.stop();
});

Deno.test("startService() flushes an interface that has changed, while FlushOnNetworkChange is set", async () => {
  let changed = () => {};
  const network: NetworkChanges = {
    register: (told) => (changed = told, null),
    changed: () => [7],
  };
  const cache = emptyCache;
  const address = parsePrefix("192.0.2.1");
  const entry = { address, interfaceName: "7", linkLayerAddress: null, permanent: false };
  const settings = { FlushOnStart: false, FlushOnNetworkChange: false };
  const { service, set, saidOf, time } = await start(settings, {
    cache: { ...cache, list: () => Promise.resolve([entry]) },
    network,
  });
  changed();
  await settle();
  assert.deepEqual(saidOf("flushed"), []);
  set({ FlushOnNetworkChange: true });
  await service.reload();
  changed();
  await settle();
  await service.stop();
  assert.deepEqual(saidOf("flushed").map(({ values: { scope, who } }) => [scope, who]), [
    ["192.0.2.1", "a change of interface 7"],
  ]);
  assert.equal(time.timers, 0);
});

Deno.test("RunningService.reload() takes over keys, and leaves what was seen seen", async () => {
  const { service, set, flushes, saidOf } = await start();
  const bytes = signed({}, oldRouter);
  await expectFlush(service.port, oldRouter, bytes);
  await expectSilence(service.port, signed({}, newRouter), oldRouter);
  set({ RouterKeys: [newRouter.publicText, oldRouter.publicText] });
  await service.reload();
  await expectFlush(service.port, newRouter);
  const count = flushes.length;
  await expectFlush(service.port, oldRouter, bytes);
  assert.equal(flushes.length, count, "a replay after a reload flushed");
  set({ RouterKeys: [newRouter.publicText] });
  await service.reload();
  await expectSilence(service.port, signed({}, oldRouter), newRouter);
  assert.deepEqual(saidOf("routerKeyListed").map(({ values }) => values.key), [
    newRouter.key.idText,
  ]);
  assert.deepEqual(saidOf("routerKeyTakenOut").map(({ values }) => values.key), [
    oldRouter.key.idText,
  ]);
  await service.stop();
});

Deno.test("RunningService.reload() keeps everything when keys, port or address are of no use", async () => {
  const { service, set, saidOf, levels } = await start();
  const { port } = service;
  set({ LogLevel: "error" });
  await service.reload();
  set({ RouterKeys: [], LogLevel: "debug" });
  await service.reload();
  set({ Listen: [parsePrefix("192.0.2.77")], RouterKeys: [newRouter.publicText] });
  await service.reload();
  const errors = saidOf("reloadRefused").map(({ values }) => String(values.error));
  assert.match(errors[0], /RouterKeys is empty/);
  assert.equal(
    errors[1],
    "Cannot listen on 192.0.2.77 port 0: Cannot assign requested address",
  );
  assert.equal(service.port, port);
  await expectFlush(port, oldRouter);
  assert.deepEqual(levels, ["info", "error"]);
  assert.deepEqual([saidOf("reloaded").length, saidOf("routerKeyListed")], [1, []]);
  await service.stop();
});

Deno.test("RunningService.reload() moves to another port, and a pending flush is not lost", async () => {
  const { service, set, flushes } = await start();
  for (let i = 0; i < 2; i++) await expectFlush(service.port, oldRouter);
  // The fourth start within the hold-down waits.
  assert.equal((await ask(service.port, signed({}, oldRouter))).status, status.pending);
  assert.equal(flushes.length, 3);
  const port = freePort();
  set({ Port: port });
  await service.reload();
  assert.equal(service.port, port);
  assert.equal(flushes.length, 3);
  await service.stop();
  assert.equal(flushes.length, 4);
});

Deno.test("RunningService.reload() takes over one after the other what is asked for at once", async () => {
  const { service, set } = await start();
  const [first, second] = [freePort(), freePort()];
  const reloads = [first, second, first].map((Port) => {
    set({ Port });
    return service.reload();
  });
  await Promise.all(reloads);
  assert.equal(service.port, first);
  set({ Port: second });
  await service.reload();
  assert.equal(service.port, second);
  await expectFlush(second, oldRouter);
  await service.stop();
});

Deno.test("RunningService.reload() turns the legacy datagram on and off", async () => {
  const { service, set, flushes, saidOf } = await start({ FlushOnStart: false });
  const legacy = new TextEncoder().encode("secret");
  await expectSilence(service.port, legacy, oldRouter);
  assert.equal(flushes.length, 0);
  set({ Password: "secret" });
  await service.reload();
  await expectSilence(service.port, legacy, oldRouter);
  assert.equal(flushes.length, 1);
  set({ RouterKeys: [] });
  await service.reload();
  assert.equal(saidOf("reloaded")[1].values.keys, "none (legacy only)");
  await service.stop();
});

Deno.test("RunningService.stop() ends within 1 s although a flush hangs, and says so", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const hanging: NeighborCache = {
    ...emptyCache,
    async flush() {
      await promise;
      return { removed: 0, forgotten: [], micros: 0, notes: [] };
    },
  };
  const { service, names, time } = await start({ FlushOnStart: false }, { cache: hanging });
  const flushing = service.flushNow("a test");
  const stopping = service.stop();
  await settle();
  assert.ok(!names().includes("stopped"));
  time.pass(999);
  await stopping;
  assert.deepEqual(names().slice(-2), ["stopIncomplete", "stopped"]);
  resolve();
  await flushing;
});

Deno.test("startService() refreshes addresses as set, and as set anew", async () => {
  const resolved: number[] = [];
  const cache: NeighborCache = {
    ...emptyCache,
    resolve(addresses) {
      resolved.push(addresses.length);
      return Promise.resolve([]);
    },
  };
  const RefreshAddresses = [{ family: 4, length: 32, bytes: new Uint8Array(16) }] as const;
  const { service, set, time } = await start({ RefreshAddresses, RefreshSeconds: 1 }, { cache });
  time.pass(1_000);
  await settle();
  set({ RefreshAddresses: "none" });
  await service.reload();
  time.pass(60_000);
  await settle();
  assert.deepEqual(resolved, [1]);
  set({ RefreshAddresses });
  await service.reload();
  await service.stop();
  assert.equal(time.timers, 0);
});

Deno.test("startService() says who else has its port, at once and after a reload", async () => {
  const portOwners = () => [{ address: parsePrefix("127.0.0.1"), pid: 7 }];
  const { service, set, saidOf, time } = await start({}, { portOwners });
  const ports = [service.port, freePort()];
  set({ Port: ports[1] });
  await service.reload();
  assert.deepEqual(saidOf("portShared").map(({ values }) => values.port), ports);
  await service.stop();
  assert.equal(time.timers, 0);
});
