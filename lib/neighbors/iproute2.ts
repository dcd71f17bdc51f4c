/**
 * iproute2's `ip`: run once for several commands by its batch mode, and what it prints read as
 * values. A row of JSON that can't be read costs that row alone.
 */
import { messageOf } from "../errors.ts";
import { systemAfter } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  parseAddress,
  parseLinkLayerAddress,
} from "../wire/addresses.ts";
import { EIO, type Neighbor, NeighborCacheError } from "./neighbor_cache.ts";

/** What a run of `ip` left behind. */
interface IpResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Gets the first line that `ip` prints and says how its input goes on: each text is written before it
 * is asked for the next one, so that it can work while `ip` does.
 */
type NextInput = (line: string) => Iterable<string>;

/**
 * Runs `ip` with arguments and a text on its standard input. Rejects with a `NeighborCacheError` if `ip` can't
 * be started (2 missing, 13 not executable) or doesn't end in time (110), and with what `next`
 * throws; a run that ends with an error is no rejection.
 */
export type IpCommand = (
  args: readonly string[],
  input: string,
  next?: NextInput,
) => Promise<IpResult>;

/** Where `ip` is and how long it may take. */
interface IpCommandOptions {
  /** A name to look for in PATH, or a path. @default "ip" */
  readonly program?: string;
  /** After this time it is killed. @default 5000 */
  readonly timeoutMs?: number;
}

/** errno numbers (errno-base.h). */
export const ENOENT = 2;
export const EACCES = 13;
export const EEXIST = 17;
export const ENODEV = 19;
export const EINVAL = 22;
export const ENETUNREACH = 101;
export const ETIMEDOUT = 110;
export const EHOSTUNREACH = 113;

/** An `IpCommand` that starts a process each time. */
export function createIpCommand(
  { program = "ip", timeoutMs = 5000 }: IpCommandOptions = {},
): IpCommand {
  return async (args, input, next) => {
    const child = spawn(program, args);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    let late = false;
    const cancel = systemAfter(timeoutMs, () => {
      late = true;
      kill(child);
      // What it started itself may hold the pipes open for longer than it lives.
      stdout.cancel();
      stderr.cancel();
    });
    try {
      const [, status, out, err] = await Promise.all([
        feed(child.stdin, input, async () => {
          const line = next === undefined ? undefined : await stdout.firstLine;
          return line === undefined ? [] : next?.(line) ?? [];
        }),
        child.status,
        stdout.text,
        stderr.text,
      ]);
      if (late) {
        const message = `Cannot run "${program}": it did not end within ${timeoutMs} ms`;
        throw new NeighborCacheError(message, ETIMEDOUT);
      }
      return { code: status.code, stdout: out, stderr: err };
    } finally {
      cancel();
    }
  };
}

/**
 * Starts `ip` with an empty environment: its messages are then those of the C locale, which are read
 * here, and Deno, which permits the service to run `ip` alone, refuses to run anything with an
 * LD_LIBRARY_PATH or LD_PRELOAD that the service happens to have.
 */
