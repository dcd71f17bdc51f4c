/**
 * One installation's whole life with the real, compiled programs: install.ps1 in PowerShell's own
 * engine, Wine's registry and service control manager, the compiled service on a real port. Printed,
 * it is the one in docs/windows.md. Needs root, wine/setup.sh and the .NET SDK.
 *
 *   deno run -q -P=tests tests/windows/powershell/real_life.ts
 */
import { defaultPort } from "../../../lib/wire/datagram.ts";
import { run } from "../../support/command.ts";
import { checkoutPath } from "../wine/paths.ts";
import { windowsPath } from "../wine/session.ts";
import { testKey } from "../wine/windows_host.ts";
import { openEventLog } from "./event_log_standin.ts";
import { layCompiled } from "./folders.ts";
import { type Installer, openInstaller, type Report, type Run } from "./installer.ts";

/** One command of the administrator, and what came of it. */
export interface Chapter {
  /** As it would be typed. */
  readonly command: string;
  readonly report: Report;
}

/** What somebody else sees of the host. */
export interface Look {
  /** UDP ports that are bound, as Linux' kernel has it. */
  readonly boundPorts: readonly number[];
  /** Whether the service at port 27735 answers a router with the key `testKey`. */
  readonly answersRouter: boolean;
  /** Whether the service's metrics are where they shall be. */
  readonly hasMetrics: boolean;
}

/** The whole life. */
export interface Life {
  readonly chapters: Readonly<Record<ChapterName, Chapter>>;
  /** Behind the chapters of `looksBehind`. */
  readonly looks: ReadonlyMap<ChapterName, Look>;
}

/** The password of the 2009 datagram that is set on the way. */
export const password = "S3cret Pässword";
/** Where the routers' key file is; Windows' path of it. */
export const keyFile = windowsPath("/tmp/kéy & [1]");

/** The metrics file that is set on the way. */
const metricsFile = String.raw`C:\ProgramData\ArpFlush\metrics\arpflush.prom`;
const unixMetricsFile = "/prefix/drive_c/ProgramData/ArpFlush/metrics/arpflush.prom";

const install = { Action: "install" };
const upgrade = { Action: "upgrade" };
const secret = { secret: password };
const settings = {
  Port: 27800,
  AllowedSources: "192.0.2.0/24, 2001:db8::/32",
  HoldDownSeconds: 5,
  MetricsFile: metricsFile,
  Password: secret,
};

/** What is done, in this order. */
const plan = {
  absent: {},
  install: { parameters: install },
  again: { parameters: install },
  json: { parameters: { Action: "status", Json: true } },
  upgrade: { parameters: upgrade, from: "second" },
  broken: { parameters: upgrade, from: "broken" },
  brokenStart: { parameters: upgrade, from: "brokenStart" },
  afterBroken: {},
  takeKey: { parameters: { ...install, KeyFile: keyFile }, from: "second" },
  settings: { parameters: { ...upgrade, ...settings }, from: "second" },
  uninstall: { parameters: { Action: "uninstall" } },
  uninstalled: {},
  back: { parameters: { ...install, Port: 27735 }, from: "second" },
  purge: { parameters: { Action: "uninstall", Purge: true } },
  gone: {},
} satisfies Record<string, Run>;

/** The name of a chapter. */
export type ChapterName = keyof typeof plan;

const looksBehind: readonly ChapterName[] = ["takeKey", "settings", "uninstalled", "back", "gone"];

/** Lives it. */
export async function live(): Promise<Life> {
  await using installer = await openInstaller(layCompiled);
  const { session } = installer;
  await using events = openEventLog(session);
  const unixKeyFile = keyFile.slice(2).replaceAll("\\", "/");
  await session.unix(["sh", "-c", 'echo "$1" >"$2"', "sh", `${testKey} # routers`, unixKeyFile]);
  const chapters: Partial<Record<ChapterName, Chapter>> = {};
  const looks = new Map<ChapterName, Look>();
  for (const batch of batches()) {
    const runs: Run[] = batch.map((name) => ({ ...plan[name], environment: events.environment }));
    const reports = await installer.run(...runs);
    batch.forEach((name, i) => {
      chapters[name] = { command: asTyped(runs[i], installer), report: reports[i] };
    });
    looks.set(batch[batch.length - 1], await look(installer));
  }
  return { chapters: complete(chapters), looks };
}

/** The chapters, parted where somebody looks. */
function batches(): ChapterName[][] {
  const parted: ChapterName[][] = [[]];
  for (const name of names()) {
    parted[parted.length - 1].push(name);
    if (looksBehind.includes(name)) parted.push([]);
  }
  return parted.slice(0, -1);
}

function names(): ChapterName[] {
  return Object.keys(plan).filter((name): name is ChapterName => name in plan);
}

function complete(
  chapters: Partial<Record<ChapterName, Chapter>>,
): Readonly<Record<ChapterName, Chapter>> {
  const isComplete = (
    some: Partial<Record<ChapterName, Chapter>>,
  ): some is Record<ChapterName, Chapter> => names().every((name) => some[name] !== undefined);
  if (!isComplete(chapters)) throw new Error("A chapter is missing");
  return chapters;
}

/** The command line in the folder that is installed from. */
function asTyped({ parameters = {}, from = "first" }: Run, { folders }: Installer): string {
  const words = Object.entries(parameters).map(([name, value]) => {
    if (name === "Action") return String(value);
    if (value === true) return `-${name}`;
    if (value === secret) return `-${name} (Read-Host -AsSecureString)`;
    const text = String(value);
    return `-${name} ${/^[\w.]+$/.test(text) ? text : `"${text}"`}`;
  });
  return [`PS ${folders[from]}> .\\install.ps1`, ...words].join(" ");
}

async function look({ session }: Installer): Promise<Look> {
  const { stdout } = await session.unix(["cat", "/proc/net/udp"]);
  const sockets = stdout.matchAll(/^\s*\d+: [0-9A-F]{8}:([0-9A-F]{4}) /gm);
  const boundPorts = [...sockets].map(([, port]) => parseInt(port, 16));
  const answersRouter = boundPorts.includes(defaultPort) && await probe(session.networkOf);
  const metrics = await session.unix(["grep", "-q", "arpflush_", unixMetricsFile]);
  return { boundPorts, answersRouter, hasMetrics: metrics.code === 0 };
}

/** Asks as a router does, by this machine's own Deno: no program that was installed has a part in it. */
async function probe(networkOf: number): Promise<boolean> {
  const program = `${checkoutPath}/tests/windows/wine/router.ts`;
  const deno = [Deno.execPath(), "run", "-q", "--allow-net", "--allow-env", program, "probe"];
  const key = ["env", `ARPFLUSH_TEST_KEY=${testKey}`];
  const ack = await run(["nsenter", "-t", String(networkOf), "-n", ...key, ...deno]);
  return JSON.parse(ack) !== null;
}

if (import.meta.main) {
  for (const { command, report } of Object.values((await live()).chapters)) {
    console.log(command);
    for (const { text } of report.lines) console.log(text);
    console.log(`(exit code ${report.exitCode})\n`);
  }
  Deno.exit(0);
}
