/** The effective settings of a service, whichever platform they were read from. */
import * as v from "valibot";
import { messageOf } from "../errors.ts";
import { nearest } from "../text.ts";
import {
  type AddressPrefix,
  isWholeAddress,
  parseAddress,
  parsePrefix,
} from "../wire/addresses.ts";
import { defaultPort } from "../wire/datagram.ts";

/** How much the log says. */
export const logLevels = ["error", "warning", "info", "debug"] as const;
export type LogLevel = typeof logLevels[number];

/** How a line of the log on stderr looks. */
export const logFormats = ["text", "json"] as const;
export type LogFormat = typeof logFormats[number];

/** Names as in the file and in the registry; `schema.ts` holds defaults, units and limits. */
export interface Settings {
  /** UDP port. */
  readonly Port: number;
  /** Address to listen on; `::` hears both families on Linux. */
  readonly Listen: string;
  /** Path of the key file; empty: no key, only a password. */
  readonly KeyFile: string;
  /** Password of the 2009 datagram; empty: that datagram is not accepted. */
  readonly Password: string;
  /** Within any period of this length at most 3 flushes start. */
  readonly HoldDownSeconds: number;
  /** How far a request's clock may be from the host's. */
  readonly ClockToleranceSeconds: number;
  /** Networks whose requests are looked at; "on-link": those the host has an address in. */
  readonly AllowedSources: "on-link" | readonly AddressPrefix[];
  /** Flush when the service starts. */
  readonly FlushOnStart: boolean;
  /** Addresses resolved anew regularly; "gateway": the default gateways. */
  readonly RefreshAddresses: "none" | "gateway" | readonly AddressPrefix[];
  readonly RefreshSeconds: number;
  /** Path of the file for Prometheus' textfile collectors; empty: none is written. */
  readonly MetricsFile: string;
  readonly LogLevel: LogLevel;
  readonly LogFormat: LogFormat;
}

// The kinds of values that settings have, as schemas.

/** A setting that is a number within limits. */
export function wholeNumber(least: number, most: number, fallback: number, unit: string) {
  return {
    kind: "number",
    default: fallback,
    allowed: `a whole number from ${least} to ${most}`,
    unit,
    secret: false,
    schema: v.pipe(v.number(), v.integer(), v.minValue(least), v.maxValue(most)),
  } as const;
}

