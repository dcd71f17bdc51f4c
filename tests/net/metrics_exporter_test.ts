/** What Debian's node_exporter makes of the metrics files of a service and, by a link, of a router. */
import assert from "node:assert/strict";
import { replaceFile, updateFile } from "../../lib/files.ts";
import { metricsText } from "../../lib/metrics/service_metrics.ts";
import { Counters } from "../../lib/receiver/counters.ts";
import { metricsAfterRun } from "../../lib/sender/run_files.ts";
import { isInstalled, until } from "../support/command.ts";
import { samplesOf } from "../unit/metrics/samples.ts";
import { expectedOf, outcome, runOf, stuck } from "../unit/sender/helpers.ts";

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
