/** The sender's command line; help.ts has its text for people. */
import { type CommandLine, type Option, parseCommandLine } from "../command_line.ts";
import { messageOf, UsageError } from "../errors.ts";
import { formatDuration, parseDuration } from "../time.ts";
import { type AddressPrefix, parsePrefix } from "../wire/addresses.ts";
import { defaultPort } from "../wire/datagram.ts";
import type { Action } from "../wire/request.ts";
import { defaultSourcePorts, type PortRange } from "./datagram_port.ts";
import { parseHost, type TargetOptions, uniquePrefixes } from "./targets.ts";

/** All options; the help names each. */
export const senderOptions = {
  all: { letter: "a" },
  interface: { value: "NAME" },
  address: { letter: "A", value: "ADDR" },
  only: {},
  "no-verify": {},
  probe: {},
  ask: {},
  pace: { value: "N" },
  sweep: {},
  pins: {},
  expect: { value: "N|FILE" },
  "key-file": { letter: "k", value: "FILE" },
  port: { letter: "p", value: "N" },
  "source-port": { value: "N[-N]" },
  count: { letter: "c", value: "N" },
  interval: { letter: "i", value: "TIME" },
  wait: { letter: "w", value: "TIME" },
  spread: { value: "TIME" },
  password: { letter: "P", value: "TEXT" },
  "password-file": { value: "FILE" },
  notify: {},
  follow: { value: "FIFO" },
  "unless-following": {},
  syslog: {},
  history: { value: "FILE" },
  metrics: { value: "FILE" },
  json: {},
  quiet: { letter: "q" },
  verbose: { letter: "v" },
  keygen: {},
  "public-key": {},
  help: { letter: "h", isLast: true },
  version: {},
} as const satisfies Record<string, Option>;

type Given = CommandLine<keyof typeof senderOptions>;

/** What signs or fills the datagram: a password is the whole datagram of 2009. */
type Secret =
  | { readonly kind: "key file"; readonly path: string }
  | { readonly kind: "password"; readonly password: string }
  | { readonly kind: "password file"; readonly path: string };

/** Options of a run that sends. */
export interface SendOptions extends TargetOptions {
  readonly port: number;
  /** Own ports, of which the first free one is taken. */
  readonly sourcePorts: PortRange;
  /** How often the same bytes are sent. */
  readonly count: number;
  readonly intervalMs: number;
  /** After the last copy. */
  readonly waitMs: number;
  /** Up to how many ms hosts delay their acks at random; "auto": by how many are expected. */
  readonly spread: "auto" | number;
  readonly secret: Secret;
  readonly action: Action;
  /** Hosts resolve the addresses in question and report. */
  readonly verify: boolean;
  /** Addresses in question; null: this machine's own. */
  readonly addresses: readonly AddressPrefix[] | null;
  /** Hosts that must confirm: how many, or a file of their names. Null: at least one. */
  readonly expect:
    | { readonly kind: "count"; readonly count: number }
    | {
      readonly kind: "file";
      readonly path: string;
      /** Those of its hosts that this run doesn't go to. @default none */
      readonly elsewhere?: ReadonlySet<string>;
    }
    | null;
  /**
   * "pins": a line for an --expect file for each host, with its key; "line": the outcome as a line, to
   * the system log or else to stderr.
   */
  readonly output: "text" | "json" | "pins" | "line";
  /** Ask hosts that run no service, too; null: don't. */
  readonly ask: {
    /** No datagram is sent, and no key is needed. */
    readonly only: boolean;
    /** Broadcast requests a second. */
    readonly pace: number;
    /** Each address of networks up to a /22, not only to a /24. */
    readonly sweep: boolean;
  } | null;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly syslog: boolean;
  /** Send nothing if a process that follows keepalived's FIFO does. */
  readonly unlessFollowing: boolean;
  /** Files that keep the run; null: none. */
  readonly historyFile: string | null;
  readonly metricsFile: string | null;
}

/** What a command line comes to. */
export type Command =
  | { readonly kind: "send"; readonly options: SendOptions }
  /** Do as keepalived's FIFO says, until the end. */
  | { readonly kind: "follow"; readonly fifo: string; readonly options: SendOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "keygen" }
  | { readonly kind: "public key"; readonly path: string }
  | { readonly kind: "history"; readonly path: string; readonly json: boolean }
  /** keepalived told of another state than MASTER; `line` says which. */
  | { readonly kind: "nothing"; readonly line: string; readonly verbose: boolean };

/** Windows, or all others. */
export type Platform = "windows" | "unix";

/** The system that this is. */
export const platform: Platform = Deno.build.os === "windows" ? "windows" : "unix";

/** Where a router's files are unless the command line names others. */
export const defaultFiles: Readonly<Record<Platform, Record<"key" | "history", string>>> = {
  unix: {
    key: "/etc/arpflush/key",
    history: "/var/lib/arpflush-router/history.jsonl",
  },
  windows: {
    key: "C:\\ProgramData\\ArpFlush\\key",
    history: "C:\\ProgramData\\ArpFlush\\history.jsonl",
  },
};

