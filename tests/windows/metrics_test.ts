/** The compiled service writes metrics where windows_exporter reads them. Needs root and wine/setup.sh. */
import assert from "node:assert/strict";
import { REG_SZ } from "../../lib/win32/advapi32.ts";
import { blocksOf, pageText } from "../lab/page_commands.ts";
import { until } from "../support/command.ts";
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

/** Waits until a sample of the file in a folder has a value. */
async function samplesWith(
  { session }: WindowsHost,
  folder: string,
  name: string,
  value: number,
): Promise<void> {
  const isThere = async () => {
    const text = (await session.unix(["cat", `${folder}/arpflush.prom`])).stdout;
    return text !== "" && samplesOf(text).get(name) === value;
  };
  await until(isThere, `"${name}" to be ${value} in ${folder}`, 20_000);
}

Deno.test("the service writes metrics as docs/operating.md says, moves and removes them", async () => {
  const [{ text }] = blocksOf(await pageText("docs/operating.md"), "bat");
  const [add, control, ...more] = text.trim().split("\n");
  assert.deepEqual(more, []);
  // Wine's sc.exe doesn't know this one: the manager sends what it would send.
  assert.equal(control, "sc.exe control ArpFlush paramchange");
  await using host = await openWindowsHost();
  const { manager, session } = host;
  const reload = () => manager.run("control", serviceName, PARAMCHANGE);
  const moveTo = async (path: string) => {
    await manager.run("setValue", "MetricsFile", REG_SZ, sz(path));
    await reload();
  };
  const ok = 'arpflush_flushes_total{result="ok"}';
  for (const [, folder] of files) await session.unix(["mkdir", "-p", folder]);

  await manager.state("start", serviceName);
  await host.event(started);
  // Wine's cmd.exe takes the line as it is from a file alone.
  await Deno.writeTextFile(`${session.shared}/add.bat`, `${add}\r\n`);
  const added = await session.wine(["cmd", "/c", "Z:\\shared\\add.bat"]);
  assert.equal(added.code, 0, added.stdout + added.stderr);
  await reload();
  await host.event(reloaded);
  await samplesWith(host, files[0][1], ok, 1);
  await host.router("flush");
  await host.event(flushed);
  await samplesWith(host, files[0][1], requests("accepted"), 1);

  await moveTo(files[1][0]);
  await host.event(reloaded);
  await samplesWith(host, files[1][1], ok, 2);
  assert.equal((await session.unix(["ls", files[0][1]])).stdout, "");

  await moveTo("C:\\ProgramData\\ArpFlush\\metrics\\arpflush.prom");
  assert.match(
    (await host.event(reloadRefused)).text,
    /MetricsFile: "C:.*arpflush\.prom" is not empty, or a file NAME\.prom in .*textfile_inputs/,
  );
  await manager.state("stop", serviceName);
  await samplesWith(host, files[1][1], requests("accepted"), 1);
  assert.equal((await session.unix(["ls", files[1][1]])).stdout, "arpflush.prom\n");
});
