/**
 * keepalived's general `notify` appends what changed to the command it runs: TYPE NAME STATE
 * PRIORITY (older versions leave PRIORITY out). These come last on the command line whatever the
 * name contains, so they are cut off before options are looked at.
 */
import { UsageError } from "./errors.ts";

/** What keepalived appended. */
export interface Notification {
  readonly type: "INSTANCE" | "GROUP";
  readonly name: string;
  /** MASTER, BACKUP, FAULT, STOP, DELETED, MASTER_RX_LOWER_PRI, … */
  readonly state: string;
}

/** A quoted word's content: some ways of calling a script leave keepalived's quotes in place. */
function unquoted(word: string): string {
  return /^(["']).*\1$/s.test(word) && word.length > 1 ? word.slice(1, -1) : word;
}

function typeOf(word: string | undefined): Notification["type"] | null {
  const text = word === undefined ? "" : unquoted(word);
  return text === "INSTANCE" || text === "GROUP" ? text : null;
}

/**
 * Splits a command line that has `--notify` into what the administrator wrote and what keepalived
 * appended. A name that a shell took apart at its spaces is put together again. Throws a UsageError
 * when no notification ends the line.
 */
export function splitNotification(
  args: readonly string[],
): { readonly args: readonly string[]; readonly notification: Notification } {
  const hasPriority = /^["']?\d{1,3}["']?$/.test(args.at(-1) ?? "");
  const stateAt = args.length - (hasPriority ? 2 : 1);
  const earliest = args.indexOf("--notify") + 1;
  // The usual place first: a name may itself be called INSTANCE or GROUP.
  for (let at = stateAt - 2; at >= earliest; at--) {
    const type = typeOf(args[at]);
    if (type === null) continue;
    const name = unquoted(args.slice(at + 1, stateAt).join(" "));
    return {
      args: args.slice(0, at),
      notification: { type, name, state: unquoted(args[stateAt]) },
    };
  }
  throw new UsageError(
    "Option --notify needs keepalived's TYPE NAME STATE PRIORITY at the end of the command line",
  );
}
