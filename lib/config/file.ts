/** Settings from a TOML file. */
import { parse, TomlError } from "smol-toml";
import { messageOf } from "../errors.ts";
import { isMissing, readSecretFile, readTrustedFile } from "../secret_file.ts";
import { type LoadedSettings, parseSettings, SettingsError } from "./settings.ts";

/** Where the service looks when no file is named. */
const defaultConfigPath = "/etc/arpflush/arpflush.toml";

/**
 * The settings of a file. Without a path the default one is read if it is there. Throws a
 * `SettingsError`; each of its lines names the file.
 */
export function loadSettingsFile(path?: string): LoadedSettings {
  const name = path ?? defaultConfigPath;
  if (path === undefined && isMissing(name)) return parseSettings([], "default");
  try {
    // Who can change it can list a router of his own.
    const loaded = parseSettingsText(readTrustedFile(name, "settings"), name);
    // With a password in it the file is a secret, and is read as one.
    if (loaded.settings.Password !== "") readSecretFile(name, "settings with a Password");
    return loaded;
  } catch (error) {
    throw error instanceof SettingsError ? error : new SettingsError([messageOf(error)]);
  }
}

/** The settings of a file's text. `path` is the file's, for messages and origins. */
export function parseSettingsText(text: string, path: string): LoadedSettings {
  const fileName = path.slice(path.lastIndexOf("/") + 1);
  let values: Record<string, unknown>;
  try {
    values = parse(text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    // Behind the first line it quotes the file, which may hold a password.
    const [reason] = error.message.replace(/^Invalid TOML document: /, "").split("\n");
    throw new SettingsError([`${fileName}: line ${error.line} column ${error.column}: ${reason}`]);
  }
  return parseSettings(Object.entries(values), fileName, path);
}
