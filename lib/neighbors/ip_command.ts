/**
 * iproute2's `ip`, run once for several commands: they go in by its batch mode, its JSON comes out.
 * Nothing in here knows what the commands mean.
 */
import { NeighborCacheError } from "./neighbor_cache.ts";

/** What a run of `ip` left behind. */
export interface IpResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs `ip` with arguments and a text on its standard input. Rejects with a `NeighborCacheError` if
 * it can't be started (2 missing, 13 not executable) or doesn't end in time (110); a run that ends
 * with an error is no rejection.
 */
export type IpCommand = (args: readonly string[], input: string) => Promise<IpResult>;

/** Where `ip` is and how long it may take. */
export interface IpCommandOptions {
  /** A name to look for in PATH, or a path. @default "ip" */
  readonly program?: string;
  /** After this time it is killed. @default 5000 */
  readonly timeoutMs?: number;
}

const errno = { ENOENT: 2, EIO: 5, EACCES: 13, ETIMEDOUT: 110 } as const;

/** An `IpCommand` that starts a process each time. */
export function createIpCommand(options: IpCommandOptions = {}): IpCommand {
  const { program = "ip", timeoutMs = 5000 } = options;
  return async (args, input) => {
    const child = spawn(program, args);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      killed(child);
      // What it started itself may hold the pipes open for longer than it lives.
      stdout.cancel();
      stderr.cancel();
    }, timeoutMs);
    try {
      await write(child.stdin, input);
      const [status, out, err] = await Promise.all([child.status, stdout.text, stderr.text]);
      if (late) {
        const message = `Cannot run "${program}": it did not end within ${timeoutMs} ms`;
        throw new NeighborCacheError(message, errno.ETIMEDOUT);
      }
      return { code: status.code, stdout: out, stderr: err };
    } finally {
      clearTimeout(timer);
    }
  };
}

function spawn(program: string, args: readonly string[]): Deno.ChildProcess {
  const streams = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
  try {
    return new Deno.Command(program, { args: [...args], ...streams }).spawn();
  } catch (error) {
    throw new NeighborCacheError(`Cannot run "${program}": ${textOf(error)}`, spawnErrno(error));
  }
}

function spawnErrno(error: unknown): number {
  if (error instanceof Deno.errors.NotFound) return errno.ENOENT;
  const denied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  return denied ? errno.EACCES : errno.EIO;
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Ends a process; one that has ended by itself meanwhile is fine. */
function killed(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

/** A program that ends without reading its input breaks the pipe; its exit code says the rest. */
async function write(stdin: WritableStream<Uint8Array>, input: string): Promise<void> {
  const writer = stdin.getWriter();
  try {
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  } catch {
    // See above.
  }
}

/** Reads a stream to its end, or until cancelled: the text is then what had come by that time. */
function collect(stream: ReadableStream<Uint8Array>): { text: Promise<string>; cancel(): void } {
  const reader = stream.getReader();
  const text = (async () => {
    const decoder = new TextDecoder();
    let collected = "";
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      collected += decoder.decode(part.value, { stream: true });
    }
    return collected + decoder.decode();
  })();
  return { text, cancel: () => void reader.cancel().catch(() => {}) };
}
