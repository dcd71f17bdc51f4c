/**
 * Settings from the registry, Windows only; and who may read a secret there, be it the settings'
 * registry key or a key file.
 */
import { messageOf } from "../errors.ts";
import {
  type ObjectAccess,
  ownSid,
  readLocalMachineKey,
  REG_DWORD,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegistryContents,
  type RegistryResult,
  type RegistryValue,
} from "../win32/advapi32.ts";
import { expandEnvironment } from "../win32/kernel32.ts";
import { describeWin32Error, win32 } from "../win32/win32_error.ts";
import {
  type LoadedSettings,
  parseSettings,
  type SettingKind,
  settingNames,
  SettingsError,
  settingTable,
} from "./settings.ts";

/** Where the settings are, below HKEY_LOCAL_MACHINE, in the 64-bit view. */
const registryPath = "SOFTWARE\\NPSL\\ArpFlush";
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
  const values = contents?.values.map((value) => readValue(value, parts.expand)) ?? [];
  const { settings, origins } = parseSettings(values, registryName);
  if (contents !== null && settings.Password !== "") guardPassword(contents, parts.ownSid());
  if (origins.KeyFile !== "default") return { settings, origins };
  // Windows has a place of its own for the key; where none is, a password alone will do.
  const passwordAlone = settings.Password !== "" && !parts.fileExists(windowsKeyPath);
  return { settings: { ...settings, KeyFile: passwordAlone ? "" : windowsKeyPath }, origins };
}

function guardPassword({ access }: RegistryContents, own: string): void {
  let fault: string | null;
  try {
    fault = accessFault(access(), own);
  } catch (error) {
    fault = `its permissions cannot be read: ${messageOf(error)}`;
  }
  if (fault === null) return;
  throw new SettingsError([
    `${registryName}: refused because it holds a Password and ${fault}; ` +
    "let only SYSTEM and Administrators in (install.ps1 does)",
  ]);
}

/** Name and value as a file would hold them; an Error, without a secret, for one that is broken. */
function readValue(
  value: RegistryValue,
  expand: RegistryParts["expand"],
): [name: string, value: unknown] {
  // The registry doesn't tell "port" from "Port".
  const lower = value.name.toLowerCase();
  const name = settingNames.find((known) => known.toLowerCase() === lower);
  try {
    return [name ?? value.name, decodeValue(value, name && settingTable[name].kind, expand)];
  } catch (error) {
    return [name ?? value.name, error];
  }
}

function decodeValue(
  { type, data }: RegistryValue,
  kind: SettingKind | undefined,
  expand: RegistryParts["expand"],
): unknown {
  switch (type) {
    case REG_DWORD:
      return decodeDword(data, kind === "boolean");
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

/** SYSTEM and Administrators. */
const trustedSids: readonly string[] = ["S-1-5-18", "S-1-5-32-544"];
/** Services under their own names, TrustedInstaller one of them. */
const serviceSidPrefix = "S-1-5-80-";

/**
 * Rights that let an account read what a secret says or change it, or give itself those rights:
 * FILE_READ_DATA and KEY_QUERY_VALUE, FILE_WRITE_DATA and KEY_SET_VALUE, FILE_APPEND_DATA,
 * WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_WRITE, GENERIC_READ.
 */
const harmful = 0x1 | 0x2 | 0x4 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000 | 0x8000_0000;

/** Accounts that people know by name. */
const names: Readonly<Record<string, string>> = {
  "S-1-1-0": "Everyone",
  "S-1-5-11": "Authenticated Users",
  "S-1-5-32-545": "Users",
  "S-1-5-7": "Anonymous",
};

function nameOf(sid: string): string {
  return sid === "" ? "nobody" : names[sid] ?? sid;
}

/**
 * Why an object's permissions don't do for a secret; null if they do. Trusted are SYSTEM,
 * Administrators, services by their own SIDs and the account this process runs as, `own`.
 */
export function accessFault(access: ObjectAccess, own: string): string | null {
  const isTrusted = (sid: string) =>
    trustedSids.includes(sid) || sid.startsWith(serviceSidPrefix) || (own !== "" && sid === own);
  if (access.allowed === null) return "Everyone can read it (it has no access control list)";
  const other = access.allowed.find(({ sid, mask }) => (mask & harmful) !== 0 && !isTrusted(sid));
  if (other !== undefined) return `${nameOf(other.sid)} can read or change it`;
  if (!isTrusted(access.owner)) return `its owner ${nameOf(access.owner)} can let others read it`;
  return null;
}
