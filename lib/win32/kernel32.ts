/**
 * kernel32.dll: the few functions that the others' results need. Addresses are numbers throughout,
 * and memory is copied by Windows' own function: Deno's pointer objects need the whole FFI
 * permission, which the service gives up once it has started.
 */

import { win32Error } from "./win32_error.ts";

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
type Kernel32 = Deno.DynamicLibrary<typeof symbols>["symbols"];

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

/** The error of a call that has just failed. */
export function lastError(call: string): Error {
  return win32Error(call, kernel32().GetLastError());
}

/** A text with each `%NAME%` of the environment replaced, as REG_EXPAND_SZ means it. */
export function expandEnvironment(text: string): string {
  const source = toWide(text);
  const size = kernel32().ExpandEnvironmentStringsW(source, null, 0);
  const target = new Uint16Array(size);
  kernel32().ExpandEnvironmentStringsW(source, target, size);
  return fromWide(target);
}

/**
 * The absolute path of a DLL in %SystemRoot%\System32 (64-bit in a 64-bit process). A name alone
 * would let a DLL beside the program be loaded in place of Windows' own.
 */
export function systemDll(
  name: string,
  systemRoot: string = Deno.env.get("SystemRoot") ?? "C:\\Windows",
): string {
  return `${systemRoot.replace(/[\\/]+$/, "")}\\System32\\${name}`;
}

/** A text as LPCWSTR: UTF-16 with a terminating zero. Throws a RangeError for a text with a zero in it. */
export function toWide(text: string): Uint16Array<ArrayBuffer> {
  if (text.includes("\0")) throw new RangeError("A wide string cannot hold a zero character");
  const units = new Uint16Array(text.length + 1);
  for (let i = 0; i < text.length; i++) units[i] = text.charCodeAt(i);
  return units;
}

/** The text before the first zero, or all of it when there is none. */
export function fromWide(units: Uint16Array): string {
  const end = units.indexOf(0);
  return textOf(end < 0 ? units : units.subarray(0, end));
}

/** In pieces, because a call takes a limited number of arguments. */
function textOf(units: Uint16Array): string {
  let text = "";
  for (let i = 0; i < units.length; i += 4096) {
    text += String.fromCharCode(...units.subarray(i, i + 4096));
  }
  return text;
}