/** A setting that is one of some words. */
export function oneOf<const Word extends string>(words: readonly Word[], fallback: Word) {
  return {
    kind: "text",
    default: fallback,
    allowed: `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    unit: "",
    secret: false,
    schema: v.picklist(words),
  } as const;
}

/** A keyword, or a list of parsed texts; a single text counts as a list of one. */
export function keywordOrList<const Keyword extends string, Item>(
  keywords: readonly Keyword[],
  most: number,
  parse: (text: string) => Item,
) {
  const texts = v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(most));
  const parsed = v.rawTransform<string[], Keyword | readonly Item[]>(
    ({ dataset: { value }, addIssue, NEVER }) => {
      const keyword = keywords.find((word) => value.length === 1 && value[0] === word);
      if (keyword !== undefined) return keyword;
      try {
        return value.map(parse);
      } catch (error) {
        addIssue({ message: messageOf(error) });
        return NEVER;
      }
    },
  );
  const toList = v.transform((given: string | string[]) =>
    typeof given === "string" ? [given] : given
  );
  return v.pipe(v.union([v.string(), v.array(v.string())]), toList, texts, parsed);
}

/** An address from its text; throws an Error for a network. */
export function parseWholeAddress(text: string) {
  const prefix = parsePrefix(text);
  if (!isWholeAddress(prefix)) throw new Error(`"${text}" is a network, not one address`);
  return prefix;
}

// Where a metrics file may be. The program is given the right to write there when it is built, and nowhere else: deno.json has the same folders.

/** The systems that have places. */
type System = "linux" | "windows";

/**
 * Folders by system, those below them included: where Debian's node_exporter, others' node_exporter
 * and windows_exporter look, and one of the service's own.
 */
export const metricsFolders: Readonly<Record<System, readonly string[]>> = {
  linux: ["/var/lib/prometheus/node-exporter", "/var/lib/node_exporter", "/run/arpflush"],
  windows: [
    "C:\\Program Files\\windows_exporter\\textfile_inputs",
    "C:\\ProgramData\\ArpFlush\\metrics",
  ],
};

const systemOf = (os: typeof Deno.build.os): System => os === "windows" ? os : "linux";
const anyOf = (system: System) => `a file NAME.prom in ${metricsFolders[system].join(", ")}`;

/** What is allowed, to go behind "is not". */
export function metricsPlaces(os: typeof Deno.build.os = Deno.build.os): string {
  return `empty, or ${anyOf(systemOf(os))}`;
}

/** What is allowed, for those who read about every system. */
export const metricsPlacesEverywhere = `empty, or ${anyOf("linux")}; on Windows ${
  anyOf("windows")
}`;

/** Whether a path is a file that collectors read and the program may write. */
export function isMetricsPlace(path: string, os: typeof Deno.build.os = Deno.build.os): boolean {
  const windows = os === "windows";
  // Windows takes both slashes, and doesn't tell upper case from lower.
  const plain = (text: string) => windows ? text.replaceAll("/", "\\").toLowerCase() : text;
  const separator = windows ? "\\" : "/";
  return metricsFolders[systemOf(os)].some((folder) => {
    const start = plain(folder) + separator;
    if (!plain(path).startsWith(start)) return false;
    const names = plain(path).slice(start.length).split(separator);
    return names.every(isFileName) && /[^.].*\.prom$/.test(names[names.length - 1]);
  });
}

/** A name as these folders have them: no way up, no alternate stream, no wildcard. */
function isFileName(name: string): boolean {
  return /^[\w.+ -]{1,128}$/.test(name) && !/^\.+$/.test(name);
}

// Every setting once: default, unit, limit, what it does. The file, the registry, `--check` and docs/settings.md all come from this table.

/** How a value is written, whatever the place: a registry has no booleans and no mixed types. */
export type SettingKind = "number" | "boolean" | "text" | "keyword or list";

/** One setting. */
export interface Setting<Value = unknown> {
  readonly kind: SettingKind;
  /** The value where none is given. */
  readonly default: Value;
  /** What is allowed, to go behind "is not". */
  readonly allowed: string;
  /** The same for every operating system, where it depends on that. */
  readonly documented?: string;
  /** Empty where it has none. */
  readonly unit: string;
  /** One line for people. */
  readonly description: string;
  /** A secret's value is never shown. */
  readonly secret: boolean;
  /** From what the file or the registry holds to the value. */
  readonly schema: v.GenericSchema<unknown, Value>;
}

const passwordBytesMost = 1_000;
const listMost = 256;
/** As many as a request may list. */
const refreshMost = 61;

const utf8Length = (text: string) => new TextEncoder().encode(text).length;

/** The settings by name, in the order they are shown. */
export const settingTable: { readonly [Name in keyof Settings]: Setting<Settings[Name]> } = {
  Port: {
    ...wholeNumber(1, 65_535, defaultPort, ""),
    description: "UDP port of requests",
  },
  Listen: {
    kind: "text",
    default: "0.0.0.0",
    allowed: "an IPv4 or IPv6 address",
    unit: "",
    secret: false,
    schema: v.pipe(v.string(), v.check((text) => parseAddress(text) !== null)),
    description: 'Address to listen on; "::" hears IPv6 too, on Linux together with IPv4',
  },
  KeyFile: {
    kind: "text",
    default: "/etc/arpflush/key",
    allowed: "a path, or empty for no key",
    unit: "",
    secret: false,
    schema: v.pipe(v.string(), v.check((text) => !text.includes("\0"))),
    description: "File with the shared keys, one a line, readable by its owner alone; empty: none",
  },
  Password: {
    kind: "text",
    default: "",
    allowed: `a text of at most ${passwordBytesMost} bytes`,
    unit: "",
    secret: true,
    schema: v.pipe(v.string(), v.check((text) => utf8Length(text) <= passwordBytesMost)),
    description: "Password of the 2009 datagram; empty: that datagram is not accepted",
  },
  HoldDownSeconds: {
    ...wholeNumber(1, 300, 10, "s"),
    description:
      "At most 3 flushes start in any period of this length; more become one pending flush",
  },
  ClockToleranceSeconds: {
    ...wholeNumber(1, 3_600, 60, "s"),
    description: "How far a request's clock may be from the host's",
  },
  AllowedSources: {
    kind: "keyword or list",
    default: "on-link",
    allowed: `"on-link", or a list of 1 to ${listMost} addresses and networks`,
    unit: "",
    secret: false,
    schema: keywordOrList(["on-link"], listMost, parsePrefix),
    description:
      'Whose requests are looked at; "on-link": networks the host has an address in. Loopback always is',
  },
  FlushOnStart: {
    kind: "boolean",
    default: true,
    allowed: "true or false",
    unit: "",
    secret: false,
    schema: v.boolean(),
    description:
      "Flush when the service starts; requests created before its start are stale anyway",
  },
  RefreshAddresses: {
    kind: "keyword or list",
    default: "none",
    allowed: `"none", "gateway", or a list of 1 to ${refreshMost} addresses`,
    unit: "",
    secret: false,
    schema: keywordOrList(["none", "gateway"], refreshMost, parseWholeAddress),
    description: 'Addresses resolved anew regularly; "gateway": the default gateways',
  },
  RefreshSeconds: {
    ...wholeNumber(1, 86_400, 30, "s"),
    description: "How often RefreshAddresses are resolved",
  },
  MetricsFile: {
    kind: "text",
    default: "",
    allowed: metricsPlaces(),
    documented: metricsPlacesEverywhere,
    unit: "",
    secret: false,
    schema: v.pipe(v.string(), v.check((path) => path === "" || isMetricsPlace(path))),
    description: "File for the textfile collectors of Prometheus' exporters; empty: none",
  },
  LogLevel: {
    ...oneOf(logLevels, "info"),
    description: "How much the log says",
  },
  LogFormat: {
    ...oneOf(logFormats, "text"),
    description: "Lines of the log on stderr: text, or one JSON document each",
  },
};

/** The names of all settings. */
export const settingNames = Object.keys(settingTable) as (keyof Settings)[];

/** The settings where nothing is given. */
export function defaultSettings(): Settings {
  return fill({});
}

/** Settings, or what is wrong: every problem, each a line `Port: 70000 is not a whole number …`. */
export type SettingsResult =
  | { readonly settings: Settings; readonly given: ReadonlySet<keyof Settings> }
  | { readonly problems: readonly string[] };

/** Settings from names and values as a file or a registry holds them. */
export function parseSettings(values: Readonly<Record<string, unknown>>): SettingsResult {
  const problems: string[] = [];
  const parsed: Record<string, unknown> = {};
  const given = new Set<keyof Settings>();
  for (const [name, value] of Object.entries(values)) {
    if (!isSettingName(name)) {
      problems.push(unknownName(name));
      continue;
    }
    const result = v.safeParse(settingTable[name].schema, value);
    if (!result.success) problems.push(`${name}: ${faultOf(name, value, result.issues[0])}`);
    parsed[name] = result.output;
    given.add(name);
  }
  return problems.length > 0 ? { problems } : { settings: fill(parsed), given };
}

function isSettingName(name: string): name is keyof Settings {
  return Object.hasOwn(settingTable, name);
}

function fill(parsed: Readonly<Record<string, unknown>>): Settings {
  const entries = settingNames.map((name) => [name, parsed[name] ?? settingTable[name].default]);
  return Object.fromEntries(entries);
}

function unknownName(name: string): string {
  const near = nearest(name, settingNames);
  const shown = JSON.stringify(name);
  return near === null ? `${shown} is not a setting` : `${shown} is not a setting; is it ${near}?`;
}

/** What is wrong with a value; a secret's value is left out. */
function faultOf(name: keyof Settings, value: unknown, issue: v.BaseIssue<unknown>): string {
  const { allowed, secret } = settingTable[name];
  if (secret) return `the value is not ${allowed}`;
  // The parsers of addresses say more than the table.
  if (issue.type === "raw_transform") return `${issue.message}; allowed is ${allowed}`;
  return `${showValue(value)} is not ${allowed}`;
}

const shownMost = 100;

function showValue(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value) ?? String(value);
  return text.length > shownMost ? `${text.slice(0, shownMost)}…` : text;
}