/**
 * What a command line (without the program's name) asks for. Throws a UsageError of one line that
 * names the option and the value that was wrong.
 */
export function parseArguments(args: readonly string[]): Command {
  if (args[0] === "history") return parseHistoryCommand(args.slice(1));
  const end = args.indexOf("--");
  const notifies = (end < 0 ? args : args.slice(0, end)).includes("--notify");
  if (!notifies) return parseCommand(args);
  const { own, instance, state } = splitNotifyArguments(args);
  const command = parseCommand(own);
  if (command.kind !== "send" || state === "MASTER") return command;
  const { verbose } = command.options;
  return { kind: "nothing", line: `${instance} is ${state}: nothing to do`, verbose };
}

const historyOptions = {
  json: senderOptions.json,
  help: senderOptions.help,
} as const satisfies Record<string, Option>;

/** `arpflush history [FILE]`; a host of that name is written behind `--`. */
function parseHistoryCommand(args: readonly string[]): Command {
  const given = parseCommandLine(args, historyOptions);
  if (given.has("help")) return { kind: "help" };
  const [path = defaultFiles[platform].history, another] = given.operands;
  if (another !== undefined) throw new UsageError(`Unknown argument "${another}"`);
  if (path === "") throw new UsageError("The file of history must not be empty");
  return { kind: "history", path, json: given.has("json") };
}

function parseCommand(args: readonly string[]): Command {
  const given = parseCommandLine(args, senderOptions);
  for (const kind of ["help", "version", "keygen"] as const) if (given.has(kind)) return { kind };
  if (given.has("public-key")) return { kind: "public key", path: keyFileIn(given) };
  const options = parseOptions(given);
  const fifo = nonEmpty(given, "follow");
  if (fifo === undefined) return { kind: "send", options };
  for (const name of areNotFollowers) refuseBoth(given, "follow", name);
  return { kind: "follow", fifo, options };
}

/** A follower asks about the addresses that come, probes by itself, and has no end to print at. */
const areNotFollowers = ["address", "probe", "json", "notify", "unless-following"] as const;

function parseOptions(given: Given): SendOptions {
  const ask = parseAsk(given);
  const all = given.has("all") || ask !== null && given.operands.length === 0;
  const interfaceNames = [...new Set(given.values("interface"))];
  refuseBoth(given, "quiet", "verbose");
  refuseBoth(given, "pins", "json");
  if (given.has("pins") && !given.has("probe")) throw new UsageError("Option --pins needs --probe");
  if (!all && given.operands.length === 0) throw new UsageError("Name a HOST, or give --all");
  if (!all && interfaceNames.length > 0) {
    throw new UsageError("Option --interface narrows --all; give both");
  }
  const secret = parseSecret(given);
  if (secret.kind !== "key file" && ask === null) refuseWhatNeedsAcks(given);
  return {
    all,
    interfaceNames,
    hosts: given.operands.map(parseHost),
    port: parseWhole(given, "port", defaultPort, 1, 65_535),
    sourcePorts: parseSourcePorts(given),
    count: parseWhole(given, "count", 5, 1, 1000),
    intervalMs: parseTime(given, "interval", 1000, 1),
    waitMs: parseTime(given, "wait", 2000, 0),
    spread: parseSpread(given),
    secret,
    ...parseSubject(given),
    expect: parseExpect(given),
    ask,
    output: given.has("pins") ? "pins" : given.has("json") ? "json" : "text",
    quiet: given.has("quiet"),
    verbose: given.has("verbose"),
    syslog: given.has("syslog"),
    unlessFollowing: given.has("unless-following"),
    historyFile: nonEmpty(given, "history") ?? null,
    metricsFile: nonEmpty(given, "metrics") ?? null,
  };
}

/** Fast enough for any link; the kernel takes no more. */
const maxPace = 100_000;
/** An inspecting switch shuts a port down that sends more than 15 ARP packets in a second. */
const defaultPace = 10;

function parseAsk(given: Given): SendOptions["ask"] {
  for (const name of ["pace", "sweep"] as const) {
    if (given.has(name) && !given.has("ask")) throw new UsageError(`Option --${name} needs --ask`);
  }
  if (!given.has("ask")) return null;
  refuseBoth(given, "ask", "pins");
  return {
    only: !given.has("all"),
    pace: parseWhole(given, "pace", defaultPace, 1, maxPace),
    sweep: given.has("sweep"),
  };
}

function refuseBoth(given: Given, one: keyof typeof senderOptions, other: typeof one): void {
  if (!given.has(one) || !given.has(other)) return;
  throw new UsageError(`Options --${one} and --${other} conflict`);
}

function parseSecret(given: Given): Secret {
  refuseBoth(given, "password", "password-file");
  refuseBoth(given, "password", "key-file");
  refuseBoth(given, "password-file", "key-file");
  const password = nonEmpty(given, "password");
  if (password !== undefined) return { kind: "password", password };
  const passwordFile = nonEmpty(given, "password-file");
  if (passwordFile !== undefined) return { kind: "password file", path: passwordFile };
  return { kind: "key file", path: keyFileIn(given) };
}

function keyFileIn(given: Given): string {
  return nonEmpty(given, "key-file") ?? defaultFiles[platform].key;
}

