/**
 * kernel32.dll: the few functions that the others' results need. Addresses are numbers throughout,
 * and memory is copied by Windows' own function: Deno's pointer objects need the whole FFI
 * permission, which the service gives up once it has started.
 */
import { systemDll } from "./system_dll.ts";
import { fromWide, toWide } from "./wide_string.ts";

const symbols = {
  GetLastError: { parameters: [], result: "u32" },
  RtlMoveMemory: {
    parameters: [
      /* VOID *Destination */ "buffer",
      /* const VOID *Source */ "usize",
      /* SIZE_T Length */ "usize",
    ],
    result: "void",
  },
  RtlMoveMemoryTo: {
    name: "RtlMoveMemory",
    parameters: [
      /* VOID *Destination */ "usize",
      /* const VOID *Source */ "buffer",
      /* SIZE_T Length */ "usize",
    ],
    result: "void",
  },
  lstrlenW: { parameters: [/* LPCWSTR lpString */ "usize"], result: "i32" },
  LocalAlloc: {
    parameters: [/* UINT uFlags */ "u32", /* SIZE_T uBytes */ "usize"],
    result: "usize",
  },
  LocalFree: { parameters: [/* HLOCAL hMem */ "usize"], result: "usize" },
  CloseHandle: { parameters: [/* HANDLE hObject */ "usize"], result: "i32" },
  GetCurrentProcess: { parameters: [], result: "usize" },
  ExpandEnvironmentStringsW: {
    parameters: [
      /* LPCWSTR lpSrc */ "buffer",
      /* LPWSTR lpDst */ "buffer",
      /* DWORD nSize */ "u32",
    ],
    result: "u32",
  },
} as const satisfies Deno.ForeignLibraryInterface;

/** The DLL's functions. */
export type Kernel32 = Deno.DynamicLibrary<typeof symbols>["symbols"];

let opened: Kernel32 | undefined;

/** Opens the DLL once. Throws when FFI isn't permitted. */
export function kernel32(): Kernel32 {
  return opened ??= Deno.dlopen(systemDll("kernel32.dll"), symbols).symbols;
}

/** A copy of the memory at an address, which must be readable. */
export function copyMemory(address: bigint, length: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  kernel32().RtlMoveMemory(bytes, address, BigInt(length));
  return bytes;
}

/** The text at an address; the empty text at address 0. */
export function wideAt(address: bigint): string {
  if (address === 0n) return "";
  const bytes = copyMemory(address, 2 * kernel32().lstrlenW(address));
  return fromWide(new Uint16Array(bytes.buffer));
}

/** Lends the address of a wide copy of a text, which is freed behind the work. */
export function withWideCopy<Result>(text: string, work: (address: bigint) => Result): Result {
  const { LocalAlloc, LocalFree, RtlMoveMemoryTo } = kernel32();
  const units = toWide(text);
  const size = BigInt(units.byteLength);
  const address = LocalAlloc(0, size);
  if (address === 0n) throw new Error(`Cannot allocate ${size} bytes`);
  try {
    RtlMoveMemoryTo(address, units, size);
    return work(address);
  } finally {
    LocalFree(address);
  }
}

/** A text with each `%NAME%` of the environment replaced, as REG_EXPAND_SZ means it. */
export function expandEnvironment(text: string): string {
  const source = toWide(text);
  const size = kernel32().ExpandEnvironmentStringsW(source, null, 0);
  const target = new Uint16Array(size);
  kernel32().ExpandEnvironmentStringsW(source, target, size);
  return fromWide(target);
}
