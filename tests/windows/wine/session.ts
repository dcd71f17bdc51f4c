/**
 * A Wine of its own for a test: Windows' executables, registry, service control manager, and the
 * Linux network namespace it is given as its network. Nothing of it is left when it is disposed of.
 */
import { cachePath, checkoutPath } from "./paths.ts";

/** How a command ended. */
export interface Ended {
  readonly code: number;
  /** stdout and stderr, CR LF turned into LF. */
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command gets besides its arguments. */
export interface RunOptions {
  env?: Record<string, string>;
  /** Killed after this time, which is an error. @default 60_000 */
  timeoutMillis?: number;
}

/** A running Wine. */
export interface WineSession extends AsyncDisposable {
  /** The session's root folder, as this process sees it. The checkout is /checkout in it. */
  readonly root: string;
  /** Runs a Windows program: a name that Wine finds, or a Windows path. */
  wine(command: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Runs a Unix program in the session. */
  unix(command: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Starts a Windows program, which ends with the session at the latest. */
  startWine(command: readonly string[], options?: RunOptions): Deno.ChildProcess;
}

/** The Windows path of a Unix path in the session. */
export function windowsPath(unixPath: string): string {
  return `Z:${unixPath.replaceAll("/", "\\")}`;
}

/** deno.exe, as the session sees it. */
export const denoExe = windowsPath("/npm/@deno/win32-x64/deno.exe");

const environment = [
  "HOME=/root",
  "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
  "LANG=C.UTF-8",
  "WINEPREFIX=/prefix",
  "WINEDEBUG=-all",
  "XDG_RUNTIME_DIR=/tmp",
  `DENO_DIR=${windowsPath("/deno-dir")}`,
];

/**
 * Starts Wine, about a second, in the network namespace of a process. Needs root and what setup.sh
 * built.
 */
export async function openWineSession(
  options: { networkOf?: number } = {},
): Promise<WineSession> {
  const session = [
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--propagation",
    "private",
    "bash",
    `${checkoutPath}/tests/windows/wine/session.sh`,
    `${cachePath}/wine`,
    checkoutPath,
    await denoDir(),
  ];
  const [program, ...args] = options.networkOf === undefined
    ? session
    : ["nsenter", "-t", String(options.networkOf), "-n", ...session];
  const holder = new Deno.Command(program, {
    args,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(holder.stderr).text();
  const layer = (await firstLine(holder.stdout)).trim();
  if (layer === "") {
    throw new Error(`Cannot start a Wine session: ${(await complaint).trim()}`);
  }
  const init = await onlyChild(holder.pid);
  const enter = ["-t", String(init), "-m", "-p", "-n", "chroot", layer, "env", "-i"];

  function command(command: readonly string[], { env = {} }: RunOptions): Deno.Command {
    const own = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return new Deno.Command("nsenter", {
      args: [...enter, ...environment, ...own, ...command],
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    });
  }

  async function run(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const { timeoutMillis = 60_000 } = options;
    const child = command(words, options).spawn();
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill("SIGKILL");
    }, timeoutMillis);
    const { code, stdout, stderr } = await child.output();
    clearTimeout(timer);
    if (timedOut) throw new Error(`No end in ${timeoutMillis} ms: ${words.join(" ")}`);
    return { code, stdout: lines(stdout), stderr: lines(stderr) };
  }

  return {
    root: `/proc/${init}/root${layer}`,
    wine: (words, options) => run(["wine", ...words], options),
    unix: run,
    startWine: (words, options = {}) => command(["wine", ...words], options).spawn(),
    async [Symbol.asyncDispose]() {
      // --kill-child: process 1 goes with its parent, and every process of the session with it.
      holder.kill("SIGKILL");
      await holder.status;
      await complaint;
    },
  };
}

function lines(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
}

/** The first line of a stream, or all of it when it ends before. Leaves the stream canceled. */
async function firstLine(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.includes("\n")) break;
  }
  return text.split("\n")[0];
}

async function onlyChild(pid: number): Promise<number> {
  const children = await Deno.readTextFile(`/proc/${pid}/task/${pid}/children`);
  return Number(children.trim());
}

/** The folder where this Deno keeps packages. */
async function denoDir(): Promise<string> {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json"] }).output();
  const info: unknown = JSON.parse(new TextDecoder().decode(stdout));
  if (typeof info !== "object" || info === null || !("denoDir" in info)) {
    throw new Error("Cannot find the cache of Deno: deno info names none");
  }
  return String(info.denoDir);
}
