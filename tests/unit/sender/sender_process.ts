/** The sender as a process of its own, with its own permissions. */

const root = `${import.meta.dirname}/../../../`;

/** The command line that starts the sender as `deno task send` does. */
export const senderCommand: readonly string[] = [
  Deno.execPath(),
  ..."run -q --no-prompt -P=sender --config".split(" "),
  `${root}deno.json`,
  `${root}send.ts`,
];

export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command to its end; fails if that takes longer than the time limit. */
export async function runCommand(
  argv: readonly string[],
  options: Pick<Deno.CommandOptions, "env" | "clearEnv" | "cwd"> = {},
): Promise<Ended> {
  const [command, ...args] = argv;
  const signal = AbortSignal.timeout(20_000);
  const output = await new Deno.Command(command, { args, stdin: "null", signal, ...options })
    .output();
  if (signal.aborted) throw new Error(`Not ended after 20 s: ${argv.join(" ")}`);
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  return { code: output.code, stdout: text(output.stdout), stderr: text(output.stderr) };
}

/** Runs the sender with these arguments. */
export async function runSender(
  args: readonly string[],
  options: Parameters<typeof runCommand>[1] = {},
): Promise<Ended> {
  return await runCommand([...senderCommand, ...args], options);
}

/** A folder for a test, with a key file of the tests' key in it. */
export async function withFolder(
  test: (folder: string, keyFile: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const keyFile = `${folder}/key`;
    const secret = new Uint8Array(32).fill(1);
    await Deno.writeTextFile(keyFile, `${btoa(String.fromCharCode(...secret))}\n`, { mode: 0o600 });
    await test(folder, keyFile);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
