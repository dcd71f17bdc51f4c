/** What the operating system said, without what only a programmer wants to know. */

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
