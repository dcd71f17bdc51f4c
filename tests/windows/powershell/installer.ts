/**
 * install.ps1 on a Windows of its own, run by the real PowerShell: a Wine session with the doubles of
 * doubles/ in the place of what Wine hasn't, and folders to install from.
 */
import { until } from "../../support/command.ts";
import { built } from "../wine/built.ts";
import { compiled } from "../wine/executables.ts";
import { placeStandIn } from "../wine/windows_host.ts";
import { cachePath } from "../wine/paths.ts";
import { openWineSession, windowsPath, type WineSession } from "../wine/session.ts";

/** One run of install.ps1. */
export interface Run {
  /** Takes everything away first that earlier runs have left. */
  readonly fresh?: true;
  readonly parameters?: Readonly<Record<string, unknown>>;
  /** Runs the script's text with these, as Invoke-Command -FilePath does. */
  readonly positions?: readonly string[];
  /** Runs `install` in ConstrainedLanguage. */
  readonly constrained?: true;
  /** Runs `install` by a token that has Administrators only for what they are refused. */
  readonly unelevated?: true;
  /** PowerShell that is run before, on the same machine. */
  readonly before?: string;
  /** See doubles/doubles.ps1. */
  readonly faults?: readonly (
    | { readonly kind: "fail"; readonly at: number }
    | { readonly kind: "held" | "watch" | "spoil" | "keep" }
  )[];
  /** What the event log holds, the newest first. @default nothing */
  readonly events?: readonly { Id: number; Level: number; Text: string }[] | "stopped";
  /** Which folder's script. @default first */
  readonly from?: Folder;
}

/** What came out of a run. */
export interface Report {
  readonly exitCode: number;
  readonly lines: readonly string[];
  /** The machine's state before and after, a line a fact; see run.ps1. */
  readonly before: readonly string[];
  readonly after: readonly string[];
  readonly faults: readonly {
    readonly met: string;
    readonly count: number;
    /** The error of each refused call, and how often each was. */
    readonly errors: readonly number[];
    readonly refused: Readonly<Record<string, number>>;
  }[];
}

/** Folders to install from; a name may have every letter that could hurt. */
const folders = {
  /** Version 0.1.0 */
  first: "Ünï cödé & [x] 'q' %TEMP% (1)",
  /** A later version. */
  second: "second",
  /** Version 0.3.0, whose service ends at once. */
  broken: "broken",
  /** The later version with a file that isn't what SHA256SUMS says. */
  tampered: "tampered",
};
type Folder = keyof typeof folders;

/** Windows' path of a folder. */
export function folderPath(name: Folder): string {
  return `C:\\setup\\${folders[name]}`;
}

/** An open one. */
export interface Installer extends AsyncDisposable {
  readonly session: WineSession;
  /** Runs one after the other, all in one PowerShell process. */
  run(...runs: readonly Run[]): Promise<Report[]>;
  /** The arguments of each call of sc.exe since this was asked last. */
  calls(): Promise<string[][]>;
}

/** The second version where programs are compiled; the stand-ins' versions are 0.1.0 and 0.2.0. */
export const laterVersion = "99.0.0";

