/**
 * Where system DLLs are. Always by absolute path: a name alone would let a DLL beside the program
 * be loaded in place of Windows' own, and scoped FFI permissions name absolute paths.
 */

/** The absolute path of a DLL in %SystemRoot%\System32 (64-bit in a 64-bit process). */
export function systemDll(
  name: string,
  systemRoot: string = Deno.env.get("SystemRoot") ?? "C:\\Windows",
): string {
  return `${systemRoot.replace(/[\\/]+$/, "")}\\System32\\${name}`;
}
