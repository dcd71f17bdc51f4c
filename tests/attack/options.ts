/** The arguments of the attack. */

/** How much is attacked with. */
export interface AttackOptions {
  /** Forged requests, at least. */
  readonly forged: number;
  /** Replayed requests, at least, in all circumstances together. */
  readonly replays: number;
  /** Forged acks, at least. */
  readonly acks: number;
  /** The same seed gives the same changes to datagrams; keys, ids of runs and times differ. */
  readonly seed: number;
  readonly json: boolean;
  /** Not in a network namespace of its own. */
  readonly here: boolean;
}

/** How the task is called. */
export const usage = `\
Usage: deno task attack [options]
Attacks the service and the sender over real sockets and counts what came of it.

  --forged N   forged requests, default 1000000
  --replays N  replayed requests, default 100000
  --acks N     forged acks, default 100000
  --seed N     of the random changes, default 1
  --json       one JSON document instead of text
  --here       in this network namespace instead of one of its own; the kernel's
               own count of datagrams is not compared then

Exit: 0 nothing got through   1 something did   2 wrong arguments`;

const defaults: AttackOptions = {
  forged: 1_000_000,
  replays: 100_000,
  acks: 100_000,
  seed: 1,
  json: false,
  here: false,
};

/** Reads them; null: help is wanted. Throws an Error whose message says what is wrong. */
export function parseOptions(args: readonly string[]): AttackOptions | null {
  const options = { ...defaults };
  for (let i = 0; i < args.length; i++) {
    const [, name, attached] = /^--([a-z]+)(?:=(.*))?$/.exec(args[i]) ?? [];
    switch (name) {
      case "help":
        return null;
      case "json":
      case "here":
        options[name] = true;
        break;
      case "forged":
      case "replays":
      case "acks":
      case "seed":
        options[name] = parseNumber(name, attached ?? args[++i]);
        break;
      default:
        throw new Error(`Unknown argument "${args[i]}"`);
    }
  }
  return options;
}

function parseNumber(name: string, text: string | undefined): number {
  if (text === undefined || !/^[1-9]\d{0,8}$/.test(text)) {
    throw new Error(`Option --${name} needs a whole number from 1 on, not "${text ?? ""}"`);
  }
  return Number(text);
}
