/** Errors and their texts for people. A message is one line without a period. */

/** A command line that can't be followed: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A run of the sender that can't be prepared though its command line is right. */
export class RunError extends Error {
  override readonly name = "RunError";
  constructor(
    message: string,
    /** 1 nothing can be sent, 2 key or configuration. */
    readonly exitCode: 1 | 2,
  ) {
    super(message);
  }
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/**
 * The operating system's reason in an error. Deno's suffixes `(os error 13)` and `: open '/path'`
 * are cut, and Windows' period: the line that the reason goes into names operation and path.
 */
export function systemReason(error: unknown): string {
  const reason = messageOf(error).replace(/ \(os error \d+\).*$/s, "")
    .replace(/^failed to lookup address information: |\.$/g, "");
  return reason === "" ? "unknown error" : reason;
}
