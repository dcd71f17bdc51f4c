/**
 * iproute2's `ip`, run once for several commands: they go in by its batch mode, its JSON comes out.
 * Nothing in here knows what the commands mean.
 */
import { messageOf } from "../errors.ts";
import { type AddressPrefix, parseAddress, parseLinkLayerAddress } from "../wire/addresses.ts";
import { EIO, NeighborCacheError } from "./neighbor_cache.ts";

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

const errno = { ENOENT: 2, EACCES: 13, ETIMEDOUT: 110 } as const;

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
    throw new NeighborCacheError(`Cannot run "${program}": ${messageOf(error)}`, spawnErrno(error));
  }
}

function spawnErrno(error: unknown): number {
  if (error instanceof Deno.errors.NotFound) return errno.ENOENT;
  const denied = error instanceof Deno.errors.PermissionDenied ||
    error instanceof Deno.errors.NotCapable;
  return denied ? errno.EACCES : EIO;
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

// What went wrong in a run of `ip`, as an errno and one line of text.

/** Errno by the texts of Linux's strerror in the C locale and by iproute2's own; the rest is EIO. */
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

/** EEXIST: what `neigh add` gives where an entry is. */
export const eexist = 17;
const enoent = 2;
const enodev = 19;

/** The errno that a line of `ip` on standard error stands for. */
export function errnoOf(text: string): number {
  return errnoByText.find(([part]) => text.includes(part))?.[1] ?? EIO;
}

const batchLine = /^Command failed -:\d+$/;

/** What a run printed, as far as it came. */
export interface IpOutput {
  /** Its lines on standard output, empty ones left out. */
  readonly lines: string[];
  /** The first line of standard error, if it failed. */
  readonly failure: NeighborCacheError | null;
}

/** Reads the result of a run. */
export function readIpResult(result: IpResult): IpOutput {
  const lines = nonEmptyLines(result.stdout);
  if (result.code === 0) return { lines, failure: null };
  const complaints = nonEmptyLines(result.stderr).filter((line) => !batchLine.test(line));
  if (complaints.length === 0 && lines.some(bailsOut)) return { lines, failure: null };
  const complaint = complaints[0] ?? `it ended with code ${result.code}`;
  const message = `Cannot run "ip": ${complaint}`;
  return { lines, failure: new NeighborCacheError(message, errnoOf(complaint)) };
}

/**
 * Whether a flush stopped because an entry or an interface that it had just listed was gone when it
 * came to it: something else removed it, another flush for one. What was behind is still there.
 */
export function wasOvertaken({ message, code }: NeighborCacheError): boolean {
  return message.includes("Failed to send flush request") && (code === enoent || code === enodev);
}

function nonEmptyLines(text: string): string[] {
  return text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
}

// The JSON of `ip neigh show` and `ip route show` as values. Pure; refuses every malformed form.

/** One entry of the kernel's table. */
export interface KernelNeighbor {
  readonly address: AddressPrefix;
  readonly device: string;
  /** Null while the kernel knows none, or if it isn't an Ethernet address. */
  readonly linkLayerAddress: Uint8Array | null;
  /** Neighbor unreachability detection's state as `ip` spells it: REACHABLE, STALE, PERMANENT, … */
  readonly state: string;
}

/** The value of a line of JSON. */
export function parseIpLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    throw malformed("no JSON", line);
  }
}

/** The entries of one `neigh show`. */
export function parseNeighbors(value: unknown): KernelNeighbor[] {
  return arrayOf(value).map((entry) => {
    const { dst, dev, lladdr, state } = recordOf(entry);
    const address = typeof dst === "string" ? parseAddress(dst) : null;
    if (address === null) throw malformed("an entry without an address", entry);
    if (typeof dev !== "string" || dev === "") {
      throw malformed("an entry without an interface", entry);
    }
    if (lladdr !== undefined && typeof lladdr !== "string") {
      throw malformed("a link-layer address that is no text", entry);
    }
    if (!Array.isArray(state) || state.length !== 1 || typeof state[0] !== "string") {
      throw malformed("an entry without a state", entry);
    }
    const linkLayerAddress = lladdr === undefined ? null : parseLinkLayerAddress(lladdr);
    return { address, device: dev, linkLayerAddress, state: state[0] };
  });
}

/** The gateways of one `route show default`, each once, in its order. */
export function parseGateways(value: unknown): AddressPrefix[] {
  const texts = new Set<string>();
  for (const entry of arrayOf(value)) {
    const route = recordOf(entry);
    const hops = route.nexthops === undefined ? [] : arrayOf(route.nexthops).map(recordOf);
    for (const hop of [route, ...hops]) {
      const text = gatewayOf(hop);
      if (text !== undefined) texts.add(text);
    }
  }
  return Array.from(texts, (text) => {
    const address = parseAddress(text);
    if (address === null) throw malformed("a gateway that is no address", text);
    return address;
  });
}

/** The gateway's text; `via` is an IPv6 gateway of an IPv4 route (RFC 5549). */
function gatewayOf(hop: Record<string, unknown>): string | undefined {
  const text = hop.gateway ?? (hop.via === undefined ? undefined : recordOf(hop.via).host);
  if (text !== undefined && typeof text !== "string") {
    throw malformed("a gateway that is no text", hop);
  }
  return text;
}

function arrayOf(value: unknown): unknown[] {
  if (!Array.isArray(value)) throw malformed("no array", value);
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function recordOf(value: unknown): Record<string, unknown> {
  if (!isRecord(value)) throw malformed("no object", value);
  return value;
}

function malformed(what: string, value: unknown): NeighborCacheError {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return new NeighborCacheError(`Cannot read the output of "ip": ${what}: ${cut(text)}`);
}

function cut(text: string): string {
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}

// What `ip -statistics neigh flush` says it did. It lists the entries and deletes those it listed, in rounds, until a round finds none.

/** What the flushes of one run did. */
export interface FlushCount {
  /** Entries of the first round of each: those that were there when it began. */
  readonly removed: number;
  /** How many flushes came to their end. */
  readonly ended: number;
}

const firstRound = /^\*\*\* Round 1, deleting (\d+) entries \*\*\*$/;
const complete = /^(?:Nothing to flush\.|\*\*\* Flush is complete after \d+ rounds? \*\*\*)$/;
/**
 * What it prints when after ten rounds entries still come back, as they do on a host with traffic.
 * Each of the rounds removed whatever was there: the flush is done.
 */
const comesBack = /^\*\*\* Flush not complete bailing out after \d+ rounds$/;

/** Whether a line is that of a flush that entries keep coming back to. */
export function bailsOut(line: string): boolean {
  return comesBack.test(line);
}

/** Reads the lines of a run; what isn't known is left out. */
export function readFlushes(lines: readonly string[]): FlushCount {
  let removed = 0, ended = 0;
  for (const line of lines) {
    removed += Number(firstRound.exec(line)?.[1] ?? 0);
    if (complete.test(line) || bailsOut(line)) ended++;
  }
  return { removed, ended };
}
