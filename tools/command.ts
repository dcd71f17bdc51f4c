/** Running programs for the demo and the tests. */

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

/** Runs a program to its end and gives what it printed. Rejects with a `CommandError`. */
export async function run(line: CommandLine, input = ""): Promise<string> {
  const child = spawn(line);
  const writing = feed(child.stdin, input);
  const { code, stdout, stderr } = await child.output();
  await writing;
  if (code === 0) return new TextDecoder().decode(stdout);
  const complaint = new TextDecoder().decode(stderr).trim().split("\n")[0];
  throw new CommandError(line, complaint || `it ended with code ${code}`);
}

function spawn(line: CommandLine): Deno.ChildProcess {
  const [program, ...args] = line;
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  try {
    return new Deno.Command(program, { args, ...streams }).spawn();
  } catch (error) {
    throw new CommandError(line, error instanceof Error ? error.message : String(error));
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
