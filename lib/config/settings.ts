/**
 * The settings, whichever platform they are read from: one table, from which the file, the registry,
 * `--check`, docs/settings.md and the example file follow.
 */
import { messageOf } from "../errors.ts";
import { nearest } from "../text.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isWholeAddress,
  parsePrefix,
  samePrefix,
} from "../wire/addresses.ts";
import { defaultPort } from "../wire/datagram.ts";
import { keyPrefix, maxRouterKeys, parseRouterKeys } from "../wire/keys.ts";

/** How a value is written: REG_DWORD, REG_DWORD 0 or 1, REG_SZ, REG_MULTI_SZ in the registry. */
export type SettingKind = "number" | "boolean" | "text" | "list";

/** One setting. */
interface Setting<Value = unknown> {
  readonly kind: SettingKind;
  /** The value where none is given. */
  readonly default: Value;
  /** What is allowed, to go behind "is not". */
  readonly allowed: string;
  /** The same for every operating system, where it depends on that. */
  readonly documented?: string;
  /** One line for people. */
  readonly description: string;
  /** Of a number, if it has one. */
  readonly unit?: string;
  /** A secret's value is never shown. @default false */
  readonly secret?: boolean;
  /**
   * The value of what a file or the registry holds; undefined if that isn't allowed. Throws an Error
   * that says more than `allowed` does.
   */
  readonly parse: (given: unknown) => Value | undefined;
}

/** A whole number within limits, both allowed. */
function wholeNumber(
  least: number,
  most: number,
  standard: number,
  description: string,
  unit?: string,
): Setting<number> {
  return {
    kind: "number",
    default: standard,
    allowed: `a whole number from ${least} to ${most}`,
    description,
    unit,
    parse: (given) =>
      typeof given === "number" && Number.isInteger(given) && given >= least && given <= most
        ? given
        : undefined,
  };
}

function trueOrFalse(standard: boolean, description: string): Setting<boolean> {
  return {
    kind: "boolean",
    default: standard,
    allowed: "true or false",
    description,
    parse: (given) => typeof given === "boolean" ? given : undefined,
  };
}

function oneOf<const Word extends string>(
  words: readonly Word[],
  standard: Word,
  description: string,
): Setting<Word> {
  return {
    kind: "text",
    default: standard,
    allowed: `one of ${words.map((word) => `"${word}"`).join(", ")}`,
    description,
    parse: (given) => words.find((word) => word === given),
  };
}

/** A text that a predicate allows. */
function text(
  standard: string,
  isAllowed: (text: string) => boolean,
  about: Pick<Setting, "allowed" | "description"> & Partial<Setting<string>>,
): Setting<string> {
  return {
    ...about,
    kind: "text",
    default: standard,
    parse: (given) => typeof given === "string" && isAllowed(given) ? given : undefined,
  };
}

/** What a list setting may hold: addresses, or one of the keywords. */
interface ListRules<Keyword extends string> {
  readonly standard: NoInfer<Keyword | readonly AddressPrefix[]>;
  readonly keywords?: readonly Keyword[];
  readonly max: number;
  /** What an item is called. */
  readonly items: string;
  /** Throws an Error that names the text. */
  readonly parseItem: (text: string) => AddressPrefix;
  /** What is wrong with the list as a whole, or null. @default nothing */
  readonly fault?: (items: readonly AddressPrefix[]) => string | null;
  readonly description: string;
}

/** The items of a list; one text may hold several, with commas or blanks between them. */
function itemsOf(given: unknown): readonly unknown[] {
  if (typeof given === "string") return given.split(/[\s,]+/).filter(Boolean);
  return Array.isArray(given) ? given : [given];
}

/** A keyword or a list. */
function keywordOrList<const Keyword extends string = never>(
  { standard, keywords = [], max, items, parseItem, fault, description }: ListRules<Keyword>,
): Setting<Keyword | readonly AddressPrefix[]> {
  const isText = (one: unknown) => typeof one === "string";
  return {
    kind: "list",
    default: standard,
    allowed: [...keywords.map((word) => `"${word}"`), `or a list of 1 to ${max} ${items}`]
      .join(", ").replace(/^or /, ""),
    description,
    parse(given) {
      const texts = itemsOf(given);
      const keyword = keywords.find((word) => texts.length === 1 && texts[0] === word);
      if (keyword !== undefined) return keyword;
      if (texts.length < 1 || texts.length > max || !texts.every(isText)) return undefined;
      const list = texts.map(parseItem);
      const wrong = fault?.(list);
      if (wrong) throw new Error(wrong);
      return list;
    },
  };
}