function spawn(program: string, args: readonly string[]): Deno.ChildProcess {
  try {
    return new Deno.Command(program, {
      args: [...args],
      clearEnv: true,
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  } catch (error) {
    throw new NeighborCacheError(`Cannot run "${program}": ${messageOf(error)}`, spawnErrno(error));
  }
}

function spawnErrno(error: unknown): number | undefined {
  if (error instanceof Deno.errors.NotFound) return ENOENT;
  const denied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  return denied ? EACCES : undefined;
}

/** Ends a process; one that has ended by itself meanwhile is fine. */
function kill(child: Deno.ChildProcess): void {
  try {
    child.kill("SIGKILL");
  } catch {
    // It has ended.
  }
}

/** Writes the input and what comes behind it, if anything, and closes the stream. */
async function feed(
  stdin: WritableStream<Uint8Array>,
  input: string,
  rest: () => Promise<Iterable<string>>,
): Promise<void> {
  const writer = stdin.getWriter();
  const write = (text: string) => writer.write(new TextEncoder().encode(text));
  try {
    // A program that ends without reading its input breaks the pipe; its exit code says the rest.
    await write(input).catch(() => {});
    for (const text of await rest()) await write(text).catch(() => {});
  } finally {
    await writer.close().catch(() => {});
  }
}

/** Reads a stream to its end, or until cancelled: what had come by then. */
function collect(stream: ReadableStream<Uint8Array>) {
  const reader = stream.getReader();
  const { promise: firstLine, resolve } = Promise.withResolvers<string | undefined>();
  const text = (async () => {
    const decoder = new TextDecoder();
    let collected = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      const part = decoder.decode(read.value, { stream: true });
      const end = part.indexOf("\n");
      if (end >= 0) resolve(collected + part.slice(0, end));
      collected += part;
    }
    resolve(undefined);
    return collected + decoder.decode();
  })();
  return {
    /** Undefined if the stream ends before a line does. */
    firstLine,
    text,
    cancel: () => void reader.cancel().catch(() => {}),
  };
}

/** errno by the texts of strerror in the C locale and by iproute2's own. */
const errnoByText: readonly (readonly [string, number])[] = [
  ["Operation not permitted", 1],
  ["No such file or directory", 2],
  ["Cannot allocate memory", 12],
  ["Permission denied", 13],
  ["Device or resource busy", 16],
  ["File exists", 17],
  ["No such device", 19],
  ["Cannot find device", 19],
  ["Invalid argument", 22],
  ["Too many open files", 24],
  ["No space left on device", 28],
  ["Operation not supported", 95],
  ["Address family not supported", 97],
  ["Network is down", 100],
  ["Network is unreachable", 101],
  ["No buffer space available", 105],
  ["Connection timed out", 110],
  ["No route to host", 113],
];

/** The errno that a line of `ip` on standard error stands for; EIO for an unknown text. */
function errnoOf(text: string): number {
  return errnoByText.find(([part]) => text.includes(part))?.[1] ?? EIO;
}

const batchLine = /^Command failed -:\d+$/;
/** What `ip` says beside what it was asked, of its own files in /etc/iproute2, for one. */
const remark = /^Warning: |^Database .* is corrupted/;
/** Exit codes from here on say that a signal ended the process. */
const firstSignalCode = 128;

/** What a run printed, as far as it came. */
interface IpOutput {
  /** Its lines on standard output, empty ones left out. */
  readonly lines: string[];
  /** Complaints that are tolerated. */
  readonly tolerated: number;
}

/**
 * Reads the result of a run; `failure` is the first complaint that isn't tolerated, if it failed.
 * Complaints with a `tolerable` errno are no failure.
 */
export function readIpResult(
  { code, stdout, stderr }: IpResult,
  tolerable: readonly number[] = [],
): IpOutput & { readonly failure: NeighborCacheError | null } {
  const lines = nonEmptyLines(stdout);
  if (code === 0) return { lines, tolerated: 0, failure: null };
  const complaints = nonEmptyLines(stderr).filter((line) =>
    !batchLine.test(line) && !remark.test(line)
  );
  const failed = complaints.filter((line) => !tolerable.includes(errnoOf(line)));
  const tolerated = complaints.length - failed.length;
  const isExplained = tolerated > 0 || lines.some(bailsOut);
  if (failed.length === 0 && isExplained && code < firstSignalCode) {
    return { lines, tolerated, failure: null };
  }
  const complaint = failed[0] ?? `it ended with code ${code}`;
  const failure = new NeighborCacheError(`Cannot run "ip": ${complaint}`, errnoOf(complaint));
  return { lines, tolerated, failure };
}

/** Runs `ip` once. Rejects with its first complaint that isn't tolerable, too. */
export async function runIp(
  ip: IpCommand,
  args: readonly string[],
  tolerable?: readonly number[],
  input = "",
  next?: NextInput,
): Promise<IpOutput> {
  const { failure, ...output } = readIpResult(await ip(args, input, next), tolerable);
  if (failure !== null) throw failure;
  return output;
}

/** `-force` goes on after a command that failed, but for those that change a neighbor. */
export const batchOptions = ["-force", "-json", "-batch", "-"];

export const lines = (commands: readonly string[]) =>
  commands.map((command) => `${command}\n`).join("");

/** Runs commands by one `ip`; otherwise as `runIp`. */
export function runBatch(
  ip: IpCommand,
  commands: readonly string[],
  tolerable?: readonly number[],
  next?: NextInput,
): Promise<IpOutput> {
  return runIp(ip, batchOptions, tolerable, lines(commands), next);
}

function nonEmptyLines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

/** One entry of the kernel's table. */
export interface KernelNeighbor extends Neighbor {
  /** It has a link-layer address that isn't an Ethernet address. */
  readonly foreign: boolean;
  /**
   * Neighbor unreachability detection's state as `ip` spells it: REACHABLE, STALE, PERMANENT, …;
   * empty for none, as a router has that announced itself without its link-layer address.
   */
  readonly state: string;
}

/** Whether the entries at an address, in the kernel's words, are wanted. */
export type Wanted = (dst: string) => boolean;

/** Wants the entries at some addresses, as far as can be told from the text alone. */
export function wantedAt(addresses: readonly AddressPrefix[]): Wanted {
  const texts = new Set(addresses.map(formatAddress));
  // Only with dots in it does the kernel write an IPv6 address otherwise than RFC 5952.
  return (dst) => texts.has(dst) || /:.*\./.test(dst);
}

/**
 * The entries in a line of JSON from `neigh show`, those that are wanted. Rows that can't be read are
 * left out.
 */
export function parseNeighbors(line: string, isWanted: Wanted = () => true): KernelNeighbor[] {
  return rowsOf(line).flatMap((row) => {
    const { dst, dev, lladdr } = row;
    const states = Array.isArray(row.state) ? row.state : [];
    const address = typeof dst === "string" && isWanted(dst) ? parseAddress(dst) : null;
    if (address === null || typeof dev !== "string" || dev === "") return [];
    const linkLayerAddress = typeof lladdr === "string" ? parseLinkLayerAddress(lladdr) : null;
    return [{
      address,
      interfaceName: dev,
      linkLayerAddress,
      foreign: typeof lladdr === "string" && linkLayerAddress === null,
      state: states.join(" "),
      // NOARP: no neighbor is asked for; extern_learn: a routing program's. Neither is the kernel's to change.
      permanent: states.includes("PERMANENT") || states.includes("NOARP") || "extern_learn" in row,
    }];
  });
}

/** The objects in an array of JSON. Throws a `NeighborCacheError` for anything else. */
export function rowsOf(line: string): Record<string, unknown>[] {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw unreadable(`no JSON: ${cut(line)}`);
  }
  if (!Array.isArray(value)) throw unreadable(`no array: ${cut(line)}`);
  return value.filter(isRecord);
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The error for output that isn't as it should be. */
export function unreadable(what: string): NeighborCacheError {
  return new NeighborCacheError(`Cannot read the output of "ip": ${what}`);
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

/** What the flushes of one run did, as `-statistics` has them say it. */
interface FlushCount {
  /** Entries of the first round of each: those that were there when it began. */
  readonly removed: number;
  /** How many flushes came to their end. */
  readonly ended: number;
}

// A flush lists the entries and deletes those it listed, in rounds, until a round finds none.
const firstRound = /^\*\*\* Round 1, deleting (\d+) entries \*\*\*$/;
const complete = /^(?:Nothing to flush\.|\*\*\* Flush is complete after \d+ rounds? \*\*\*)$/;
/**
 * Printed when after ten rounds entries still come back, as they do on a host with traffic. Each of
 * the rounds removed whatever was there: the flush is done.
 */
const comesBack = /^\*\*\* Flush not complete bailing out after \d+ rounds$/;

function bailsOut(line: string): boolean {
  return comesBack.test(line);
}

/** Counts what the lines of a run say; other lines are left out. */
export function readFlushes(lines: readonly string[]): FlushCount {
  let removed = 0, ended = 0;
  for (const line of lines) {
    removed += Number(firstRound.exec(line)?.[1] ?? 0);
    if (complete.test(line) || bailsOut(line)) ended++;
  }
  return { removed, ended };
}
