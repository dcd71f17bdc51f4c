/** Running programs for the demo and the tests. */
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
export interface RunOptions {
  /** For its standard input. @default nothing */
  readonly input?: string;
  /** Ends it. @default never */
  readonly signal?: AbortSignal;
}

/** Runs a program to its end. Rejects with a `CommandError` if it can't be started. */
export async function outcomeOf(
  line: CommandLine,
  { input = "", signal }: RunOptions = {},
): Promise<CommandOutcome> {
  const child = spawn(line, signal);
  const writing = feed(child.stdin, input);
  const { code, stdout, stderr } = await child.output();
  await writing;
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

function spawn(line: CommandLine, signal: AbortSignal | undefined): Deno.ChildProcess {
  const [program, ...args] = line;
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  try {
    return new Deno.Command(program, { args, signal, ...streams }).spawn();
  } catch (error) {
    throw new CommandError(line, messageOf(error));
  }
}

/** A program that ends without reading its input breaks the pipe; its exit code says the rest. */
async function feed(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // See above.
  }
}
