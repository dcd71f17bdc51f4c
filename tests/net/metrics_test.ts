/** The metrics file of the real service on a real kernel table, and file systems that fail it. */
import assert from "node:assert/strict";
import { run } from "../support/command.ts";
import type { ServiceProcess } from "../support/programs.ts";
import { hasPromtool, promtool, requests, samplesOf } from "../unit/metrics/samples.ts";
import { folder, type Host, openSegment, routerMac, type Segment } from "./chain.ts";

/** As packaging/arpflush.service leaves the service. */
const rightsOfUnit = [
  "setpriv",
  "--bounding-set=-all,+net_admin",
  "--inh-caps=-all",
  "--no-new-privs",
  "sh",
  "-c",
  'umask 0022; exec "$@"',
  "sh",
];
const place = `${folder}/metrics`;
const path = `${place}/arpflush.prom`;
const settings = [`MetricsFile = "${path}"`, "HoldDownSeconds = 1"];

/** A segment with a host whose service writes metrics into a small file system of its own. */
async function withMetrics(
  body: (parts: { segment: Segment; host: Host; service: ServiceProcess }) => Promise<void>,
): Promise<void> {
  await using segment = await openSegment();
  const host = await segment.host();
  await Deno.mkdir(place);
  await run(["mount", "-n", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", place]);
  try {
    const service = await host.serve(settings, { argv: rightsOfUnit });
    await body({ segment, host, service });
    await service.stop();
  } finally {
    await run(["umount", "-n", "-l", place]);
  }
}

async function heals(segment: Segment, host: Host): Promise<void> {
  await host.goStale();
  const { code, stdout, stderr } = await segment.send("-a", "--expect", "1");
  assert.equal(code, 0, stdout + stderr);
  assert.equal(await host.linkLayerAddressOf("192.0.2.1"), routerMac);
}

/** The file as soon as a sample has a value; rejects after 10 s. */
async function textWith(name: string, value: number): Promise<string> {
  let text = "";
  for (let i = 0; i < 200; i++) {
    text = await Deno.readTextFile(path).catch(() => "\n");
    if (text !== "\n" && samplesOf(text).get(name) === value) return text;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`"${name}" is not ${value}: ${text}`);
}

/** Reads a file again and again until it is told to stop; gives how many texts it has seen. */
function readAlways(file: string): { stop(): Promise<number> } {
  let reading = true;
  const seen = new Set<string>();
  const done = (async () => {
    while (reading) {
      const text = await Deno.readTextFile(file);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (!seen.has(text)) {
        // The whole file: its last family's last sample is there.
        assert.ok(samplesOf(text).has("arpflush_last_flush_timestamp_seconds"), text);
      }
      seen.add(text);
    }
    return seen.size;
  })();
  // Told by `stop`.
  done.catch(() => {});
  return {
    stop() {
      reading = false;
      return done;
    },
  };
}

Deno.test("service.ts writes metrics with CAP_NET_ADMIN alone, and readers see whole files", () =>
  withMetrics(async ({ segment, host, service }) => {
    await textWith('arpflush_flushes_total{result="ok"}', 1);
    const reader = readAlways(path);
    for (let times = 1; times <= 4; times++) {
      await heals(segment, host);
      await textWith(requests("accepted"), times);
    }
    assert.ok(await reader.stop() >= 4);
    const samples = samplesOf(await Deno.readTextFile(path));
    assert.equal(samples.get('arpflush_flushes_total{result="failed"}'), 0);
    // Both families of the virtual address, each time.
    assert.ok((samples.get("arpflush_entries_removed_total") ?? 0) >= 8);
    const duration = samples.get("arpflush_flush_duration_seconds_sum") ?? 0;
    assert.ok(duration > 0.0005 && duration < 30, String(duration));
    assert.equal(((await Deno.stat(path)).mode ?? 0) & 0o777, 0o644);
    if (hasPromtool) {
      const text = await Deno.readTextFile(path);
      assert.deepEqual(await promtool(["check", "metrics"], text), { success: true, output: "" });
    }
    await service.stop();
    assert.deepEqual(await Array.fromAsync(Deno.readDir(place), ({ name }) => name), [
      "arpflush.prom",
    ]);
  }));

Deno.test("service.ts serves while the disk of its metrics is full or read-only, says so once, and goes on", () =>
  withMetrics(async ({ segment, host, service }) => {
    await textWith('arpflush_flushes_total{result="ok"}', 1);
    const faults = [
      {
        reason: "No space left on device",
        hurt: ["sh", "-c", `cat /dev/zero > ${place}/filler || true`],
        mend: ["rm", `${place}/filler`],
      },
      {
        reason: "Read-only file system",
        hurt: ["mount", "-n", "-o", "remount,ro", place],
        mend: ["mount", "-n", "-o", "remount,rw", place],
      },
    ];
    for (const [i, { reason, hurt, mend }] of faults.entries()) {
      await run(hurt);
      await heals(segment, host);
      await service.line(new RegExp(`Cannot write metrics to ${path}: ${reason}`));
      // The old file is whole.
      assert.equal(samplesOf(await Deno.readTextFile(path)).get(requests("accepted")), i);
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      await run(mend);
      await textWith(requests("accepted"), i + 1);
      const said = (pattern: RegExp) => service.log.filter((line) => pattern.test(line)).length;
      assert.deepEqual([said(/Cannot write metrics/), said(/metrics.* works again/)], [
        i + 1,
        i + 1,
      ]);
    }
  }));

Deno.test("service.ts refuses a MetricsFile elsewhere in one line that names the folders", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  await assert.rejects(
    host.serve(['MetricsFile = "/run/elsewhere/arpflush.prom"']),
    /MetricsFile: "\/run\/elsewhere\/arpflush\.prom" is not empty, or a file NAME\.prom in \/var\/lib\/prometheus\/node-exporter, .*\/run\/arpflush/,
  );
});

Deno.test("service.ts takes a MetricsFile from a reload, moves it, and keeps the old one over a bad one", async () => {
  await using segment = await openSegment();
  const host = await segment.host();
  const service = await host.serve();
  const [file] = (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name))
    .filter((name) => name.endsWith(".toml"));
  const reload = async (line: string, answer: RegExp) => {
    const [keyLine] = (await Deno.readTextFile(`${folder}/${file}`)).split("\n");
    await Deno.writeTextFile(`${folder}/${file}`, `${keyLine}\n${line}\n`);
    const before = service.log.length;
    service.kill("SIGHUP");
    for (let i = 0; i < 200 && !service.log.slice(before).some((one) => answer.test(one)); i++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    assert.match(service.log.slice(before).join("\n"), answer);
  };
  await Deno.mkdir(place);
  await reload(settings.join("\n"), /Reloaded/);
  await textWith('arpflush_flushes_total{result="ok"}', 1);
  await reload('MetricsFile = "/etc/arpflush.prom"', /Cannot reload .*MetricsFile/);
  await segment.send("-a", "--expect", "1");
  await textWith(requests("accepted"), 1);
  await reload(`MetricsFile = "${folder}/other.prom"`, /Reloaded/);
  for (let i = 0; i < 100 && !(await Deno.stat(`${folder}/other.prom`).catch(() => null)); i++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const moved = samplesOf(await Deno.readTextFile(`${folder}/other.prom`));
  assert.equal(moved.get(requests("accepted")), 1);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});
