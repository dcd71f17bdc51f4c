/**
 * Who may get at a file or a registry key (aclapi.h, winnt.h): owner and the DACL's entries, read
 * through advapi32.dll and decoded from their bytes.
 */
import { advapi32 } from "./advapi32.ts";
import { copyMemory, kernel32 } from "./kernel32.ts";
import { toWide } from "./wide_string.ts";
import { describeWin32Error, win32 } from "./win32_error.ts";

/** SE_OBJECT_TYPE */
export const SE_FILE_OBJECT = 1;
export const SE_REGISTRY_KEY = 4;

const OWNER_SECURITY_INFORMATION = 1;
const DACL_SECURITY_INFORMATION = 4;
const TOKEN_QUERY = 8;
const TokenUser = 1;

/** ACCESS_ALLOWED_ACE: header (type, flags, u16 size), u32 mask, SID. */
const ACCESS_ALLOWED_ACE_TYPE = 0;
const INHERIT_ONLY_ACE = 8;
const aceLayout = { type: 0, flags: 1, size: 2, mask: 4, sid: 8 } as const;
/** ACL: u8 revision, u8, u16 size, u16 count, u16; then the ACEs. */
const aclLayout = { size: 2, count: 4, aces: 8 } as const;
/** SID: u8 revision, u8 count, 6 bytes authority (big-endian), then u32 sub-authorities. */
const sidLayout = { count: 1, authority: 2, subAuthorities: 8 } as const;

/** An entry that lets somebody in. */
export interface AllowedAccess {
  /** As text: `S-1-5-32-545`. */
  readonly sid: string;
  /** ACCESS_MASK */
  readonly mask: number;
}

/** Owner and permissions of an object. */
export interface ObjectAccess {
  readonly owner: string;
  /** Null: no DACL at all, everybody may do everything. */
  readonly allowed: readonly AllowedAccess[] | null;
}

/** The text of a SID at an offset. */
export function decodeSid(view: DataView, offset: number): string {
  const high = view.getUint16(offset + sidLayout.authority);
  const low = view.getUint32(offset + sidLayout.authority + 2);
  const parts = [`S-${view.getUint8(offset)}-${high * 2 ** 32 + low}`];
  const count = view.getUint8(offset + sidLayout.count);
  for (let i = 0; i < count; i++) {
    parts.push(String(view.getUint32(offset + sidLayout.subAuthorities + 4 * i, true)));
  }
  return parts.join("-");
}

/**
 * The entries of an ACL that let somebody in here. Entries that deny are left out: what is judged by
 * the result may be judged too strictly, never too mildly.
 */
export function decodeAllowed(view: DataView): AllowedAccess[] {
  const allowed: AllowedAccess[] = [];
  let offset: number = aclLayout.aces;
  for (let left = view.getUint16(aclLayout.count, true); left > 0; left--) {
    const isAllowed = view.getUint8(offset + aceLayout.type) === ACCESS_ALLOWED_ACE_TYPE;
    const isForChildren = (view.getUint8(offset + aceLayout.flags) & INHERIT_ONLY_ACE) !== 0;
    if (isAllowed && !isForChildren) {
      const mask = view.getUint32(offset + aceLayout.mask, true);
      allowed.push({ sid: decodeSid(view, offset + aceLayout.sid), mask });
    }
    offset += view.getUint16(offset + aceLayout.size, true);
  }
  return allowed;
}

type Call = (
  owner: BigUint64Array<ArrayBuffer>,
  dacl: BigUint64Array<ArrayBuffer>,
  descriptor: BigUint64Array<ArrayBuffer>,
) => number;

function readAccess(name: string, call: Call): ObjectAccess {
  const owner = new BigUint64Array(1);
  const dacl = new BigUint64Array(1);
  const descriptor = new BigUint64Array(1);
  const code = call(owner, dacl, descriptor);
  if (code !== win32.success) throw new Error(`${name}: ${describeWin32Error(code)}`);
  try {
    return { owner: sidAt(owner[0]), allowed: dacl[0] === 0n ? null : allowedAt(dacl[0]) };
  } finally {
    kernel32().LocalFree(descriptor[0]);
  }
}

function allowedAt(acl: bigint): AllowedAccess[] {
  const size = new DataView(copyMemory(acl, aclLayout.aces).buffer).getUint16(aclLayout.size, true);
  return decodeAllowed(new DataView(copyMemory(acl, size).buffer));
}

function sidAt(address: bigint): string {
  if (address === 0n) return "";
  const count = copyMemory(address, sidLayout.subAuthorities)[sidLayout.count];
  const size = sidLayout.subAuthorities + 4 * count;
  return decodeSid(new DataView(copyMemory(address, size).buffer), 0);
}

const wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;

/** Owner and permissions of an open object. Throws an Error that names the call and the error. */
export function accessOf(handle: bigint, objectType: number): ObjectAccess {
  return readAccess(
    "GetSecurityInfo",
    (owner, dacl, descriptor) =>
      advapi32().GetSecurityInfo(handle, objectType, wanted, owner, null, dacl, null, descriptor),
  );
}

/** Owner and permissions of a file. Throws an Error that names the call and the error. */
export function accessOfFile(path: string): ObjectAccess {
  const name = toWide(path);
  return readAccess(
    "GetNamedSecurityInfoW",
    (owner, dacl, descriptor) =>
      advapi32().GetNamedSecurityInfoW(
        name,
        SE_FILE_OBJECT,
        wanted,
        owner,
        null,
        dacl,
        null,
        descriptor,
      ),
  );
}

/** The SID of the account that this process runs as; the empty text when it can't be told. */
export function ownSid(): string {
  const token = new BigUint64Array(1);
  const process = kernel32().GetCurrentProcess();
  if (advapi32().OpenProcessToken(process, TOKEN_QUERY, token) === 0) return "";
  const handle = token[0];
  try {
    // TOKEN_USER: a pointer to a SID that lies behind it in the same buffer.
    const user = new BigUint64Array(64);
    const length = new Uint32Array(1);
    const done = advapi32().GetTokenInformation(handle, TokenUser, user, user.byteLength, length);
    return done === 0 ? "" : sidAt(user[0]);
  } finally {
    kernel32().CloseHandle(handle);
  }
}
