/** Starts what is measured: ArpFlush and its peers, each a process of its own. */
import { type CommandLine, linesOf, run } from "../support/command.ts";
import { programLine } from "../support/programs.ts";
import { derivedKeys } from "./requests.ts";

const sources = `${import.meta.dirname}/peers`;
const programs = ["serve", "ask", "flood", "first", "resolve"] as const;

/** Compiles the peers in C into a folder. */
export async function compilePeers(folder: string): Promise<void> {
  for (const name of programs) {
    await run(["cc", "-O2", "-o", `${folder}/${name}`, `${sources}/${name}.c`]);
  }
}

/** A kind of receiver: its name in tables and its command line without port and counts. */
export interface Receiver {
  readonly name: string;
  readonly line: CommandLine;
}

/** A receiver of peers/serve.ts. */
export function denoReceiver(
  kind: "arpflush" | "filter" | "signature" | "bare",
  name: string,
): Receiver {
  const entry = `${sources}/serve.ts`;
  return { name, line: [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", entry, kind] };
}

export function cReceiver(folder: string): Receiver {
  return { name: "C loop", line: [`${folder}/serve`] };
}

/** Python's own path, so that the shim of a version manager isn't measured with it. */
export async function findPython(): Promise<string> {
  return (await run(["python3", "-c", "import sys; print(sys.executable)"])).trim();
}

/** Many hosts in one process: see peers/hosts.ts. */
export function manyHosts(argv: CommandLine): Receiver {
  const line = [...argv, Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];
  return { name: "hosts", line: [...line, `${sources}/hosts.ts`] };
}

/** The sender of the packed folder where a section prepared one, else of the checkout. */
export async function senderLine(folder: string, args: readonly string[]): Promise<CommandLine> {
  const launcher = `${folder}/packed/arpflush`;
  const isPacked = await Deno.stat(launcher).then(() => true, () => false);
  return isPacked ? [launcher, ...args] : programLine("sender", args);
}

/** A receiver that listens. Disposing of it kills it. */
interface RunningReceiver extends AsyncDisposable {
  /** The first line that it prints when it ends by itself. */
  readonly result: Promise<string>;
}

/** Starts a receiver with its last arguments, the port first; resolves when it listens. */
export async function startReceiverProcess(
  { line }: Receiver,
  ...numbers: readonly (number | string)[]
): Promise<RunningReceiver> {
  const [program, ...args] = [...line, ...numbers.map(String)];
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const { filter, ack } = derivedKeys();
  const keys = new Blob([`${filter.toHex()}\n${ack.toHex()}\n`]);
  // A receiver that checks nothing may end without reading its keys.
  await keys.stream().pipeTo(child.stdin).catch(() => {});
  const lines = linesOf(child.stdout);
  const nextLine = async () => (await lines.next()).value ?? "";
  if (await nextLine() !== "ready") throw new Error(`Cannot start ${line.join(" ")}`);
  return {
    result: nextLine(),
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended by itself.
      }
      await child.status;
    },
  };
}
