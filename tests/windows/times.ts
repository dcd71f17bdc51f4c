/**
 * Prints how long start, stop and flush take under Wine's service control manager, as the table of
 * docs/windows.md: the median of 10 of the compiled service, of the same by deno.exe, and of an
 * empty service, in turn; then of the first with Wine's own iphlpapi.dll, which can't flush. Needs
 * root and wine/setup.sh.
 *
 *   deno run -q -P=tests tests/windows/times.ts
 */
import { programs, startFlags } from "../../packaging/programs.ts";
import { compileForWindows } from "./wine/executables.ts";
import { useIpHelper } from "./wine/ip_helper.ts";
import { checkoutPath } from "./wine/paths.ts";
import { denoExe, windowsPath } from "./wine/session.ts";
import { openWindowsHost, serviceName, type WindowsHost } from "./wine/windows_host.ts";
import config from "../../deno.json" with { type: "json" };

const runs = 10;
/** In ms: behind a start for what it leaves for later, behind a stop for the end of the process. */
const restMs = 300;

/** A service that is timed. */
interface Subject {
  readonly service: string;
  readonly title: string;
  /** Whether it says what it flushed. */
  readonly flushes: boolean;
}

const rest = () => new Promise((resolve) => setTimeout(resolve, restMs));

function median(values: readonly number[]): string {
  return values.toSorted((a, b) => a - b)[values.length >> 1].toFixed(0);
}

/** Starts and stops services in turn, so that a busy moment is all theirs; prints a line for each. */
async function measure({ manager, event }: WindowsHost, subjects: readonly Subject[]) {
  const results = subjects.map((subject) => ({
    ...subject,
    starts: [] as number[],
    stops: [] as number[],
    durations: [] as number[],
  }));
  for (let i = 0; i < runs; i++) {
    for (const { service, title, flushes, starts, stops, durations } of results) {
      const { state, ms } = await manager.state("start", service);
      if (state !== "RUNNING") throw new Error(`${title}: the service is ${state}`);
      starts.push(ms);
      if (flushes) durations.push(Number(/in ([\d.]+) ms/.exec((await event(10)).text)?.[1]));
      await rest();
      stops.push((await manager.state("stop", service)).ms);
      await rest();
    }
  }
  for (const { title, flushes, starts, stops, durations } of results) {
    const flush = flushes ? median(durations) : "none";
    console.log(`| ${title} | ${median(starts)} | ${median(stops)} | ${flush} |`);
  }
}

await using host = await openWindowsHost();
const { shared } = host.session;
const program = programs.find(({ permissions }) => permissions === "service");
if (program === undefined) throw new Error("packaging/programs.ts names no service");
const { entry } = program;
const { success } = await new Deno.Command(Deno.execPath(), {
  args: ["bundle", "-q", "--minify", "--platform=deno", `--output=${shared}/service.js`, entry],
  cwd: checkoutPath,
}).output();
if (!success) throw new Error(`Cannot bundle ${entry}`);
const script = windowsPath("/shared/service.js");
const flags = startFlags(program, config.unstable).join(" ");
const run = `"${denoExe}" run -A --no-config --no-prompt ${flags} ${script}`;
await host.manager.run("create", "ByDeno", run);
await compileForWindows("tests/windows/wine/empty_service.ts", `${shared}/empty.exe`);
await host.manager.run("create", "Empty", `"${windowsPath("/shared/empty.exe")}"`);
console.log("| ms | start | stop | flush at the start |");
console.log("| --- | --- | --- | --- |");
await measure(host, [
  { service: serviceName, title: "compiled (Deno 2.7.11)", flushes: true },
  { service: "ByDeno", title: "deno.exe 2.9.5 and a bundle", flushes: true },
  { service: "Empty", title: "an empty service, compiled", flushes: false },
]);
await useIpHelper(host.session, "builtin");
await measure(host, [
  { service: serviceName, title: "compiled, Wine's own iphlpapi.dll", flushes: false },
]);
