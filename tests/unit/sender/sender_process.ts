/** The sender as a process of its own, with its own permissions. */
import {
  type CommandLine,
  type CommandOutcome,
  outcomeOf,
  type RunOptions,
} from "../../support/command.ts";
import { createRouter } from "../../support/datagrams.ts";

/** Whose key the sender signs with. */
export const testRouter = createRouter(1);

const root = `${import.meta.dirname}/../../../`;

/** The command line that starts the sender as `deno task send` does. */
export const senderCommand: readonly string[] = [
  Deno.execPath(),
  ..."run -q --no-prompt -P=sender --config".split(" "),
  `${root}deno.json`,
  `${root}send.ts`,
];

/** Runs a command to its end, or ends it after 20 s. */
export async function runCommand(
  line: CommandLine,
  options: RunOptions = {},
): Promise<CommandOutcome> {
  return await outcomeOf(line, { signal: AbortSignal.timeout(20_000), ...options });
}

/** Runs the sender with these arguments. */
export async function runSender(
  args: readonly string[],
  options: RunOptions = {},
): Promise<CommandOutcome> {
  return await runCommand([...senderCommand, ...args], options);
}

/** A folder for a test, with a key file of the tests' key in it. */
export async function withFolder(
  test: (folder: string, keyFile: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const keyFile = `${folder}/key`;
    await Deno.writeTextFile(keyFile, `${testRouter.secretText}\n`, { mode: 0o600 });
    await test(folder, keyFile);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
