/** What ends a run before it has sent anything. The message is one line without a period. */

/** A command line that can't be carried out: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A key, a configuration or a machine that a command line can't be carried out with. */
export class RunError extends Error {
  override readonly name = "RunError";
  constructor(
    message: string,
    /** As in outcome.ts: 1 nothing can be sent, 2 key or configuration. */
    readonly exitCode: 1 | 2,
  ) {
    super(message);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

// What the operating system said, without what only a programmer wants to know.

/**
 * The reason in an error for a line that a person reads: Deno's suffixes `(os error 13)` and
 * `: open '/path'` are cut, because the line around it names path and operation.
 */
export function systemReason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const reason = message.replace(/ \(os error \d+\).*$/s, "")
    .replace(/^failed to lookup address information: /, "");
  return reason === "" ? "unknown error" : reason;
}
