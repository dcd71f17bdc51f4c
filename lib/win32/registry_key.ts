/** Reading a registry key (winreg.h): always the 64-bit view, whatever the process. */
import { accessOf, type ObjectAccess, SE_REGISTRY_KEY } from "./access_control.ts";
import { advapi32 } from "./advapi32.ts";
import { fromWide, toWide } from "./wide_string.ts";
import { win32 } from "./win32_error.ts";

/** Types of values (winnt.h). */
export const REG_SZ = 1;
export const REG_EXPAND_SZ = 2;
export const REG_DWORD = 4;
export const REG_MULTI_SZ = 7;

const HKEY_LOCAL_MACHINE = 0xffff_ffff_8000_0002n;
const KEY_READ = 0x2_0019;
const KEY_WOW64_64KEY = 0x100;

/** A value's name has at most this many characters. */
const nameMost = 16_383;
/** Far more than any setting needs; what is larger is a mistake. */
const dataMost = 64 * 1024;

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

/** Reads a key below HKEY_LOCAL_MACHINE. */
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

/** Does something now, while the key is open, and gives or throws its result when asked. */
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
  const name = new Uint16Array(nameMost + 1);
  const nameLength = Uint32Array.of(name.length);
  const type = new Uint32Array(1);
  const data = new Uint8Array(dataMost);
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
