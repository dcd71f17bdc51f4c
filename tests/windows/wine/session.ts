/**
 * A Wine of its own for a test: Windows' executables, registry, service control manager, and the
 * Linux network namespace it is given as its network. The checkout is /checkout in it. Nothing of it is left when it is disposed of.
 */
import { linesOf, run } from "../../support/command.ts";
import { cachePath, checkoutPath } from "./paths.ts";

/** How a command ended. */
interface Ended {
  readonly code: number;
  /** stdout and stderr, CR LF turned into LF. */
  readonly stdout: string;
  readonly stderr: string;
}

/** What a command gets besides its arguments. */
interface RunOptions {
  env?: Record<string, string>;
  /** An error after this time; the program then ends with the session. @default 60_000 */
  timeoutMillis?: number;
}

/** A running Wine. */
export interface WineSession extends AsyncDisposable {
  /** A folder of this machine that is /shared in the session, and is removed with it. */
  readonly shared: string;
  /** A process in the session's network, for nsenter. */
  readonly networkOf: number;
  /** Runs a Windows program: a name that Wine finds, or a Windows path. */
  wine(command: readonly string[]): Promise<Ended>;
  /** Runs a Unix program in the session. */
  unix(command: readonly string[], options?: RunOptions): Promise<Ended>;
  /** Starts a Windows program, its standard input a pipe; it ends with the session at the latest. */
  startWine(command: readonly string[]): Deno.ChildProcess;
}

/** The Windows path of a Unix path in the session. */
export function windowsPath(unixPath: string): string {
  return `Z:${unixPath.replaceAll("/", "\\")}`;
}

/** deno.exe, as the session sees it. */
export const denoExe = windowsPath("/npm/@deno/win32-x64/deno.exe");

/** What lib_program.ts does and prints in a session; rejects when it fails. */
export async function runLibProgram(
  session: WineSession,
  ...args: readonly string[]
): Promise<unknown> {
  const program = windowsPath("/checkout/tests/windows/wine/lib_program.ts");
  const deno = [denoExe, "run", "-q", "-A", "--no-check", "--cached-only", program];
  const { code, stdout, stderr } = await session.wine([...deno, ...args]);
  if (code !== 0) throw new Error(`lib_program.ts ${args.join(" ")}: ${stderr}`);
  return JSON.parse(stdout);
}

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
 * Starts Wine, about a second, in the network namespace of a process, or in one of its own with
 * 192.0.2.5/24 and 2001:db8::5/64 on interface e0, and a neighbor on its link, 192.0.2.1 and
 * 2001:db8::1 at 02:00:00:00:00:01. Needs root and what setup.sh built.
 */
export async function openWineSession(
  options: { networkOf?: number } = {},
): Promise<WineSession> {
  const shared = await Deno.makeTempDir({ prefix: "arpflush-wine-" });
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
    shared,
  ];
  const [program, ...args] = options.networkOf === undefined
    ? ["unshare", "--net", "env", "ARPFLUSH_OWN_NETWORK=1", ...session]
    : ["nsenter", "-t", String(options.networkOf), "-n", ...session];
  const holder = new Deno.Command(program, {
    args,
    // Closed when this process ends, which ends the session.
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const complaint = new Response(holder.stderr).text();
  const layer = (await linesOf(holder.stdout).next()).value?.trim() ?? "";
  if (layer === "") {
    await Deno.remove(shared, { recursive: true });
    throw new Error(`Cannot start a Wine session: ${(await complaint).trim()}`);
  }
  const init = await onlyChild(holder.pid);
  const enter = ["-t", String(init), "-m", "-p", "-n", "chroot", layer, "env", "-i"];

  function start(
    command: readonly string[],
    stdin: "piped" | "null",
    env: Record<string, string> = {},
  ): Deno.ChildProcess {
    const own = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return new Deno.Command("nsenter", {
      args: [...enter, ...environment, ...own, ...command],
      stdin,
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  async function unix(words: readonly string[], options: RunOptions = {}): Promise<Ended> {
    const { timeoutMillis = 60_000 } = options;
    const child = start(words, "null", options.env);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => reject(new Error(`No end in ${timeoutMillis} ms: ${words.join(" ")}`)),
      timeoutMillis,
    );
    try {
      const { code, stdout, stderr } = await Promise.race([child.output(), late]);
      return { code, stdout: lines(stdout), stderr: lines(stderr) };
    } finally {
      clearTimeout(timer);
    }
  }

  return {
    shared,
    networkOf: init,
    wine: (words) => unix(["wine", ...words]),
    unix,
    startWine: (words) => start(["wine", ...words], "piped"),
    async [Symbol.asyncDispose]() {
      // --kill-child: process 1 goes with its parent, and every process of the session with it.
      holder.kill("SIGKILL");
      await holder.stdin.abort().catch(() => {});
      await holder.status;
      await complaint;
      await Deno.remove(shared, { recursive: true });
    },
  };
}

function lines(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes).replaceAll("\r\n", "\n");
}

/** Deno itself reads nothing of /proc without every permission. */
async function onlyChild(pid: number): Promise<number> {
  return Number(await run(["cat", `/proc/${pid}/task/${pid}/children`]));
}

/** The folder where this Deno keeps packages. */
async function denoDir(): Promise<string> {
  const { denoDir }: { readonly denoDir: string } = JSON.parse(
    await run([Deno.execPath(), "info", "--json"]),
  );
  return denoDir;
}
