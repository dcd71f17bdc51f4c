/** What went wrong in a run of `ip`, as an errno and one line of text. */
import { bailsOut } from "./flush_output.ts";
import type { IpResult } from "./ip_command.ts";
import { NeighborCacheError } from "./neighbor_cache.ts";

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
const eio = 5;

/** EEXIST: what `neigh add` gives where an entry is. */
export const eexist = 17;
const enoent = 2;
const enodev = 19;

/** The errno that a line of `ip` on standard error stands for. */
export function errnoOf(text: string): number {
  return errnoByText.find(([part]) => text.includes(part))?.[1] ?? eio;
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