/** Opens one for the tests of a file; some seconds. With the real, compiled programs in two versions, or stand-ins for them. */
export async function openInstaller(programs: "compiled" | "stand-ins"): Promise<Installer> {
  const session = await openWineSession();
  try {
    const doubles = await built(session, "tests/windows/powershell/doubles/build.sh");
    await sh(session, `cp "$1/sc.exe" /prefix/drive_c/windows/system32/`, doubles);
    const standIns = (["first", "second", "broken"] as const).map((name) =>
      `${doubles}/${name}.exe`
    );
    const services = programs === "stand-ins" ? standIns : [
      `/checkout/${await compiled("windows-x64")}/arpflush-service.exe`,
      `/checkout/${await compiled("windows-x64", laterVersion)}/arpflush-service.exe`,
      standIns[2],
    ];
    if (programs === "compiled") await placeStandIn(session);
    await layFolders(session, services);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
  const ask = await startPowerShell(session, "run.ps1", {
    // Wine takes its own sc.exe unless told otherwise.
    WINEDLLOVERRIDES: "sc.exe=n",
    ARPFLUSH_DOUBLES: "Z:\\shared\\calls",
  });
  return {
    session,
    run: (...runs) =>
      ask(runs.map(({ from = "first", ...run }) => ({
        ...run,
        script: `${folderPath(from)}\\install.ps1`,
      }))),
    calls: () => takeCalls(session),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** A release is installed as it is. Else arpflush.exe is only copied: any bytes will do. */
const layFolder = `set -e
to="/prefix/drive_c/setup/$1"
mkdir -p "$to"
from=$(dirname "$2")
if [ -f "$from/install.ps1" ]; then cp "$from"/* "$to/"; exit; fi
cp "$2" "$to/arpflush-service.exe"
echo "the sender of $1" >"$to/arpflush.exe"
cp /checkout/install.ps1 "$to/"
cd "$to"
sha256sum arpflush-service.exe arpflush.exe install.ps1 >SHA256SUMS`;

async function layFolders(session: WineSession, services: readonly string[]): Promise<void> {
  const [first, second, broken] = services;
  await sh(session, layFolder, folders.first, first);
  await sh(session, layFolder, folders.second, second);
  await sh(session, layFolder, folders.broken, broken);
  await sh(session, layFolder, folders.tampered, second);
  await sh(session, `echo more >>/prefix/drive_c/setup/tampered/arpflush.exe`);
}

/** Runs a shell script in the session. */
export async function sh(session: WineSession, script: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await session.unix(["sh", "-c", script, "sh", ...args]);
  if (code !== 0) throw new Error(`sh: ${stderr}`);
  return stdout;
}

/** What the lines of a report say. */
export function textOf({ lines }: Report): string {
  return lines.join("\n");
}

/** How long a plan may take: many runs, each of them seconds under load. */
const timeoutMillis = 900_000;

/**
 * Starts a script of this folder by the real PowerShell, whose start takes seconds. It is given plans, one
 * after the other, by files of JSON, and answers each by another file (plans.ps1). PowerShell needs a
 * console, which Wine gives to nothing but a terminal on standard input: `script` is one.
 */
export async function startPowerShell(
  { shared, unix }: WineSession,
  script: string,
  env: Record<string, string> = {},
): Promise<<Answer>(plan: unknown) => Promise<Answer>> {
  if (!await isThere(`${cachePath}/wine/pwsh/pwsh.exe`)) {
    throw new Error("PowerShell: install the .NET 10 SDK, then run tests/windows/wine/setup.sh");
  }
  const pwsh = "wine /pwsh/pwsh.exe -NoProfile -NonInteractive -ExecutionPolicy Bypass -File " +
    `'${windowsPath(`/checkout/tests/windows/powershell/${script}`)}' >/shared/said 2>&1`;
  let isEnded = false;
  unix(["script", "-qec", pwsh, "/dev/null"], { env: { NO_COLOR: "1", ...env }, timeoutMillis })
    .catch(() => {}).finally(() => isEnded = true);
  return async (plan) => {
    await Deno.writeTextFile(`${shared}/plan.new`, JSON.stringify(plan));
    await Deno.rename(`${shared}/plan.new`, `${shared}/plan.json`);
    const answer = `${shared}/answer.json`;
    await until(async () => isEnded || await isThere(answer), `${script} answers`, timeoutMillis);
    if (isEnded) {
      throw new Error(`${script} has ended: ${await Deno.readTextFile(`${shared}/said`)}`);
    }
    const text = await Deno.readTextFile(answer);
    await Deno.remove(answer);
    return JSON.parse(text);
  };
}

function isThere(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

async function takeCalls({ shared }: WineSession): Promise<string[][]> {
  const text = await Deno.readTextFile(`${shared}/calls`).catch(() => "");
  await Deno.remove(`${shared}/calls`).catch(() => {});
  return text.split("\n").filter((line) => line !== "").map((line) => line.split("\t"));
}
