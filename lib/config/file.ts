/** Settings from a TOML file; names and values as in schema.ts. */
import { parse, TomlError } from "smol-toml";
import { systemReason } from "../errors.ts";
import { readSecretFile } from "../secret_file.ts";
import { defaultSettings, parseSettings, type Settings } from "./settings.ts";

/** Where the service looks when no file is named. */
export const defaultConfigPath = "/etc/arpflush/arpflush.toml";

/** Settings and where each comes from. */
export interface LoadedSettings {
  readonly settings: Settings;
  /** "default", or the path of the file. */
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
 * The settings of a file. Without a path the default one is read if it is there. Throws a
 * `SettingsError`; each of its lines starts with the file's name.
 */
export function loadSettingsFile(path?: string): LoadedSettings {
  const name = path ?? defaultConfigPath;
  let text: string;
  try {
    text = Deno.readTextFileSync(name);
  } catch (error) {
    if (path === undefined && error instanceof Deno.errors.NotFound) return allDefaults();
    throw new SettingsError([`Cannot read settings "${name}": ${systemReason(error)}`]);
  }
  return parseSettingsText(text, name);
}

/** The settings of a file's text; `name` is the file's, for messages and origins. */
export function parseSettingsText(text: string, name: string): LoadedSettings {
  const shortName = name.slice(name.lastIndexOf("/") + 1);
  let values: Record<string, unknown>;
  try {
    values = parse(text);
  } catch (error) {
    throw new SettingsError([`${shortName}: ${syntaxFault(error)}`]);
  }
  const result = parseSettings(values);
  if ("problems" in result) {
    throw new SettingsError(result.problems.map((problem) => `${shortName}: ${problem}`));
  }
  const { settings, given } = result;
  if (settings.Password !== "") guardPassword(name);
  return {
    settings,
    origins: originsOf(settings, (setting) => given.has(setting) ? name : "default"),
  };
}

function allDefaults(): LoadedSettings {
  const settings = defaultSettings();
  return { settings, origins: originsOf(settings, () => "default") };
}

/** A file with a password in it is a secret, and is read as one. */
function guardPassword(path: string): void {
  try {
    readSecretFile(path, "settings with a Password");
  } catch (error) {
    throw new SettingsError([systemReason(error)]);
  }
}

/** The line, column and reason of a syntax error, in one line without the file's content. */
function syntaxFault(error: unknown): string {
  if (!(error instanceof TomlError)) return systemReason(error);
  const reason = error.message.split("\n", 1)[0].replace(/^Invalid TOML document: /, "");
  return `line ${error.line} column ${error.column}: ${reason}`;
}

function originsOf(
  settings: Settings,
  originOf: (name: keyof Settings) => string,
): Record<keyof Settings, string> {
  const names = Object.keys(settings) as (keyof Settings)[];
  const entries = names.map((name): [keyof Settings, string] => [name, originOf(name)]);
  return Object.fromEntries(entries) as Record<keyof Settings, string>;
}
