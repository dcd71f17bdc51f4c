/** Running programs for the demo and the tests. */

/** A program and its arguments. */
export type CommandLine = readonly string[];

/**
 * Runs a program to its end and gives what it printed. Throws an Error with its first line on
 * standard error if it can't be started or its exit code isn't 0.
 */
export async function run(line: CommandLine, input = ""): Promise<string> {
  const [program, ...args] = line;
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writing = feed(child.stdin, input);
  const { code, stdout, stderr } = await child.output();
  await writing;
  if (code === 0) return new TextDecoder().decode(stdout);
  const complaint = new TextDecoder().decode(stderr).trim().split("\n")[0];
  throw new Error(`Cannot run "${line.join(" ")}": ${complaint || `it ended with code ${code}`}`);
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
