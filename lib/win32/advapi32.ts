/**
 * advapi32.dll: the event log, the registry, access control. Only the functions' signatures; what
 * they mean is in event_source.ts, registry_key.ts and access_control.ts. Those of the service
 * control manager are in winsvc.ts, which opens them before all others.
 */
import { systemDll } from "./system_dll.ts";

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
export type Advapi32 = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: Advapi32 | undefined;

/** Opens the DLL once. Throws when FFI isn't permitted. */
export function advapi32(): Advapi32 {
  return opened ??= Deno.dlopen(systemDll("advapi32.dll"), symbols).symbols;
}
