/** The permission sets of deno.json as flags, for where no deno.json is. */

/** A set as deno.json has it: everything of a kind, nothing of it, or what is listed. */
export type PermissionSet = Readonly<Record<string, boolean | readonly string[]>>;

/**
 * The flags that grant a set and nothing more, in the set's order, each one argument of a program
 * that is started without a shell. Throws a RangeError for a value that a flag can't carry: the
 * flag's own list separator is a comma.
 */
export function permissionFlags(set: PermissionSet): string[] {
  const flags: string[] = [];
  for (const [kind, granted] of Object.entries(set)) {
    if (granted === true) flags.push(`--allow-${kind}`);
    if (typeof granted === "boolean") continue;
    const bad = granted.find((value) => !/^[\w./:\\ -]+$/.test(value));
    if (bad !== undefined) throw new RangeError(`Cannot grant ${kind} to "${bad}" by a flag`);
    if (granted.length > 0) flags.push(`--allow-${kind}=${granted.join(",")}`);
  }
  return flags;
}
