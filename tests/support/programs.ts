/** The project's own programs as processes, for the demo and the tests. */
import { type CommandLine, linesOf } from "./command.ts";

const root = new URL("../../", import.meta.url);

/** The programs by the name of their permission set. */
const entries = { service: "service.ts", sender: "send.ts", router: "send.ts" } as const;

/** The command line of a program with the permissions of its task. */
export function programLine(name: keyof typeof entries, args: readonly string[]): string[] {
  const { href } = new URL(entries[name], root);
  return [Deno.execPath(), "run", "-q", "--no-prompt", `-P=${name}`, href, ...args];
}

/** Loads what programs need from the registry, so that they start without a network. */
export function fetchLine(paths: readonly string[]): string[] {
  return [Deno.execPath(), "cache", "-q", ...paths.map((path) => new URL(path, root).href)];
}

/** A service in a process of its own. Disposing of it kills it if it still runs. */
export interface ServiceProcess extends AsyncDisposable {
  /** All lines of its log so far. */
  readonly log: readonly string[];
  /** The first line that matches; rejects when the process has ended, and after a minute. */
  line(pattern: RegExp): Promise<string>;
  /** Asks it to end; gives its exit code. */
  stop(signal?: Deno.Signal): Promise<number>;
  /** Sends it a signal. */
  kill(signal: Deno.Signal): void;
}

/** How a service is started. */
interface ServiceStart {
  /** Put before its command line. @default nothing */
  readonly argv?: CommandLine;
  /** @default "service" */
  readonly program?: keyof typeof entries;
  /** Behind its entry. */
  readonly args: readonly string[];
  /** More of its environment. @default nothing */
  readonly env?: Readonly<Record<string, string>>;
}

/** Starts a service or a router's daemon; it is ready when `line(/Started|Following/)` resolves. */
export function startServiceProcess(start: ServiceStart): ServiceProcess {
  const [program, ...args] = [
    ...start.argv ?? [],
    ...programLine(start.program ?? "service", start.args),
  ];
  const env = { DENO_NO_UPDATE_CHECK: "1", ...start.env };
  const child = new Deno.Command(program, { args, env, stdin: "null", stderr: "piped" }).spawn();
  const log: string[] = [];
  const waiting = new Set<() => void>();
  let ended = false;
  const reading = (async () => {
    for await (const line of linesOf(child.stderr)) {
      log.push(line);
      waiting.forEach((wake) => wake());
    }
    ended = true;
    waiting.forEach((wake) => wake());
  })();

  async function end(signal: Deno.Signal): Promise<number> {
    kill(child, signal);
    await reading;
    return (await child.status).code;
  }

  return {
    log,
    line: (pattern) =>
      new Promise((resolve, reject) => {
        const look = () => {
          const found = log.find((line) => pattern.test(line));
          if (found === undefined && !ended) return;
          settle("The process ended", found);
        };
        const settle = (why: string, found?: string) => {
          clearTimeout(timer);
          waiting.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`${why} without ${pattern}: ${log.join("; ")}`));
        };
        const timer = setTimeout(() => settle("A minute passed"), 60_000);
        waiting.add(look);
        look();
      }),
    stop: (signal = "SIGTERM") => end(signal),
    kill: (signal) => kill(child, signal),
    [Symbol.asyncDispose]: async () => void await end("SIGKILL"),
  };
}

/** Signals a process; one that has ended is fine. */
function kill(child: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    child.kill(signal);
  } catch {
    // It has ended.
  }
}