/** An address from its text; throws an Error for a network. */
function parseWholeAddress(text: string): AddressPrefix {
  const prefix = parsePrefix(text);
  if (!isWholeAddress(prefix)) throw new Error(`"${text}" is a network, not one address`);
  return prefix;
}

/** What is wrong with addresses to listen on: one may stand once, and besides the others it needs. */
function listenFault(addresses: readonly AddressPrefix[]): string | null {
  for (const [i, address] of addresses.entries()) {
    const text = formatAddress(address);
    if (addresses.slice(0, i).some((other) => samePrefix(other, address))) {
      return `${text} is there twice`;
    }
    const others = addresses.filter(({ family }) => family === address.family);
    if (!address.bytes.some(Boolean) && others.length > 1) return `${text} includes the others`;
  }
  return null;
}

/** The texts of routers' public keys. */
const routerKeys: Setting<readonly string[]> = {
  kind: "list",
  default: [],
  allowed: `a list of at most ${maxRouterKeys} texts arpflush-public-…`,
  description:
    "Public keys of the routers that this host obeys, as arpflush --public-key prints them",
  parse(given) {
    const texts = itemsOf(given);
    // Said without the value: somebody may have put a secret key there.
    if (!texts.every((one) => typeof one === "string")) throw new Error("it is no list of texts");
    parseRouterKeys(texts);
    return texts;
  },
};

/** Systems whose exporters' folders are known. */
type System = "linux" | "windows";

/**
 * The folders that may hold the metrics file, subfolders included: where Debian's node_exporter,
 * others' node_exporter and windows_exporter look, and one of the service's own. deno.json permits
 * the service to write there and nowhere else.
 */
export const metricsFolders: Readonly<Record<System, readonly string[]>> = {
  linux: ["/var/lib/prometheus/node-exporter", "/var/lib/node_exporter", "/run/arpflush"],
  windows: [
    "C:\\Program Files\\windows_exporter\\textfile_inputs",
    "C:\\Program Files\\ArpFlush\\metrics",
  ],
};

const systemOf = (os: typeof Deno.build.os): System => os === "windows" ? os : "linux";
const anyOf = (system: System) => `a file NAME.prom in ${metricsFolders[system].join(", ")}`;

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

/** Whether a name stays in its folder: not `..`, no alternate stream, no wildcard. */
function isFileName(name: string): boolean {
  return /^[\w.+ -]{1,128}$/.test(name) && !/^\.+$/.test(name);
}

const maxPasswordBytes = 1_000;

const utf8Length = (text: string) => new TextEncoder().encode(text).length;

/** The settings by name, in the order in which they are shown. */
const table = {
  Port: wholeNumber(1, 65_535, defaultPort, "UDP port of requests"),
  Listen: keywordOrList({
    standard: [parseWholeAddress("0.0.0.0")],
    max: 16,
    items: "IPv4 or IPv6 addresses",
    parseItem: parseWholeAddress,
    fault: listenFault,
    description:
      'Addresses to listen on; "0.0.0.0" is all of IPv4, "::" all of IPv6, on Linux of IPv4 as well',
  }),
  RouterKeys: routerKeys,
  Password: text("", (text) => utf8Length(text) <= maxPasswordBytes, {
    allowed: `a text of at most ${maxPasswordBytes} bytes`,
    description: "Password of the 2009 datagram; empty: that datagram is not accepted",
    secret: true,
  }),
  HoldDownSeconds: wholeNumber(
    1,
    10,
    10,
    "At most 3 flushes of more than single addresses start in any period of this length; more " +
      "become one pending flush",
    "s",
  ),
  ClockToleranceSeconds: wholeNumber(
    1,
    3_600,
    60,
    "How far a request's clock may be from the host's",
    "s",
  ),
  AllowedSources: keywordOrList({
    standard: "on-link",
    keywords: ["on-link"],
    max: 256,
    items: "addresses and networks",
    parseItem: parsePrefix,
    description:
      'Whose requests are looked at; "on-link": networks the host has an address in. Loopback always is',
  }),
  FlushOnStart: trueOrFalse(
    true,
    "Flush when the service starts; requests created before its start are stale anyway",
  ),
  FlushOnNetworkChange: trueOrFalse(
    true,
    "Windows: flush an interface that was added, connected or got an address",
  ),
  RefreshAddresses: keywordOrList({
    standard: "none",
    keywords: ["none", "gateway"],
    max: 61,
    items: "addresses",
    parseItem: parseWholeAddress,
    description: 'Addresses resolved anew regularly; "gateway": the default gateways',
  }),
  RefreshSeconds: wholeNumber(1, 86_400, 30, "How often RefreshAddresses are resolved", "s"),
  MetricsFile: text("", (path) => path === "" || isMetricsPlace(path), {
    allowed: `empty, or ${anyOf(systemOf(Deno.build.os))}`,
    documented: `empty, or ${anyOf("linux")}; on Windows ${anyOf("windows")}`,
    description: "File for the textfile collectors of Prometheus' exporters; empty: none",
  }),
  LogLevel: oneOf(["error", "warning", "info", "debug"], "info", "How much the log says"),
  LogFormat: oneOf(
    ["text", "json"],
    "text",
    "Lines of the log on stderr: text, or one JSON document each",
  ),
};

