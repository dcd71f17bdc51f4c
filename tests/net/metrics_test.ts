/**
 * The metrics file of the real service on a real kernel table, file systems that fail it, and what
 * Debian's node_exporter makes of it.
 */
import assert from "node:assert/strict";
import { replaceFile, updateFile } from "../../lib/files.ts";
import { metricsText } from "../../lib/metrics/service_metrics.ts";
import { Counters } from "../../lib/receiver/counters.ts";
import { metricsAfterRun } from "../../lib/sender/run_files.ts";
import { isInstalled, pause, run, until } from "../support/command.ts";
import type { ServiceProcess } from "../support/programs.ts";
import { hasPromtool, promtool, requests, samplesOf } from "../unit/metrics/samples.ts";
import { expectedOf, outcome, runOf, stuck } from "../unit/sender/helpers.ts";
import { folder, heals, type Host, openSegment, type Segment } from "./chain.ts";

/** What packaging/arpflush.service leaves the service: CapabilityBoundingSet, NoNewPrivileges. */
const rights = ["setpriv", "--bounding-set=-all,+net_admin", "--inh-caps=-all", "--no-new-privs"];
const rightsAndMode = [...rights, "sh", "-c", 'umask 0022; exec "$@"', "sh"];
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
    const service = await host.serve(settings, rightsAndMode);
    await body({ segment, host, service });
    await service.stop();
  } finally {
    await run(["umount", "-n", "-l", place]);
  }
}

/** The file as soon as a sample has a value. */
async function textWith(name: string, value: number): Promise<string> {
  let text = "";
  await until(
    async () => {
      text = await Deno.readTextFile(path).catch(() => "");
      return text !== "" && samplesOf(text).get(name) === value;
    },
    `"${name}" is ${value}`,
    10_000,
  );
  return text;
}

/** Reads a file again and again until it is told to stop; gives how many texts it has seen. */
function readAlways(file: string): { stop(): Promise<number> } {
  let reading = true;
  const seen = new Set<string>();
  const done = (async () => {
    while (reading) {
      const text = await Deno.readTextFile(file);
      await pause(1);
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
      await pause(2_500);
      await run(mend);
      await textWith(requests("accepted"), i + 1);
      const said = (pattern: RegExp) => service.log.filter((line) => pattern.test(line)).length;
      await until(
        () => said(/metrics.* works again/) === i + 1,
        "the log says that it works again",
      );
      assert.equal(said(/Cannot write metrics/), i + 1);
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
    const isAnswered = () => service.log.slice(before).some((one) => answer.test(one));
    await until(isAnswered, `the log says ${answer}`, 10_000);
  };
  await Deno.mkdir(place);
  await reload(settings.join("\n"), /Reloaded/);
  await textWith('arpflush_flushes_total{result="ok"}', 1);
  await reload('MetricsFile = "/etc/arpflush.prom"', /Cannot reload .*MetricsFile/);
  await segment.send("-a", "--expect", "1");
  await textWith(requests("accepted"), 1);
  await reload(`MetricsFile = "${folder}/other.prom"`, /Reloaded/);
  const other = () => Deno.stat(`${folder}/other.prom`).then(() => true, () => false);
  await until(other, "the other file", 5_000);
  const moved = samplesOf(await Deno.readTextFile(`${folder}/other.prom`));
  assert.equal(moved.get(requests("accepted")), 1);
  await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
});

const program = "prometheus-node-exporter";
const ignore = !await isInstalled(program);
if (ignore) console.log(`${program} is not here: nothing is read by it`);

Deno.test({
  name: "prometheus-node-exporter shows every sample of a metrics file, and its age",
  ignore,
  async fn() {
    const folder = await Deno.makeTempDir();
    const counters = new Counters();
    counters.countRefused("id reused");
    counters.countFlushed(7, 12_345);
    counters.countAccepted(Date.now() - 40, "01234567");
    const text = metricsText({
      counters,
      keyIds: ["01234567"],
      startedAt: 1_700_000_000_250,
      version: "1.2.3",
      runtime: "2.9.6",
    });
    await replaceFile(`${folder}/arpflush.prom`, text);
    // What a killed service leaves is not read.
    await Deno.writeTextFile(`${folder}/arpflush.prom.tmp`, text.slice(0, 100));
    const ended = outcome([stuck], { exchange: { expected: expectedOf("db1") } });
    const routerText = metricsAfterRun("", runOf(ended, { interfaceNames: ["e0"] }));
    await Deno.mkdir(`${folder}/router`);
    await updateFile(`${folder}/router/r.prom`, () => routerText);
    await Deno.symlink(`${folder}/router/r.prom`, `${folder}/r.prom`);
    const exporter = new Deno.Command(program, {
      args: [
        "--web.listen-address=127.0.0.1:9100",
        "--collector.disable-defaults",
        "--collector.textfile",
        `--collector.textfile.directory=${folder}`,
      ],
      stdout: "null",
      stderr: "null",
    }).spawn();
    try {
      const shown = samplesOf(await fetched("http://127.0.0.1:9100/metrics"));
      assert.equal(shown.get("node_textfile_scrape_error"), 0);
      const age = Date.now() / 1_000 -
        (shown.get(`node_textfile_mtime_seconds{file="${folder}/arpflush.prom"}`) ?? 0);
      assert.ok(age >= -1 && age < 60, String(age));
      const sorted = (samples: Map<string, number>) =>
        [...samples].filter(([name]) => name.startsWith("arpflush_")).map(normalized).sort();
      assert.deepEqual(sorted(shown), sorted(samplesOf(text + routerText)));
    } finally {
      exporter.kill("SIGKILL");
      await exporter.status;
      await Deno.remove(folder, { recursive: true });
    }
  },
});

/** The exporter sorts labels by name. */
function normalized([name, value]: [string, number]): string {
  const labels = [...name.matchAll(/\w+="[^"]*"/g)].map(([label]) => label).sort();
  return `${name.replace(/\{.*/, "")} ${labels.join(",")} ${value}`;
}

/** A page, as soon as it is there. */
async function fetched(url: string): Promise<string> {
  let text = "";
  const fetchText = async () => text = await (await fetch(url)).text();
  await until(() => fetchText().then(() => true, () => false), url, 5_000);
  return text;
}
