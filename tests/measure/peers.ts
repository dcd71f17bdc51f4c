/** Starts what is measured: ArpFlush and its peers, each a process of its own. */
import { judgedKey } from "../attack/judge.ts";
import { type CommandLine, linesOf, run } from "../support/command.ts";
import { programLine, type ServiceProcess } from "../support/programs.ts";
import { type FaultyHost, type Host, keyFile, openFaultyHost, openSegment } from "../net/chain.ts";
import { openRequestSocket, type RequestSocket, sharedRouter } from "./requests.ts";

const sources = `${import.meta.dirname}/peers`;
const programs = ["serve", "ask", "flood", "first", "resolve"] as const;

/** Compiles the peers in C, or those named, into a folder. The receiver is OpenSSL's. */
export async function compilePeers(
  folder: string,
  names: readonly (typeof programs[number])[] = programs,
): Promise<void> {
  for (const name of names) {
    const libraries = name === "serve" ? ["-lcrypto"] : [];
    await run(["cc", "-O2", "-o", `${folder}/${name}`, `${sources}/${name}.c`, ...libraries]);
  }
}

const deno = [Deno.execPath(), "run", "-q", "--no-prompt", "-P=tests"];

/** The command line of a receiver of peers/serve.ts, without port and counts. */
export function denoReceiver(kind: "arpflush" | "filter" | "signature" | "bare"): CommandLine {
  return [...deno, `${sources}/serve.ts`, kind];
}

/** The same of peers/serve.c. */
export function cReceiver(folder: string): CommandLine {
  return [`${folder}/serve`];
}

/** Python's own path, so that the shim of a version manager isn't measured with it. */
export async function findPython(): Promise<string> {
  return (await run(["python3", "-c", "import sys; print(sys.executable)"])).trim();
}

/** Many hosts in one process: see peers/hosts.ts. */
export function manyHosts(argv: CommandLine): CommandLine {
  return [...argv, ...deno, `${sources}/hosts.ts`];
}

/** The sender of a packed folder, null: of the checkout. */
export function senderLine(packed: string | null, args: readonly string[]): CommandLine {
  return packed === null ? programLine("sender", args) : [`${packed}/arpflush`, ...args];
}

/** A receiver that listens. Disposing of it kills it. */
interface RunningReceiver extends AsyncDisposable {
  /** The first line that it prints when it ends by itself. */
  readonly result: Promise<string>;
}

/** Starts a receiver with its last arguments, the port first; resolves when it listens. */
export async function startReceiverProcess(
  receiver: CommandLine,
  ...numbers: readonly (number | string)[]
): Promise<RunningReceiver> {
  const [program, ...args] = [...receiver, ...numbers.map(String)];
  const child = new Deno.Command(program, { args, stdin: "piped", stdout: "piped" }).spawn();
  const { filter, ack } = judgedKey(sharedRouter.key.publicKey);
  const keys = new Blob([`${filter.toHex()}\n${ack.toHex()}\n`]);
  // A receiver that checks nothing may end without reading its keys.
  await keys.stream().pipeTo(child.stdin).catch(() => {});
  const lines = linesOf(child.stdout);
  const nextLine = async () => (await lines.next()).value ?? "";
  if (await nextLine() !== "ready") throw new Error(`Cannot start ${receiver.join(" ")}`);
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

/** The address of the host of `openMeasuredService`. */
export const measuredHost = "192.0.2.100";

/** A service that runs on a host of a segment of its own. Disposing of it ends all of it. */
interface MeasuredService extends AsyncDisposable {
  readonly host: Host;
  readonly faulty: FaultyHost;
  readonly service: ServiceProcess;
  readonly pid: number;
  /** Asks it as the router that it obeys. */
  readonly socket: RequestSocket;
}

/** Starts a service with these lines of settings. */
export async function openMeasuredService(
  name: string,
  settings: readonly string[],
): Promise<MeasuredService> {
  await using parts = new AsyncDisposableStack();
  const segment = parts.use(await openSegment());
  const host = await segment.host();
  const faulty = parts.use(await openFaultyHost(host, name));
  const service = parts.use(await faulty.startService(settings));
  await service.line(/Started/);
  const pid = await faulty.pid();
  const socket = parts.use(openRequestSocket(await Deno.readTextFile(keyFile), measuredHost));
  const opened = parts.move();
  const end = () => opened.disposeAsync();
  return { host, faulty, service, pid, socket, [Symbol.asyncDispose]: end };
}
