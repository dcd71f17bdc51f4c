/** The command line to a `Command`; usage.ts has its text for people. */
import { typeFlag } from "type-flag";
import { normalizeArguments, type OptionKind } from "../command_line.ts";
import { messageOf, UsageError } from "../errors.ts";
import { formatDuration, parseDuration } from "../time.ts";
import { type AddressPrefix, parsePrefix } from "../wire/addresses.ts";
import { addressesMost, defaultPort } from "../wire/datagram.ts";
import type { Action } from "../wire/request.ts";
import { parseHost, type Target, uniquePrefixes } from "./targets.ts";

const flags = {
  all: { type: Boolean, alias: "a" },
  interface: { type: [String] },
  address: { type: [String], alias: "A" },
  only: { type: Boolean },
  "no-verify": { type: Boolean },
  probe: { type: Boolean },
  expect: { type: String },
  "key-file": { type: String, alias: "k" },
  port: { type: String, alias: "p" },
  count: { type: String, alias: "c" },
  interval: { type: String, alias: "i" },
  wait: { type: String, alias: "w" },
  spread: { type: String },
  password: { type: String, alias: "P" },
  "password-file": { type: String },
  notify: { type: Boolean },
  syslog: { type: Boolean },
  json: { type: Boolean },
  quiet: { type: Boolean, alias: "q" },
  verbose: { type: Boolean, alias: "v" },
  keygen: { type: Boolean },
  help: { type: Boolean, alias: "h" },
  version: { type: Boolean },
} as const;

/** All options; usage.ts names each. */
export const optionKinds: readonly OptionKind[] = Object.entries(flags).map(([name, flag]) => ({
  name,
  letter: "alias" in flag ? flag.alias : null,
  hasValue: flag.type !== Boolean,
}));

function parseFlags(args: readonly string[]) {
  const { flags: given, unknownFlags, _: operands } = typeFlag(
    flags,
    normalizeArguments(args, optionKinds),
  );
  const unknown = Object.keys(unknownFlags)[0];
  if (unknown !== undefined && given.help !== true) {
    throw new UsageError(`Unknown option --${unknown}`);
  }
  return { given, operands };
}

type Given = ReturnType<typeof parseFlags>["given"];

/**
 * What a command line (without the program's name) asks for. Throws a UsageError of one line that
 * names the option and the value that was wrong.
 */
export function parseArguments(args: readonly string[]): Command {
  const end = args.indexOf("--");
  const notifies = (end < 0 ? args : args.slice(0, end)).includes("--notify");
  if (!notifies) return parseCommand(args);
  const { args: own, notification } = splitNotification(args);
  const command = parseCommand(own);
  if (command.kind !== "send" || notification.state === "MASTER") return command;
  const { type, name, state } = notification;
  const { verbose } = command.options;
  return { kind: "nothing", line: `${type} ${name} is ${state}: nothing to do`, verbose };
}

function parseCommand(args: readonly string[]): Command {
  const { given, operands } = parseFlags(args);
  if (given.help) return { kind: "help" };
  if (given.version) return { kind: "version" };
  if (given.keygen) return { kind: "keygen" };
  if (given.quiet && given.verbose) throw new UsageError("Options --quiet and --verbose conflict");
  return { kind: "send", options: parseOptions(given, operands) };
}

function parseOptions(given: Given, operands: readonly string[]): SendOptions {
  const all = given.all === true;
  if (!all && operands.length === 0) throw new UsageError("Name a HOST, or give --all");
  if (!all && given.interface.length > 0) {
    throw new UsageError("Option --interface narrows --all; give both");
  }
  const secret = parseSecret(given);
  if (secret.kind !== "key file") refuseWhatNeedsAcks(given);
  return {
    all,
    interfaceNames: [...new Set(given.interface)],
    hosts: operands.map(parseHost),
    port: parseWhole("port", given.port, defaultPort, 1, 65_535),
    count: parseWhole("count", given.count, 5, 1, 1000),
    intervalMs: parseTime("interval", given.interval, 1000, 1),
    waitMs: parseTime("wait", given.wait, 2000, 0),
    spread: parseSpread(given.spread),
    secret,
    ...parseSubject(given),
    expect: given.expect === undefined ? null : parseExpect(given.expect),
    output: given.json ? "json" : "text",
    quiet: given.quiet === true,
    verbose: given.verbose === true,
    syslog: given.syslog === true,
  };
}

function parseSecret(given: Given): Secret {
  const { password, "password-file": passwordFile, "key-file": keyFile } = given;
  if (password !== undefined && passwordFile !== undefined) {
    throw new UsageError("Options --password and --password-file conflict");
  }
  const legacy = password !== undefined ? "--password" : "--password-file";
  if (password === undefined && passwordFile === undefined) {
    return { kind: "key file", path: nonEmpty("key-file", keyFile ?? keyFileOn(platform)) };
  }
  if (keyFile !== undefined) throw new UsageError(`Options ${legacy} and --key-file conflict`);
  return password !== undefined
    ? { kind: "password", password: nonEmpty("password", password) }
    : { kind: "password file", path: nonEmpty("password-file", passwordFile ?? "") };
}

