/**
 * Prints how long start, stop and flush take under Wine's service control manager, compiled and by
 * deno.exe, as the table of docs/windows.md: the median of 10. Needs root and wine/setup.sh.
 *
 *   deno run -q -P=tests tests/windows/times.ts
 */
import { checkoutPath } from "./wine/paths.ts";
import { denoExe, windowsPath } from "./wine/session.ts";
import { openWindowsHost, serviceName, type WindowsHost } from "./wine/windows_host.ts";

const runs = 10;

function median(values: readonly number[]): string {
  return values.toSorted((a, b) => a - b)[values.length >> 1].toFixed(0);
}

/** Starts and stops a service; a line of the table. */
async function measure(host: WindowsHost, service: string, title: string): Promise<string> {
  const starts: number[] = [];
  const stops: number[] = [];
  const flushes: number[] = [];
  for (let i = 0; i < runs; i++) {
    const { state, ms } = await host.manager.state("start", service);
    if (state !== "RUNNING") throw new Error(`${title}: the service is ${state}`);
    starts.push(ms);
    const { text } = await host.event(10);
    flushes.push(Number(/in ([\d.]+) ms/.exec(text)?.[1]));
    stops.push((await host.manager.state("stop", service)).ms);
  }
  return `| ${title} | ${median(starts)} | ${median(stops)} | ${median(flushes)} |`;
}

await using host = await openWindowsHost();
const { success } = await new Deno.Command(Deno.execPath(), {
  args: [
    "bundle",
    "-q",
    "--platform=deno",
    `--output=${host.session.shared}/service.js`,
    "service.ts",
  ],
  cwd: checkoutPath,
}).output();
if (!success) throw new Error("Cannot bundle service.ts");
const script = windowsPath("/shared/service.js");
const run = `"${denoExe}" run -A --no-config --no-prompt --unstable-net ${script}`;
await host.manager.run("create", "ByDeno", run);
console.log("| ms | start | stop | flush at the start |");
console.log("| --- | --- | --- | --- |");
console.log(await measure(host, serviceName, "compiled (Deno 2.7.11)"));
console.log(await measure(host, "ByDeno", "deno.exe 2.9.5 and a bundle"));
