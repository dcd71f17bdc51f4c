/**
 * advapi32.dll: access control (aclapi.h), the registry (winreg.h), the event log (winbase.h). The
 * functions of the service control manager are in winsvc.ts, which opens them before all others.
 */
import { copyMemory, fromWide, kernel32, systemDll, toWide, withWideCopy } from "./kernel32.ts";
import { accessAllowedAce, acl, securityAttributes, sid, tokenUser } from "./structures.ts";
import { describeWin32Error, win32 } from "./win32_error.ts";

const BOOL = "i32";
const DWORD = "u32";
const LSTATUS = "i32";
/** Handles and addresses are numbers, see kernel32.ts. */
const HANDLE = "usize";

const symbols = {
  RegisterEventSourceW: {
    parameters: [/* LPCWSTR lpUNCServerName */ "buffer", /* LPCWSTR lpSourceName */ "buffer"],
    result: HANDLE,
  },
  ReportEventW: {
    parameters: [
      /* HANDLE hEventLog */ HANDLE,
      /* WORD wType */ "u16",
      /* WORD wCategory */ "u16",
      /* DWORD dwEventID */ DWORD,
      /* PSID lpUserSid */ "usize",
      /* WORD wNumStrings */ "u16",
      /* DWORD dwDataSize */ DWORD,
      /* LPCWSTR *lpStrings */ "buffer",
      /* LPVOID lpRawData */ "buffer",
    ],
    result: BOOL,
  },
  DeregisterEventSource: { parameters: [/* HANDLE hEventLog */ HANDLE], result: BOOL },
  RegOpenKeyExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpSubKey */ "buffer",
      /* DWORD ulOptions */ DWORD,
      /* REGSAM samDesired */ DWORD,
      /* PHKEY phkResult */ "buffer",
    ],
    result: LSTATUS,
  },
  RegEnumValueW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* DWORD dwIndex */ DWORD,
      /* LPWSTR lpValueName */ "buffer",
      /* LPDWORD lpcchValueName */ "buffer",
      /* LPDWORD lpReserved */ "usize",
      /* LPDWORD lpType */ "buffer",
      /* LPBYTE lpData */ "buffer",
      /* LPDWORD lpcbData */ "buffer",
    ],
    result: LSTATUS,
  },
  RegCreateKeyExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpSubKey */ "buffer",
      /* DWORD Reserved */ DWORD,
      /* LPWSTR lpClass */ "usize",
      /* DWORD dwOptions */ DWORD,
      /* REGSAM samDesired */ DWORD,
      /* LPSECURITY_ATTRIBUTES lpSecurityAttributes */ "buffer",
      /* PHKEY phkResult */ "buffer",
      /* LPDWORD lpdwDisposition */ "buffer",
    ],
    result: LSTATUS,
  },
  RegSetValueExW: {
    parameters: [
      /* HKEY hKey */ HANDLE,
      /* LPCWSTR lpValueName */ "buffer",
      /* DWORD Reserved */ DWORD,
      /* DWORD dwType */ DWORD,
      /* const BYTE *lpData */ "buffer",
      /* DWORD cbData */ DWORD,
    ],
    result: LSTATUS,
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
  RegCloseKey: { parameters: [/* HKEY hKey */ HANDLE], result: LSTATUS },
  GetSecurityInfo: {
    parameters: [
      /* HANDLE handle */ HANDLE,
      /* SE_OBJECT_TYPE ObjectType */ DWORD,
      /* SECURITY_INFORMATION SecurityInfo */ DWORD,
      /* PSID *ppsidOwner */ "buffer",
      /* PSID *ppsidGroup */ "buffer",
      /* PACL *ppDacl */ "buffer",
      /* PACL *ppSacl */ "buffer",
      /* PSECURITY_DESCRIPTOR *ppSecurityDescriptor */ "buffer",
    ],
    result: DWORD,
  },
  GetNamedSecurityInfoW: {
    parameters: [
      /* LPCWSTR pObjectName */ "buffer",
      /* SE_OBJECT_TYPE ObjectType */ DWORD,
      /* SECURITY_INFORMATION SecurityInfo */ DWORD,
      /* PSID *ppsidOwner */ "buffer",
      /* PSID *ppsidGroup */ "buffer",
      /* PACL *ppDacl */ "buffer",
      /* PACL *ppSacl */ "buffer",
      /* PSECURITY_DESCRIPTOR *ppSecurityDescriptor */ "buffer",
    ],
    result: DWORD,
  },
  OpenProcessToken: {
    parameters: [
      /* HANDLE ProcessHandle */ HANDLE,
      /* DWORD DesiredAccess */ DWORD,
      /* PHANDLE TokenHandle */ "buffer",
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

/** The DLL's functions. */
type Advapi32 = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: Advapi32 | undefined;

/** Opens the DLL once. Throws when FFI isn't permitted. */
export function advapi32(): Advapi32 {
  return opened ??= Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
}

/** SE_OBJECT_TYPE (accctrl.h): what an access control list belongs to. */
const SE_FILE_OBJECT = 1;
const SE_REGISTRY_KEY = 4;

const OWNER_SECURITY_INFORMATION = 1;
const DACL_SECURITY_INFORMATION = 4;
const TOKEN_QUERY = 8;
const TokenUser = 1;

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

const wanted = OWNER_SECURITY_INFORMATION | DACL_SECURITY_INFORMATION;

/** Owner and permissions of an open object. Throws an Error that names the call and the error. */
function accessOf(handle: bigint, objectType: number): ObjectAccess {
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
    const user = new BigUint64Array(64);
    const length = new Uint32Array(1);
    const done = advapi32().GetTokenInformation(handle, TokenUser, user, user.byteLength, length);
    return done === 0 ? "" : sidAt(user[tokenUser.sid / 8]);
  } finally {
    kernel32().CloseHandle(handle);
  }
}

/** Types of registry values (winnt.h). */
export const REG_SZ = 1;
export const REG_EXPAND_SZ = 2;
export const REG_BINARY = 3;
export const REG_DWORD = 4;
export const REG_MULTI_SZ = 7;

const HKEY_LOCAL_MACHINE = 0xffff_ffff_8000_0002n;
const KEY_READ = 0x2_0019;
const KEY_WOW64_64KEY = 0x100;

/** A value's name has at most this many characters. */
const maxNameLength = 16_383;
/** Far more than any setting needs; what is larger is a mistake. */
const maxDataLength = 64 * 1024;

/** A value as the registry holds it. */
export interface RegistryValue {
  readonly name: string;
  readonly type: number;
  readonly data: Uint8Array;
}

/** A key's values and who may get at them. */
export interface RegistryContents {
  readonly values: readonly RegistryValue[];
  /** Throws when that couldn't be read. */
  readonly access: () => ObjectAccess;
}

/** What reading a key gives: its contents, or the error number; 2 means that there is no such key. */
export type RegistryResult = { readonly contents: RegistryContents } | { readonly code: number };

/** Reads a key below HKEY_LOCAL_MACHINE, in the 64-bit view whatever the process. */
export function readLocalMachineKey(path: string): RegistryResult {
  const api = advapi32();
  const result = new BigUint64Array(1);
  const code = api.RegOpenKeyExW(
    HKEY_LOCAL_MACHINE,
    toWide(path),
    0,
    KEY_READ | KEY_WOW64_64KEY,
    result,
  );
  if (code !== win32.success) return { code };
  const key = result[0];
  try {
    const values: RegistryValue[] = [];
    for (let index = 0;; index++) {
      const value = readValue(key, index);
      if (value === null) break;
      if (typeof value === "number") return { code: value };
      values.push(value);
    }
    return { contents: { values, access: later(() => accessOf(key, SE_REGISTRY_KEY)) } };
  } finally {
    api.RegCloseKey(key);
  }
}

const KEY_SET_VALUE = 2;
const REG_CREATED_NEW_KEY = 1;
const SDDL_REVISION_1 = 1;

/**
 * Makes a key below HKEY_LOCAL_MACHINE that only the accounts of these SIDs may use, from its first
 * moment on, with one binary value. Throws an Error that names the call and the error, also when the
 * key is there already: its rights are then somebody else's.
 */
export function createProtectedKey(
  path: string,
  sids: readonly string[],
  name: string,
  data: Uint8Array,
): void {
  const api = advapi32();
  const descriptor = new BigUint64Array(1);
  // Protected (no rights are inherited); KA: all rights to a key.
  const rights = `D:P${sids.map((sid) => `(A;;KA;;;${sid})`).join("")}`;
  const isConverted = api.ConvertStringSecurityDescriptorToSecurityDescriptorW(
    toWide(rights),
    SDDL_REVISION_1,
    descriptor,
    null,
  );
  if (isConverted === 0) {
    throw lastError("ConvertStringSecurityDescriptorToSecurityDescriptorW");
  }
  try {
    const attributes = new BigUint64Array(securityAttributes.size / 8);
    attributes[0] = BigInt(securityAttributes.size);
    attributes[securityAttributes.securityDescriptor / 8] = descriptor[0];
    const result = new BigUint64Array(1);
    const disposition = new Uint32Array(1);
    const created = api.RegCreateKeyExW(
      HKEY_LOCAL_MACHINE,
      toWide(path),
      0,
      0n,
      0,
      KEY_SET_VALUE | KEY_WOW64_64KEY,
      attributes,
      result,
      disposition,
    );
    if (created !== win32.success) {
      throw new Error(`RegCreateKeyExW: ${describeWin32Error(created)}`);
    }
    try {
      if (disposition[0] !== REG_CREATED_NEW_KEY) throw new Error("it is there already");
      const bytes = data.slice();
      const set = api.RegSetValueExW(
        result[0],
        toWide(name),
        0,
        REG_BINARY,
        bytes,
        bytes.length,
      );
      if (set !== win32.success) throw new Error(`RegSetValueExW: ${describeWin32Error(set)}`);
    } finally {
      api.RegCloseKey(result[0]);
    }
  } finally {
    kernel32().LocalFree(descriptor[0]);
  }
}

/** Does the work now, while the key is open; returns or throws its result when called. */
function later<Result>(work: () => Result): () => Result {
  try {
    const result = work();
    return () => result;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/** One value; null behind the last one; an error number. */
function readValue(key: bigint, index: number): RegistryValue | number | null {
  const name = new Uint16Array(maxNameLength + 1);
  const nameLength = Uint32Array.of(name.length);
  const type = new Uint32Array(1);
  const data = new Uint8Array(maxDataLength);
  const dataLength = Uint32Array.of(data.length);
  const code = advapi32().RegEnumValueW(key, index, name, nameLength, 0n, type, data, dataLength);
  if (code === win32.noMoreItems) return null;
  if (code !== win32.success) return code;
  return {
    name: fromWide(name.subarray(0, nameLength[0])),
    type: type[0],
    data: data.slice(0, dataLength[0]),
  };
}

/** ReportEvent's wType (winnt.h). */
export const EVENTLOG_ERROR_TYPE = 1;
export const EVENTLOG_WARNING_TYPE = 2;
export const EVENTLOG_INFORMATION_TYPE = 4;

/** A string of an event has at most this many characters (ReportEvent). */
const maxEventString = 31_839;

/** An open source. */
export interface EventSource {
  /** Writes one event with one string. Throws an Error that names the call and Microsoft's error. */
  report(type: number, id: number, text: string): void;
  close(): void;
}

/**
 * Opens a source; one that nobody has registered works too, its events just read worse. Throws an
 * Error that names the call and Microsoft's error.
 */
export function openEventSource(name: string): EventSource {
  const api = advapi32();
  const handle = api.RegisterEventSourceW(null, toWide(name));
  if (handle === 0n) throw lastError("RegisterEventSourceW");
  return {
    report(type, id, text) {
      const string = text.replaceAll("\0", "").slice(0, maxEventString);
      const done = withWideCopy(
        string,
        (address) =>
          api.ReportEventW(handle, type, 0, id, 0n, 1, 0, BigUint64Array.of(address), null),
      );
      if (done === 0) throw lastError("ReportEventW");
    },
    close() {
      api.DeregisterEventSource(handle);
    },
  };
}

function lastError(call: string): Error {
  return new Error(`${call}: ${describeWin32Error(kernel32().GetLastError())}`);
}