function refuseWhatNeedsAcks(given: Given): void {
  const needs = {
    "--address": given.address.length > 0,
    "--only": given.only,
    "--probe": given.probe,
    "--expect": given.expect !== undefined,
    "--wait": given.wait !== undefined,
    "--spread": given.spread !== undefined,
  };
  for (const [option, isGiven] of Object.entries(needs)) {
    if (!isGiven) continue;
    throw new UsageError(`Option ${option} needs a key: nobody acknowledges a password`);
  }
}

function parseSubject(given: Given): Pick<SendOptions, "action" | "verify" | "addresses"> {
  const verify = given["no-verify"] !== true;
  if (given.probe && given.only) throw new UsageError("Options --probe and --only conflict");
  const addresses = uniquePrefixes(given.address.map(parseAddressOption));
  if (addresses.length > addressesMost) {
    throw new UsageError(
      `Option --address is given ${addresses.length} times; a datagram holds ${addressesMost}`,
    );
  }
  if (addresses.length > 0 && !verify && !given.only) {
    throw new UsageError("Option --address has no use with --no-verify unless --only is given");
  }
  return {
    action: given.probe ? "probe" : given.only ? "flush listed" : "flush all",
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

function parseExpect(text: string): ExpectWish {
  if (!/^[+-]?\d+$/.test(text)) return { kind: "file", path: nonEmpty("expect", text) };
  return { kind: "count", count: parseWhole("expect", text, 1, 1, 1_000_000) };
}

function nonEmpty(name: string, text: string): string {
  if (text === "") throw new UsageError(`Option --${name} must not be empty`);
  return text;
}

function parseWhole(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most: number,
): number {
  if (text === undefined) return fallback;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : NaN;
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `Option --${name} must be a whole number from ${least} to ${most}, not "${text}"`,
  );
}

/** The datagram has 16 bits for it. */
const spreadMostMs = 65_535;

function parseSpread(text: string | undefined): "auto" | number {
  if (text === undefined || text === "auto") return "auto";
  return parseTime("spread", text, 0, 0, spreadMostMs);
}

const hourMs = 3_600_000;

function parseTime(
  name: string,
  text: string | undefined,
  fallback: number,
  least: number,
  most = hourMs,
): number {
  if (text === undefined) return fallback;
  const value = parseDuration(text) ?? NaN;
  if (value >= least && value <= most) return value;
  const range = `${formatDuration(least)} to ${formatDuration(most)}`;
  throw new UsageError(
    `Option --${name} must be a time from ${range} (1s, 200ms, 0.5), not "${text}"`,
  );
}

// What a command line asks for, checked and with defaults filled in.

/** What signs or fills the datagram. */
export type Secret =
  | { readonly kind: "key file"; readonly path: string }
  /** The 2009 datagram: nothing is acknowledged. */
  | { readonly kind: "password"; readonly password: string }
  | { readonly kind: "password file"; readonly path: string };

/** Who has to confirm, as the command line says it. */
export type ExpectWish =
  | { readonly kind: "count"; readonly count: number }
  | { readonly kind: "file"; readonly path: string };

/** Options of a run that sends. */
export interface SendOptions {
  readonly all: boolean;
  /** Names that narrow `all`; empty: every interface. */
  readonly interfaceNames: readonly string[];
  readonly hosts: readonly Target[];
  readonly port: number;
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
  /** Null: at least one host. */
  readonly expect: ExpectWish | null;
  readonly output: "text" | "json";
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly syslog: boolean;
}

/** What a command line comes to. */
export type Command =
  | { readonly kind: "send"; readonly options: SendOptions }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "keygen" }
  /** keepalived told of another state than MASTER; `line` says which. */
  | { readonly kind: "nothing"; readonly line: string; readonly verbose: boolean };

// What differs between the systems that the sender runs on.

/** Windows, or all others. */
export type Platform = "windows" | "unix";

/** The system that this is. */
export const platform: Platform = Deno.build.os === "windows" ? "windows" : "unix";

const keyFiles: Readonly<Record<Platform, string>> = {
  unix: "/etc/arpflush/key",
  windows: "C:\\ProgramData\\ArpFlush\\key",
};

/** Where the key file is unless `--key-file` names another; the service looks in the same place. */
export function keyFileOn(platform: Platform): string {
  return keyFiles[platform];
}

// keepalived's general `notify` appends what changed to the command it runs: TYPE NAME STATE PRIORITY (older versions leave PRIORITY out). These come last on the command line whatever the name contains, so they are cut off before options are looked at.

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
