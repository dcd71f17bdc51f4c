/** The metrics file of a service over real sockets and files; the test advances the time. */
import assert from "node:assert/strict";
import type { Settings } from "../../../lib/config/settings.ts";
import { openUdpSocket } from "../../../lib/receiver/listeners.ts";
import { arpflushVersion } from "../../../lib/version.ts";
import { createRouter } from "../../support/datagrams.ts";
import type { TestTime } from "../../support/test_time.ts";
import { signed } from "../receiver/harness.ts";
import { oldRouter, start as startParts } from "../service/parts.ts";
import { requests, samplesOf } from "./samples.ts";

const router = oldRouter;
const newRouter = createRouter(12);
const { key } = router;
const { key: newKey } = newRouter;

/** A service that writes metrics into a folder of its own. */
async function start(changes: Partial<Settings> = {}) {
  const folder = await Deno.makeTempDir();
  const path = `${folder}/arpflush.prom`;
  const started = await startParts({ HoldDownSeconds: 1, MetricsFile: path, ...changes });
  const { service, time, set } = started;
  const socket = openUdpSocket("127.0.0.1", 0);
  const to = { transport: "udp", hostname: "127.0.0.1", port: service.port } as const;
  return {
    ...started,
    folder,
    path,
    /** A genuine request that is fresh now. */
    fresh: (by = router) => signed({ created: time.wall() + 1 }, by),
    send: async (...datagrams: Uint8Array[]) => {
      for (const bytes of datagrams) await socket.send(bytes, to);
    },
    async reload(changes: Partial<Settings>) {
      set(changes);
      await service.reload();
    },
    async [Symbol.asyncDispose]() {
      socket.close();
      await service.stop();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

/**
 * Lets datagrams come through and a write end: Windows can't replace a file while it is read, and
 * Wine takes its time.
 */
const soon = () =>
  new Promise((resolve) => setTimeout(resolve, Deno.build.os === "windows" ? 50 : 5));

/** The samples of a file as soon as they are right, or the last ones after many seconds. */
async function samplesWhen(
  { time }: { readonly time: TestTime },
  path: string,
  isRight: (samples: Map<string, number>) => boolean,
): Promise<Map<string, number>> {
  let samples = new Map<string, number>();
  for (let i = 0; i < 500; i++) {
    try {
      samples = samplesOf(await Deno.readTextFile(path));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
    if (isRight(samples)) return samples;
    time.pass(1_000);
    await soon();
  }
  return samples;
}

const exists = (path: string) => Deno.stat(path).then(() => true, () => false);

Deno.test("startService() publishes what it accepted, refused and failed to do, to the end", async () => {
  await using started = await start();
  const { service, path, send, fresh, fail, said, saidOf, time } = started;
  const first = await samplesWhen(
    started,
    path,
    (samples) => samples.get('arpflush_flushes_total{result="ok"}') === 1,
  );
  assert.equal(first.get(requests("accepted")), 0);
  assert.equal(first.get("arpflush_entries_removed_total"), 1);
  assert.equal(first.get(`arpflush_key_info{key_id="${key.idText}"}`), 1);
  assert.equal(
    first.get(`arpflush_build_info{version="${arpflushVersion}",deno="${Deno.version.deno}"}`),
    1,
  );

  const genuine = fresh();
  const forged = fresh();
  forged[forged.length - 1] ^= 1;
  const late = signed({ created: time.wall() - 300_000 }, router);
  await send(genuine, genuine, forged, fresh(newRouter), late, new Uint8Array(3));
  await samplesWhen(started, path, (samples) => samples.get(requests("refused", "length")) === 1);
  fail(new Error("not permitted"));
  await send(fresh());
  const samples = await samplesWhen(
    started,
    path,
    (samples) => samples.get('arpflush_flushes_total{result="failed"}') === 1,
  );
  const of = (name: string) => samples.get(name) ?? NaN;
  assert.equal(of(requests("accepted")), 2);
  assert.equal(of(requests("repeated")), 1);
  assert.equal(of(requests("stale", "clock")), 1);
  assert.equal(of(requests("refused", "filter")), 1);
  assert.equal(of(requests("refused", "key")), 1);
  assert.equal(of(requests("refused", "length")), 1);
  assert.equal(of('arpflush_flushes_total{result="ok"}'), 2);
  assert.equal(of("arpflush_flush_duration_seconds_count"), 2);
  assert.equal(of("arpflush_entries_removed_total"), 3);
  assert.ok(Math.abs(of('arpflush_clock_offset_seconds{outcome="accepted"}')) < 30);
  const stale = of('arpflush_clock_offset_seconds{outcome="stale"}');
  assert.ok(stale < -299 && stale > -330, String(stale));
  const now = time.wall() / 1_000;
  for (
    const name of [
      "arpflush_start_time_seconds",
      "arpflush_last_flush_timestamp_seconds",
      `arpflush_key_last_request_timestamp_seconds{key_id="${key.idText}"}`,
    ]
  ) assert.ok(of(name) > now - 60 && of(name) <= now + 1, name);
  assert.deepEqual(said.filter(({ event }) => event.startsWith("metrics")), []);

  await send(fresh());
  for (let i = 0; i < 100 && saidOf("accepted").length < 3; i++) await soon();
  await service.stop();
  assert.equal(samplesOf(await Deno.readTextFile(path)).get(requests("accepted")), 3);
});

Deno.test("reload() turns metrics off and on, moves them, and publishes the new keys", async () => {
  await using started = await start({ MetricsFile: "" });
  const { reload, folder, send, fresh } = started;
  const [one, two] = [`${folder}/one.prom`, `${folder}/two.prom`];
  await reload({ MetricsFile: one });
  await samplesWhen(started, one, (samples) => samples.size > 0);
  await reload({ MetricsFile: two });
  const before = await samplesWhen(started, two, (samples) => samples.size > 0);
  assert.equal(before.get(`arpflush_key_info{key_id="${newKey.idText}"}`), undefined);
  assert.equal(await exists(one), false);
  await reload({ MetricsFile: two, RouterKeys: [router.publicText, newRouter.publicText] });
  const both = await samplesWhen(
    started,
    two,
    (samples) => samples.has(`arpflush_key_info{key_id="${newKey.idText}"}`),
  );
  assert.equal(both.get(`arpflush_key_info{key_id="${key.idText}"}`), 1);
  await send(fresh(), fresh(newRouter));
  const used = (id: string) => `arpflush_key_last_request_timestamp_seconds{key_id="${id}"}`;
  await samplesWhen(started, two, (samples) => samples.has(used(newKey.idText)));
  await reload({ MetricsFile: two, RouterKeys: [newRouter.publicText] });
  const last = await samplesWhen(started, two, (samples) => !samples.has(used(key.idText)));
  assert.equal(last.has(`arpflush_key_info{key_id="${key.idText}"}`), false);
  assert.equal(last.has(used(newKey.idText)), true);
  await reload({ MetricsFile: "" });
  for (let i = 0; i < 100 && await exists(two); i++) await soon();
  assert.deepEqual(await Array.fromAsync(Deno.readDir(folder)), []);
});
