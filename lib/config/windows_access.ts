/** Whether a secret on Windows, a key file or the settings' key, is readable by the right accounts alone. */
import type { ObjectAccess } from "../win32/access_control.ts";

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