/** The effective settings of a service, by their names in the file and in the registry. */
export type Settings = {
  readonly [Name in keyof typeof table]: typeof table[Name] extends Setting<infer Value> ? Value
    : never;
};

/** The settings by name, in the order in which they are shown. */
export const settingTable: { readonly [Name in keyof Settings]: Setting<Settings[Name]> } = table;

/** The names of all settings. */
export const settingNames = Object.keys(settingTable) as (keyof Settings)[];

/** The settings where nothing is given. */
export function defaultSettings(): Settings {
  return parseSettings([], "").settings;
}

/** Settings and where each comes from. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** "default", or the path of the file or of the registry key. */
  readonly origins: Readonly<Record<keyof Settings, string>>;
}

/** Everything that is wrong with the settings, one whole line each. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";
  constructor(readonly problems: readonly string[]) {
    super(problems.join("; "));
  }
}

/**
 * Settings from names and values as a file or the registry holds them; an Error stands for a value
 * that can't be read. Throws a `SettingsError` with every problem, each a line that starts with
 * `place`: `arpflush.toml: Port: 70000 is not a whole number from 1 to 65535`.
 */
export function parseSettings(
  given: Iterable<readonly [name: string, value: unknown]>,
  place: string,
  origin: string = place,
): LoadedSettings {
  const problems: string[] = [];
  const settings: Record<string, unknown> = {};
  const origins: Record<string, string> = {};
  for (const name of settingNames) {
    settings[name] = settingTable[name].default;
    origins[name] = "default";
  }
  for (const [name, value] of given) {
    try {
      settings[name] = parseSetting(name, value);
      origins[name] = origin;
    } catch (error) {
      problems.push(`${place}: ${messageOf(error)}`);
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  return { settings, origins } as unknown as LoadedSettings;
}

/** Throws an Error that names the setting and what is wrong; a secret's value is left out. */
function parseSetting(name: string, given: unknown): unknown {
  if (!isSettingName(name)) throw new Error(unknownName(name));
  if (given instanceof Error) throw new Error(`${name}: ${given.message}`);
  const { parse, allowed, secret } = settingTable[name];
  let reason: string | undefined;
  try {
    const value = parse(given);
    if (value !== undefined) return value;
  } catch (error) {
    const text = messageOf(error);
    if (!text.includes(keyPrefix("secret"))) reason = `${text}; allowed is ${allowed}`;
  }
  if (secret) throw new Error(`${name}: the value is not ${allowed}`);
  throw new Error(`${name}: ${reason ?? `${showValue(given)} is not ${allowed}`}`);
}

function isSettingName(name: string): name is keyof Settings {
  return Object.hasOwn(settingTable, name);
}

function unknownName(name: string): string {
  const near = nearest(name, settingNames);
  const shown = JSON.stringify(name);
  return near === null ? `${shown} is not a setting` : `${shown} is not a setting; is it ${near}?`;
}

const maxShown = 100;

function showValue(value: unknown): string {
  const text = typeof value === "bigint" ? String(value) : JSON.stringify(value) ?? String(value);
  // Somebody may have taken one setting for another.
  if (text.includes(keyPrefix("secret"))) return "a router's secret key";
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text;
}

/** A value as a TOML file holds it; a secret's is `"***"`. */
export function settingText(name: keyof Settings, value: Settings[keyof Settings]): string {
  if (settingTable[name].secret && value !== "") return '"***"';
  if (typeof value !== "object") return JSON.stringify(value);
  const texts = value.map((one) => typeof one === "string" ? one : formatPrefix(one));
  return `[${texts.map((text) => `"${text}"`).join(", ")}]`;
}
