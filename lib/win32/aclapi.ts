/**
 * Access control of advapi32.dll (aclapi.h, sddl.h): who owns a file or a registry key and may do what
 * with it, and whom this process runs as.
 */
import { copyMemory, kernel32, lastError, systemDll, toWide } from "./kernel32.ts";
import { accessAllowedAce, acl, securityAttributes, sid, tokenUser } from "./structures.ts";
import { win32, win32Error } from "./win32_error.ts";

const BOOL = "i32";
const DWORD = "u32";
/** Handles and addresses are numbers, see kernel32.ts. */
const HANDLE = "usize";

/** What both functions that tell an object's access give. */
const securityInfo = [
  /* SE_OBJECT_TYPE ObjectType */ DWORD,
  /* SECURITY_INFORMATION SecurityInfo */ DWORD,
  /* PSID *ppsidOwner */ "buffer",
  /* PSID *ppsidGroup */ "buffer",
  /* PACL *ppDacl */ "buffer",
  /* PACL *ppSacl */ "buffer",
  /* PSECURITY_DESCRIPTOR *ppSecurityDescriptor */ "buffer",
] as const;

const symbols = {
  GetSecurityInfo: { parameters: [/* HANDLE handle */ HANDLE, ...securityInfo], result: DWORD },
  GetNamedSecurityInfoW: {
    parameters: [/* LPCWSTR pObjectName */ "buffer", ...securityInfo],
    result: DWORD,
  },
  ConvertStringSecurityDescriptorToSecurityDescriptorW: {
    parameters: [
      /* LPCWSTR StringSecurityDescriptor */ "buffer",
      /* DWORD StringSDRevision */ DWORD,
      /* PSECURITY_DESCRIPTOR *SecurityDescriptor */ "buffer",
      /* PULONG SecurityDescriptorSize */ "buffer",
    ],
    result: BOOL,
  },
  GetTokenInformation: {
    parameters: [
      /* HANDLE TokenHandle */ HANDLE,
      /* TOKEN_INFORMATION_CLASS TokenInformationClass */ DWORD,
      /* LPVOID TokenInformation */ "buffer",
      /* DWORD TokenInformationLength */ DWORD,
      /* PDWORD ReturnLength */ "buffer",
    ],
    result: BOOL,
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The functions. */
type AclApi = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: AclApi | undefined;

/** Opens the functions once. Throws when FFI isn't permitted. */
export function aclapi(): AclApi {
  return opened ??= Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
}

/** SE_OBJECT_TYPE (accctrl.h): what an access control list belongs to. */
const SE_FILE_OBJECT = 1;
const SE_REGISTRY_KEY = 4;

const OWNER_SECURITY_INFORMATION = 1;
const DACL_SECURITY_INFORMATION = 4;
/** GetCurrentProcessToken() of processthreadsapi.h: a constant that is never closed. */
const currentProcessToken = 0xffff_ffff_ffff_fffcn;
const TokenUser = 1;
const SDDL_REVISION_1 = 1;
const ACCESS_ALLOWED_ACE_TYPE = 0;
const INHERIT_ONLY_ACE = 8;

/** An entry that lets somebody in. */
interface AllowedAccess {
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
  const high = view.getUint16(offset + sid.authority);
  const low = view.getUint32(offset + sid.authority + 2);
  const parts = [`S-${view.getUint8(offset)}-${high * 2 ** 32 + low}`];
  const count = view.getUint8(offset + sid.subAuthorityCount);
  for (let i = 0; i < count; i++) {
    parts.push(String(view.getUint32(offset + sid.subAuthorities + 4 * i, true)));
  }
  return parts.join("-");
}

/**
 * The entries of an ACL that let somebody into the object itself. Entries that deny are left out,
 * which errs on the strict side.
 */
export function decodeAllowed(view: DataView): AllowedAccess[] {
  const allowed: AllowedAccess[] = [];
  let offset: number = acl.size;
  for (let left = view.getUint16(acl.aceCount, true); left > 0; left--) {
    const isAllowed = view.getUint8(offset + accessAllowedAce.type) === ACCESS_ALLOWED_ACE_TYPE;
    const isForChildren = (view.getUint8(offset + accessAllowedAce.flags) & INHERIT_ONLY_ACE) !== 0;
    if (isAllowed && !isForChildren) {
      const mask = view.getUint32(offset + accessAllowedAce.mask, true);
      allowed.push({ sid: decodeSid(view, offset + accessAllowedAce.sid), mask });
    }
    offset += view.getUint16(offset + accessAllowedAce.aceSize, true);
  }
  return allowed;
}

function allowedAt(address: bigint): AllowedAccess[] {
  const size = new DataView(copyMemory(address, acl.size).buffer).getUint16(acl.aclSize, true);
  return decodeAllowed(new DataView(copyMemory(address, size).buffer));
}

function sidAt(address: bigint): string {
  if (address === 0n) return "";
  const count = copyMemory(address, sid.subAuthorities)[sid.subAuthorityCount];
  const size = sid.subAuthorities + 4 * count;
  return decodeSid(new DataView(copyMemory(address, size).buffer), 0);
}

type Address = BigUint64Array<ArrayBuffer>;

/** What a call tells of an object, given all but the object itself. */
function readAccess(
  name: string,
  call: (wanted: number, owner: Address, dacl: Address, descriptor: Address) => number,
): ObjectAccess {
  const [owner, dacl, descriptor] = [0, 1, 2].map(() => new BigUint64Array(1));
  const wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;
  const code = call(wanted, owner, dacl, descriptor);
  if (code !== win32.success) throw win32Error(name, code);
  try {
    return { owner: sidAt(owner[0]), allowed: dacl[0] === 0n ? null : allowedAt(dacl[0]) };
  } finally {
    kernel32().LocalFree(descriptor[0]);
  }
}

/** Owner and permissions of an open registry key. Throws an Error that names the call and the error. */
export function accessOfKey(key: bigint): ObjectAccess {
  const { GetSecurityInfo } = aclapi();
  return readAccess(
    "GetSecurityInfo",
    (wanted, owner, dacl, descriptor) =>
      GetSecurityInfo(key, SE_REGISTRY_KEY, wanted, owner, null, dacl, null, descriptor),
  );
}

/** Owner and permissions of a file. Throws an Error that names the call and the error. */
export function accessOfFile(path: string): ObjectAccess {
  const { GetNamedSecurityInfoW } = aclapi();
  const name = toWide(path);
  return readAccess(
    "GetNamedSecurityInfoW",
    (wanted, owner, dacl, descriptor) =>
      GetNamedSecurityInfoW(name, SE_FILE_OBJECT, wanted, owner, null, dacl, null, descriptor),
  );
}

/** The SID of the account that this process runs as; the empty text when it can't be told. */
export function ownSid(): string {
  const user = new BigUint64Array(64);
  const size = user.byteLength;
  const length = new Uint32Array(1);
  const { GetTokenInformation } = aclapi();
  const done = GetTokenInformation(currentProcessToken, TokenUser, user, size, length);
  return done === 0 ? "" : sidAt(user[tokenUser.sid / 8]);
}

/**
 * Lends SECURITY_ATTRIBUTES for a new registry key with which the accounts of these SIDs may do
 * everything and nobody else anything. Throws an Error that names the call and the error.
 */
export function withKeyRights<Result>(
  sids: readonly string[],
  work: (attributes: BigUint64Array<ArrayBuffer>) => Result,
): Result {
  const convert = "ConvertStringSecurityDescriptorToSecurityDescriptorW";
  const descriptor = new BigUint64Array(1);
  // Protected (no rights are inherited); KA: all rights to a key.
  const rights = toWide(`D:P${sids.map((sid) => `(A;;KA;;;${sid})`).join("")}`);
  if (aclapi()[convert](rights, SDDL_REVISION_1, descriptor, null) === 0) throw lastError(convert);
  try {
    const attributes = new BigUint64Array(securityAttributes.size / 8);
    attributes[0] = BigInt(securityAttributes.size);
    attributes[securityAttributes.securityDescriptor / 8] = descriptor[0];
    return work(attributes);
  } finally {
    kernel32().LocalFree(descriptor[0]);
  }
}