const needAcks = ["address", "only", "probe", "expect", "wait", "spread"] as const;

function refuseWhatNeedsAcks(given: Given): void {
  const name = needAcks.find((name) => given.has(name));
  if (name === undefined) return;
  throw new UsageError(`Option --${name} needs a key: nobody acknowledges a password`);
}

function parseSubject(given: Given): Pick<SendOptions, "action" | "verify" | "addresses"> {
  const verify = !given.has("no-verify");
  refuseBoth(given, "probe", "only");
  const addresses = uniquePrefixes(given.values("address").map(parseAddressOption));
  if (addresses.length > 0 && !verify && !given.has("only")) {
    throw new UsageError("Option --address has no use with --no-verify unless --only is given");
  }
  return {
    action: given.has("probe") ? "probe" : given.has("only") ? "flush listed" : "flush all",
    verify,
    addresses: addresses.length > 0 ? addresses : null,
  };
}

function parseAddressOption(text: string): AddressPrefix {
  try {
    return parsePrefix(text);
  } catch (error) {
    throw new UsageError(`Option --address: ${messageOf(error)}`);
  }
}

function parseExpect(given: Given): SendOptions["expect"] {
  const text = nonEmpty(given, "expect");
  if (text === undefined) return null;
  if (!/^[+-]?\d+$/.test(text)) return { kind: "file", path: text };
  return { kind: "count", count: parseWhole(given, "expect", 1, 1, 1_000_000) };
}

function nonEmpty(given: Given, name: keyof typeof senderOptions): string | undefined {
  const text = given.value(name);
  if (text === "") throw new UsageError(`Option --${name} must not be empty`);
  return text;
}

function parseWhole(
  given: Given,
  name: keyof typeof senderOptions,
  otherwise: number,
  min: number,
  max: number,
): number {
  const text = given.value(name);
  if (text === undefined) return otherwise;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= min && value <= max) return value;
  throw new UsageError(
    `Option --${name} must be a whole number from ${min} to ${max}, not "${text}"`,
  );
}

function parseSourcePorts(given: Given): PortRange {
  const text = given.value("source-port");
  if (text === undefined) return defaultSourcePorts;
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  const [first, last] = [Number(match?.[1]), Number(match?.[2] ?? match?.[1])];
  if (first >= 1 && first <= last && last <= 65_535) return { first, last };
  throw new UsageError(
    `Option --source-port must be a port or a range from 1 to 65535, as 27736-27799, not "${text}"`,
  );
}

/** 16 bits of the datagram. */
const maxSpreadMs = 65_535;

function parseSpread(given: Given): "auto" | number {
  const text = given.value("spread");
  if (text === undefined || text === "auto") return "auto";
  return parseTime(given, "spread", 0, 0, maxSpreadMs);
}

const hourMs = 3_600_000;

function parseTime(
  given: Given,
  name: keyof typeof senderOptions,
  otherwise: number,
  min: number,
  max = hourMs,
): number {
  const text = given.value(name);
  if (text === undefined) return otherwise;
  const value = parseDuration(text) ?? NaN;
  if (value >= min && value <= max) return value;
  const range = `${formatDuration(min)} to ${formatDuration(max)}`;
  throw new UsageError(
    `Option --${name} must be a time from ${range} (1s, 200ms, 0.5), not "${text}"`,
  );
}

/** What keepalived's general `notify` is called for. */
interface NotifyArguments {
  /** What the administrator wrote. */
  readonly own: readonly string[];
  /** `INSTANCE NAME` or `GROUP NAME`. */
  readonly instance: string;
  /** MASTER, BACKUP, FAULT, STOP, DELETED, MASTER_RX_LOWER_PRI, … */
  readonly state: string;
}

/** A word without quotes: some ways of calling a script leave keepalived's in place. */
function unquote(word: string): string {
  return /^(["']).*\1$/s.test(word) && word.length > 1 ? word.slice(1, -1) : word;
}

/**
 * Splits a command line that has `--notify` into what the administrator wrote and what keepalived
 * appended: TYPE NAME STATE PRIORITY (older versions leave PRIORITY out). The name may look like an
 * option, so these words are cut off before options are read; one that a shell took apart at its spaces
 * is put together again. Throws a UsageError when no such words end the line.
 */
function splitNotifyArguments(args: readonly string[]): NotifyArguments {
  const hasPriority = /^["']?\d{1,3}["']?$/.test(args.at(-1) ?? "");
  const stateAt = args.length - (hasPriority ? 2 : 1);
  const earliest = args.indexOf("--notify") + 1;
  // The usual place first: a name may itself be called INSTANCE or GROUP.
  for (let at = stateAt - 2; at >= earliest; at--) {
    const type = unquote(args[at]);
    if (type !== "INSTANCE" && type !== "GROUP") continue;
    const name = unquote(args.slice(at + 1, stateAt).join(" "));
    return { own: args.slice(0, at), instance: `${type} ${name}`, state: unquote(args[stateAt]) };
  }
  throw new UsageError(
    "Option --notify needs keepalived's TYPE NAME STATE PRIORITY at the end of the command line",
  );
}
