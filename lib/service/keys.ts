/** The keys that the settings name. */
import { type Settings, settingTable } from "../config/settings.ts";
import { systemReason } from "../errors.ts";
import { readSecretFile } from "../secret_file.ts";
import { type Keyring, parseKeyFile } from "../wire/keys.ts";
import { StartError } from "./start_error.ts";

/** The text of a key file; null when there is no such file. Throws an Error with one whole line. */
export type ReadKeyFile = (path: string) => string | null;

/** Reads a key file of the system, if nobody but its owner and group can. */
export const readKeyFile: ReadKeyFile = (path) => {
  try {
    Deno.statSync(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
  }
  return readSecretFile(path);
};

/**
 * The keyring, or null: without a KeyFile, or without the default one, a Password alone will do.
 * Throws a `StartError` that says how to make a key where there is neither.
 */
export function loadKeyring(settings: Settings, read: ReadKeyFile): Keyring | null {
  const { KeyFile: path, Password: password } = settings;
  const text = path === "" ? null : readText(path, read);
  if (text === null) {
    const optional = path === "" || path === settingTable.KeyFile.default;
    if (optional && password !== "") return null;
    throw new StartError("keyMissing", missingText(path));
  }
  try {
    return parseKeyFile(text);
  } catch (error) {
    const message = `Cannot read key file "${path}": ${systemReason(error)}`;
    throw new StartError("keyFileUnusable", message);
  }
}

function readText(path: string, read: ReadKeyFile): string | null {
  try {
    return read(path);
  } catch (error) {
    throw new StartError("keyFileUnusable", systemReason(error));
  }
}

function missingText(path: string): string {
  const makes = (file: string) =>
    Deno.build.os === "windows"
      ? "run install.ps1, or put the routers' key file there"
      : `make a key with: (umask 077; ${keygenCommand()} >${file})`;
  return path === ""
    ? `KeyFile is empty and no Password is set; set KeyFile and ${makes("FILE")}`
    : `Key file "${path}" does not exist; ${makes(path)}`;
}

/** How this program makes a key, as a line for the shell. */
function keygenCommand(): string {
  if (Deno.build.standalone) return `${Deno.execPath()} --keygen`;
  const entry = Deno.mainModule.replace(/^file:\/\//, "");
  return `${Deno.execPath()} run -q ${decodeURIComponent(entry)} --keygen`;
}

/** Key ids for the log. */
export function keysText(keyring: Keyring | null): string {
  return keyring === null ? "none (legacy only)" : keyIds(keyring).join(" ");
}

/** The ids of a keyring's keys. */
export function keyIds(keyring: Keyring | null): string[] {
  return keyring === null ? [] : keyring.keys.map(({ idText }) => idText);
}
