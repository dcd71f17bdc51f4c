/** Settings from the registry, Windows only; and who may read or change an object there. */
import { messageOf } from "../errors.ts";
import { type ObjectAccess, ownSid } from "../win32/aclapi.ts";
import {
  readLocalMachineKey,
  REG_DWORD,
  REG_EXPAND_SZ,
  REG_MULTI_SZ,
  REG_SZ,
  type RegistryContents,
  type RegistryValue,
} from "../win32/advapi32.ts";
import { expandEnvironment } from "../win32/kernel32.ts";
import {
  type LoadedSettings,
  parseSettings,
  type SettingKind,
  settingNames,
  SettingsError,
  settingTable,
} from "./settings.ts";

/** Where the settings are, below HKEY_LOCAL_MACHINE, in the 64-bit view. */
export const registryPath = "SOFTWARE\\NPSL\\ArpFlush";
/** The same as people write it, in messages and origins. */
export const registryName = `HKLM\\${registryPath}`;

/** What reading the registry needs of Windows. */
export interface RegistryParts {
  /** A key's contents, or null without such a key; throws where it can't be read. */
  readonly read: (path: string) => RegistryContents | null;
  /** Replaces `%NAME%`s. */
  readonly expand: (text: string) => string;
  /** The SID of the account this process runs as. */
  readonly ownSid: () => string;
}

const windowsParts: RegistryParts = {
  read: readLocalMachineKey,
  expand: expandEnvironment,
  ownSid,
};

/**
 * The settings of the registry; without the key, or without a value in it, the defaults. Throws a
 * `SettingsError` with every problem, each line starting with the key's name.
 */
export function loadSettingsRegistry(parts: RegistryParts = windowsParts): LoadedSettings {
  const contents = readSettingsKey(parts);
  const values = contents?.values.map((value) => readValue(value, parts.expand)) ?? [];
  const loaded = parseSettings(values, registryName);
  if (contents !== null) guard(contents, loaded.settings.Password !== "", parts.ownSid());
  return loaded;
}

function readSettingsKey(parts: RegistryParts): RegistryContents | null {
  try {
    return parts.read(registryPath);
  } catch (error) {
    throw new SettingsError([`Cannot read settings ${registryName}: ${messageOf(error)}`]);
  }
}

/**
 * Refuses a key that others can change, as they could list a router of their own, and one with a
 * password that others can read.
 */
function guard({ access }: RegistryContents, hasPassword: boolean, own: string): void {
  const fault = hasPassword ? accessFault(access, own) : changeFault(access, own);
  if (fault === null) return;
  const reason = hasPassword ? `it holds a Password and ${fault}` : fault;
  throw new SettingsError([
    `${registryName}: refused because ${reason}; ` +
    `let only SYSTEM and Administrators ${hasPassword ? "in" : "change it"} (install.ps1 does)`,
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
export const trustedSids: readonly string[] = ["S-1-5-18", "S-1-5-32-544"];
/** Services under their own names, TrustedInstaller one of them. */
const serviceSidPrefix = "S-1-5-80-";

/**
 * Rights that let an account change what an object says, or give itself that right: FILE_WRITE_DATA
 * and KEY_SET_VALUE, FILE_APPEND_DATA, WRITE_DAC, WRITE_OWNER, GENERIC_ALL, GENERIC_WRITE.
 */
const changing = 0x2 | 0x4 | 0x4_0000 | 0x8_0000 | 0x1000_0000 | 0x4000_0000;
/** And to read it: FILE_READ_DATA and KEY_QUERY_VALUE, GENERIC_READ. */
const reading = 0x1 | 0x8000_0000;

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
  return faultOf(access, own, changing | reading, "read or change it");
}

/** Why an object's permissions don't do for what only trusted accounts may change; null if they do. */
export function changeFault(access: ObjectAccess, own: string): string | null {
  return faultOf(access, own, changing, "change it");
}

function faultOf(
  { allowed, owner }: ObjectAccess,
  own: string,
  harmful: number,
  what: string,
): string | null {
  const isTrusted = (sid: string) =>
    trustedSids.includes(sid) || sid.startsWith(serviceSidPrefix) || (own !== "" && sid === own);
  if (allowed === null) return `Everyone can ${what} (it has no access control list)`;
  const other = allowed.find(({ sid, mask }) => (mask & harmful) !== 0 && !isTrusted(sid));
  if (other !== undefined) return `${nameOf(other.sid)} can ${what}`;
  if (!isTrusted(owner)) return `its owner ${nameOf(owner)} can let others ${what}`;
  return null;
}
