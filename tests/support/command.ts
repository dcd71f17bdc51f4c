/** Running programs, reading what they print, and waiting for what they do. */
import { messageOf } from "../../lib/errors.ts";

/** A program and its arguments. */
export type CommandLine = readonly string[];

/** A program that couldn't be started or ended badly. */
export class CommandError extends Error {
  override readonly name = "CommandError";
  constructor(
    line: CommandLine,
    /** What the system or the program said about it, one line. */
    readonly complaint: string,
  ) {
    super(`Cannot run "${line.join(" ")}": ${complaint}`);
  }
}

/** How a program ended. */
export interface CommandOutcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program is run with. */
export interface RunOptions extends Pick<Deno.CommandOptions, "clearEnv" | "cwd" | "env"> {
  /** For its standard input. @default nothing */
  readonly input?: string | Uint8Array<ArrayBuffer>;
  /** Kills it. @default never */
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. Rejects with a `CommandError` if it can't be started. */
export async function outcomeOf(
  line: CommandLine,
  { input = "", signal, ...options }: RunOptions = {},
): Promise<CommandOutcome> {
  const child = spawn(line, options);
  // Deno's own option sends SIGTERM, which unshare blocks; killed, it takes all with it.
  const kill = () => child.kill("SIGKILL");
  signal?.addEventListener("abort", kill);
  if (signal?.aborted) kill();
  // A program that ends without reading its input breaks the pipe; its exit code says the rest.
  const writing = new Blob([input]).stream().pipeTo(child.stdin).catch(() => {});
  const { code, stdout, stderr } = await child.output();
  await writing;
  signal?.removeEventListener("abort", kill);
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/** Runs a program and gives what it printed. Rejects with a `CommandError` unless it ends well. */
export async function run(line: CommandLine, options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await outcomeOf(line, options);
  if (code === 0) return stdout;
  const complaint = stderr.trim().split("\n")[0];
  throw new CommandError(line, complaint || `it ended with code ${code}`);
}

/** Whether all of these programs are found by PATH. */
export async function isInstalled(...programs: readonly string[]): Promise<boolean> {
  const script = 'for program; do command -v "$program" || exit; done';
  try {
    return (await outcomeOf(["sh", "-c", script, "sh", ...programs])).code === 0;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

function spawn(
  [program, ...args]: CommandLine,
  options: Omit<RunOptions, "input" | "signal">,
): Deno.ChildProcess {
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  try {
    return new Deno.Command(program, { args, ...options, ...streams }).spawn();
  } catch (error) {
    throw new CommandError([program, ...args], messageOf(error));
  }
}

/** What a program prints, line by line; a last line without an end counts. */
export async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Waits so many ms. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Looks every 20 ms until something holds. Rejects when it doesn't in time. @default withinMs 60_000 */
export async function until(
  holds: () => boolean | Promise<boolean>,
  what: string,
  withinMs = 60_000,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!await holds()) {
    if (performance.now() > end) throw new Error(`Not in ${withinMs} ms: ${what}`);
    await pause(20);
  }
}

/** Runs a body with a folder of its own, which is gone afterwards. */
export async function inFolder<Result>(
  body: (folder: string) => Promise<Result> | Result,
): Promise<Result> {
  const folder = await Deno.makeTempDir({ prefix: "arpflush-" });
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
