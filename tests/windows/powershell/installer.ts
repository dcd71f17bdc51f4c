/**
 * install.ps1 on a Windows of its own: a Wine session in its own network, with doubles in the place of
 * sc.exe, netsh.exe, icacls.exe and wevtutil.exe, and folders to install from.
 */
import { run } from "../../support/command.ts";
import { openNetworkNamespace } from "../../support/namespaces.ts";
import { built } from "../wine/built.ts";
import { cachePath } from "../wine/paths.ts";
import { openWineSession, windowsPath, type WineSession } from "../wine/session.ts";
import { type Folders, layStandIns } from "./folders.ts";
import { buildHost, missingForHost } from "./host.ts";

/** One run of install.ps1; see PlannedRun in host/Plan.cs. */
export interface Run {
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Runs the script's text with these, as Invoke-Command -FilePath does. */
  readonly positions?: readonly string[];
  readonly argumentPassing?: "Legacy" | "Standard" | "Windows";
  readonly answers?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly inject?: { readonly step: string; readonly at: "start" | "end" };
  /** Which folder's script. @default first */
  readonly from?: keyof Folders;
}

/** What came out of a run. */
export interface Report {
  readonly exitCode: number;
  readonly lines: readonly { readonly stream: string; readonly text: string }[];
  /** The machine's state before and after, a line a fact; see host/Machine.cs. */
  readonly before: readonly string[];
  readonly after: readonly string[];
}

/** An open one. */
export interface Installer extends AsyncDisposable {
  readonly session: WineSession;
  readonly folders: Folders;
  /** Runs one after the other in one PowerShell process. */
  run(...runs: readonly Run[]): Promise<Report[]>;
  /** The command lines that the doubles were given since this was asked last. */
  calls(): Promise<string[]>;
}

/** What this machine lacks for it, or null. */
export async function missingForInstaller(): Promise<string | null> {
  if (Deno.build.os !== "linux" || Deno.uid() !== 0) return "root on Linux";
  const hasWine = await Deno.stat(`${cachePath}/wine/stamp`).then(() => true, () => false);
  return hasWine ? await missingForHost() : "Wine (tests/windows/wine/setup.sh)";
}

/** Opens one; some seconds. */
export async function openInstaller(
  lay: (session: WineSession) => Promise<Folders> = layStandIns,
): Promise<Installer> {
  const { windows } = await buildHost();
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await openNetworkNamespace("winhost"));
  const session = stack.use(await openWineSession({ networkOf: network.pid }));
  await placeDoubles(session);
  const folders = await lay(session);
  await run(["cp", "-r", windows, `${session.shared}/host`]);
  const owned = stack.move();
  return {
    session,
    folders,
    run: (...runs) => runInstaller(session, folders, runs),
    calls: () => takeCalls(session),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function placeDoubles(session: WineSession): Promise<void> {
  const folder = await built(session, "tests/windows/powershell/doubles/build.sh");
  const copy = 'cp "$1"/*.exe /prefix/drive_c/windows/system32/';
  const { code, stderr } = await session.unix(["sh", "-c", copy, "sh", folder]);
  if (code !== 0) throw new Error(`Cannot place the doubles: ${stderr}`);
}

/** The lines of one stream of a report. */
export function linesOf({ lines }: Report, stream: string): string[] {
  return lines.filter((line) => line.stream === stream).map(({ text }) => text);
}

/** Wine takes its own programs unless told otherwise. */
const overrides = "sc.exe,netsh.exe,icacls.exe,wevtutil.exe=n";
/** Many runs in one process, each of them seconds under load. */
const timeoutMillis = 600_000;

async function runInstaller(
  session: WineSession,
  folders: Folders,
  runs: readonly Run[],
): Promise<Report[]> {
  const plan = runs.map(({ from = "first", ...rest }) => ({
    ...rest,
    script: `${folders[from]}\\install.ps1`,
    snapshot: true,
  }));
  await Deno.writeTextFile(`${session.shared}/plan.json`, JSON.stringify(plan));
  const [program, planFile, resultFile, callsFile] = [
    "/shared/host/PowerShellHost.exe",
    "/shared/plan.json",
    "/shared/result.json",
    "/shared/calls",
  ].map(windowsPath);
  const env = { WINEDLLOVERRIDES: overrides, ARPFLUSH_DOUBLES: callsFile };
  const ended = await session.wine([program, "run", planFile, resultFile], { env, timeoutMillis });
  if (ended.code !== 0) throw new Error(`Cannot run the plan: ${ended.stderr}`);
  return JSON.parse(await Deno.readTextFile(`${session.shared}/result.json`));
}

async function takeCalls({ shared }: WineSession): Promise<string[]> {
  const text = await Deno.readTextFile(`${shared}/calls`).catch(() => "");
  await Deno.remove(`${shared}/calls`).catch(() => {});
  return text.split("\n").filter((line) => line !== "");
}
