/** Starts what is measured: the project's own receiver and its peers, each a process of its own. */
import { CommandError, type CommandLine, run } from "../support/command.ts";
import { derivedKeysText } from "./secrets.ts";

const folder = `${import.meta.dirname}/peers/`;

/** Compiled programs in a folder that vanishes with this. */
export interface Peers extends AsyncDisposable {
  /** The path of a compiled peer, or null where there is no C compiler. */
  program(name: "serve" | "ask" | "flood" | "hosts" | "first"): string | null;
}

/** Compiles the peers written in C; rejects when one of them can't be. */
export async function compilePeers(): Promise<Peers> {
  const into = await Deno.makeTempDir({ prefix: "arpflush-bench-" });
  const compiled = new Set<string>();
  if (await hasCompiler()) {
    for (const name of ["serve", "ask", "flood", "hosts", "first"]) {
      await run(["cc", "-O2", "-o", `${into}/${name}`, `${folder}${name}.c`]);
      compiled.add(name);
    }
  }
  return {
    program: (name) => compiled.has(name) ? `${into}/${name}` : null,
    [Symbol.asyncDispose]: () => Deno.remove(into, { recursive: true }),
  };
}

async function hasCompiler(): Promise<boolean> {
  try {
    await run(["cc", "--version"]);
    return true;
  } catch (error) {
    if (error instanceof CommandError) return false;
    throw error;
  }
}

/** A kind of receiver. */
export interface ReceiverKind {
  readonly name: string;
  readonly line: CommandLine;
}

/** Deno's receivers: see peers/serve.ts. */
export function denoReceiver(
  kind: "arpflush" | "node" | "no-mac" | "webcrypto" | "mac" | "bare",
  name: string,
) {
  const entry = `${folder}serve.ts`;
  return { name, line: [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests", entry, kind] };
}

/** Receivers in other languages, as far as the machine has them. */
export async function foreignReceivers(peers: Peers): Promise<ReceiverKind[]> {
  const serve = peers.program("serve");
  const c = serve === null ? [] : [{ name: "C loop", line: [serve] }];
  const python = await findPython();
  const script = `${folder}serve.py`;
  return [...c, ...(python === null ? [] : [{ name: "Python loop", line: [python, script] }])];
}

/** Python's own path: a version manager's shim would be measured with it otherwise. */
export async function findPython(): Promise<string | null> {
  try {
    return (await run(["python3", "-c", "import sys; print(sys.executable)"])).trim();
  } catch (error) {
    if (error instanceof CommandError) return null;
    throw error;
  }
}

/** A receiver that listens. */
export interface RunningReceiver extends AsyncDisposable {
  readonly pid: number;
  /** The first line it prints behind "ready". */
  readonly result: Promise<string>;
}

/** Starts a receiver with its arguments, the port first; resolves when it listens. */
export async function startReceiverProcess(
  { line }: ReceiverKind,
  ...numbers: readonly (number | string)[]
): Promise<RunningReceiver> {
  const [program, ...args] = [...line, ...numbers.map(String)];
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(derivedKeysText())).catch(() => {});
  await stdin.close().catch(() => {});
  const lines = linesOf(child.stdout);
  if (await lines() !== "ready") throw new Error(`Cannot start ${line.join(" ")}`);
  return {
    pid: child.pid,
    result: lines(),
    [Symbol.asyncDispose]: async () => {
      try {
        child.kill("SIGKILL");
      } catch {
        // It has ended.
      }
      await child.status;
    },
  };
}

/** Reads a stream line by line; after its end each line is empty. */
export function linesOf(stream: ReadableStream<Uint8Array>): () => Promise<string> {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let last = Promise.resolve("");
  async function next(): Promise<string> {
    while (!rest.includes("\n")) {
      const { value, done } = await reader.read();
      if (done) return rest;
      rest += value;
    }
    const end = rest.indexOf("\n");
    const line = rest.slice(0, end);
    rest = rest.slice(end + 1);
    return line;
  }
  return () => last = last.then(next);
}

/** Runs a program with bytes on its standard input; gives what it prints. */
export async function runWith(
  line: CommandLine,
  input: Uint8Array,
  signal?: AbortSignal,
): Promise<string> {
  const [program, ...args] = line;
  const child = new Deno.Command(program, {
    args,
    stdin: "piped",
    stdout: "piped",
    signal,
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(input).catch(() => {});
  await writer.close().catch(() => {});
  const { stdout } = await child.output();
  return new TextDecoder().decode(stdout);
}
