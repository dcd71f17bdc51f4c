/** Settings from the registry, names and values as in schema.ts; Windows only. */
import { ownSid } from "../win32/access_control.ts";
import { expandEnvironment } from "../win32/kernel32.ts";
import {
  readLocalMachineKey,
  REG_DWORD,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegistryContents,
  type RegistryResult,
  type RegistryValue,
} from "../win32/registry_key.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import { type LoadedSettings, SettingsError } from "./file.ts";
import { parseSettings, settingNames, settingTable } from "./schema.ts";
import type { Settings } from "./settings.ts";
import { accessFault } from "./windows_access.ts";

/** Where the settings are, below HKEY_LOCAL_MACHINE, in the 64-bit view. */
export const registryPath = "SOFTWARE\\NPSL\\ArpFlush";
/** The same as people write it, in messages and origins. */
export const registryName = `HKLM\\${registryPath}`;
/** The key file where KeyFile isn't set. */
export const windowsKeyPath = "C:\\ProgramData\\ArpFlush\\key";

/** What reading the registry needs of Windows. */
export interface RegistryParts {
  readonly read: (path: string) => RegistryResult;
  /** Replaces `%NAME%`s. */
  readonly expand: (text: string) => string;
  /** The SID of the account this process runs as. */
  readonly ownSid: () => string;
  /** Whether there is such a file. */
  readonly fileExists: (path: string) => boolean;
}

const windowsParts: RegistryParts = {
  read: readLocalMachineKey,
  expand: expandEnvironment,
  ownSid,
  fileExists(path) {
    try {
      Deno.statSync(path);
      return true;
    } catch (error) {
      return !(error instanceof Deno.errors.NotFound);
    }
  },
};

/**
 * The settings of the registry; without the key, or without a value in it, the defaults. Throws a
 * `SettingsError` with every problem, each line starting with the key's name.
 */
export function loadSettingsRegistry(parts: RegistryParts = windowsParts): LoadedSettings {
  const result = parts.read(registryPath);
  if ("code" in result && result.code !== win32.fileNotFound) {
    throw new SettingsError([
      `Cannot read settings ${registryName}: ${describeWin32Error(result.code)}`,
    ]);
  }
  const contents = "contents" in result ? result.contents : null;
  const { values, problems } = readValues(contents?.values ?? [], parts.expand);
  const parsed = parseSettings(values);
  if ("problems" in parsed) problems.push(...parsed.problems);
  if (problems.length > 0 || "problems" in parsed) {
    throw new SettingsError(problems.map((problem) => `${registryName}: ${problem}`));
  }
  const settings = parsed.given.has("KeyFile")
    ? parsed.settings
    : withWindowsKeyFile(parsed.settings, parts);
  if (contents !== null && settings.Password !== "") guardPassword(contents, parts.ownSid());
  const entries = settingNames.map((name): [keyof Settings, string] => [
    name,
    parsed.given.has(name) ? registryName : "default",
  ]);
  return { settings, origins: Object.fromEntries(entries) as Record<keyof Settings, string> };
}

/** Windows has a place of its own for the key; where none is, a password alone will do. */
function withWindowsKeyFile(settings: Settings, { fileExists }: RegistryParts): Settings {
  const without = settings.Password !== "" && !fileExists(windowsKeyPath);
  return { ...settings, KeyFile: without ? "" : windowsKeyPath };
}

function guardPassword({ access }: RegistryContents, own: string): void {
  let fault: string | null;
  try {
    fault = accessFault(access(), own);
  } catch (error) {
    fault = `its permissions cannot be read: ${error instanceof Error ? error.message : error}`;
  }
  if (fault === null) return;
  throw new SettingsError([
    `${registryName}: refused because it holds a Password and ${fault}; ` +
    "let only SYSTEM and Administrators in (install.ps1 does)",
  ]);
}

function readValues(values: readonly RegistryValue[], expand: (text: string) => string) {
  const read: Record<string, unknown> = {};
  const problems: string[] = [];
  for (const value of values) {
    // The registry doesn't tell "port" from "Port".
    const lower = value.name.toLowerCase();
    const name = settingNames.find((known) => known.toLowerCase() === lower) ?? value.name;
    try {
      read[name] = decodeValue(name, value, expand);
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : error}`);
    }
  }
  return { values: read, problems };
}

/** A value as a file would hold it. Throws an Error that says what is wrong, without a secret. */
function decodeValue(
  name: string,
  { type, data }: RegistryValue,
  expand: (text: string) => string,
): unknown {
  const isBoolean = settingNames.some((known) =>
    known === name && settingTable[known].kind === "boolean"
  );
  switch (type) {
    case REG_DWORD:
      return decodeDword(data, isBoolean);
    case REG_SZ:
      return decodeText(data);
    case REG_EXPAND_SZ:
      return expand(decodeText(data));
    case REG_MULTI_SZ:
      return decodeUnits(data).split("\0").filter((text) => text !== "");
    default:
      throw new Error(`a value of type ${type} is none of DWORD (4), SZ (1), MULTI_SZ (7)`);
  }
}

function decodeDword(data: Uint8Array, isBoolean: boolean): number | boolean {
  if (data.length !== 4) throw new Error(`a DWORD of ${data.length} bytes is broken`);
  const number = new DataView(data.buffer, data.byteOffset).getUint32(0, true);
  return isBoolean && number < 2 ? number === 1 : number;
}

/** A text up to its terminator, which the registry doesn't promise. */
function decodeText(data: Uint8Array): string {
  const text = decodeUnits(data).replace(/\0+$/, "");
  if (text.includes("\0")) throw new Error("a zero character inside the text is not allowed");
  return text;
}

function decodeUnits(data: Uint8Array): string {
  try {
    return new TextDecoder("utf-16le", { fatal: true, ignoreBOM: true }).decode(data);
  } catch {
    throw new Error("the text is not UTF-16");
  }
}
