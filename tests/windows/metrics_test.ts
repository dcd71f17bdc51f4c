/** The compiled service writes metrics where windows_exporter reads them. Needs root and wine/setup.sh. */
import assert from "node:assert/strict";
import { REG_SZ } from "../../lib/win32/advapi32.ts";
import { blocksOf, pageText } from "../lab/page_commands.ts";
import { requests, samplesOf } from "../unit/metrics/samples.ts";
import {
  openWindowsHost,
  registryText as sz,
  serviceName,
  type WindowsHost,
} from "./wine/windows_host.ts";

const PARAMCHANGE = 6;
const started = 1, reloaded = 3, reloadRefused = 4, flushed = 10;

/** Windows' path and the session's of a file in each allowed folder; either slash will do. */
const files = [
  [
    "C:\\Program Files\\windows_exporter\\textfile_inputs\\arpflush.prom",
    "/prefix/drive_c/Program Files/windows_exporter/textfile_inputs",
  ],
  [
    "C:/Program Files/ArpFlush/metrics/arpflush.prom",
    "/prefix/drive_c/Program Files/ArpFlush/metrics",
  ],
] as const;

/** The file in a folder as soon as a sample has a value; rejects after 20 s. */
async function samplesWith(
  { session }: WindowsHost,
  folder: string,
  name: string,
  value: number,
): Promise<Map<string, number>> {
  let text = "";
  for (let i = 0; i < 200; i++) {
    text = (await session.unix(["cat", `${folder}/arpflush.prom`])).stdout;
    const samples = text === "" ? null : samplesOf(text);
    if (samples?.get(name) === value) return samples;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`"${name}" is not ${value} in ${folder}: ${text}`);
}

Deno.test("the service under the service control manager writes metrics, moves and removes them", async () => {
  await using host = await openWindowsHost();
  const { manager, session } = host;
  const reload = async (path: string) => {
    await manager.run("setValue", "MetricsFile", REG_SZ, sz(path));
    await manager.run("control", serviceName, PARAMCHANGE);
  };
  const ok = 'arpflush_flushes_total{result="ok"}';
  for (const [, folder] of files) await session.unix(["mkdir", "-p", folder]);

  await manager.run("setValue", "MetricsFile", REG_SZ, sz(files[0][0]));
  await manager.state("start", serviceName);
  await host.event(started);
  await samplesWith(host, files[0][1], ok, 1);
  await host.router("flush");
  await host.event(flushed);
  await samplesWith(host, files[0][1], requests("accepted"), 1);

  await reload(files[1][0]);
  await host.event(reloaded);
  await samplesWith(host, files[1][1], ok, 2);
  assert.equal((await session.unix(["ls", files[0][1]])).stdout, "");

  await reload("C:\\ProgramData\\ArpFlush\\metrics\\arpflush.prom");
  assert.match(
    (await host.event(reloadRefused)).text,
    /MetricsFile: "C:.*arpflush\.prom" is not empty, or a file NAME\.prom in .*textfile_inputs/,
  );
  await manager.state("stop", serviceName);
  await samplesWith(host, files[1][1], requests("accepted"), 1);
  assert.equal((await session.unix(["ls", files[1][1]])).stdout, "arpflush.prom\n");
});

Deno.test("the commands of docs/operating.md make the service under Windows write metrics", async () => {
  const [{ text }] = blocksOf(await pageText("docs/operating.md"), "bat");
  const [add, control, ...more] = text.trim().split("\n");
  assert.deepEqual(more, []);
  // Wine's sc.exe knows few commands; what this one sends is tried above.
  assert.equal(control, "sc.exe control ArpFlush paramchange");
  await using host = await openWindowsHost();
  const { manager, session } = host;
  await session.unix(["mkdir", "-p", files[0][1]]);
  await manager.state("start", serviceName);
  await host.event(started);
  // Wine's cmd.exe takes the line as it is from a file alone.
  await Deno.writeTextFile(`${session.shared}/add.bat`, `${add}\r\n`);
  const added = await session.wine(["cmd", "/c", "Z:\\shared\\add.bat"]);
  assert.equal(added.code, 0, added.stdout + added.stderr);
  await manager.run("control", serviceName, PARAMCHANGE);
  await host.event(reloaded);
  await samplesWith(host, files[0][1], 'arpflush_flushes_total{result="ok"}', 1);
  await manager.state("stop", serviceName);
});
