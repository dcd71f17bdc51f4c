/** Prints what Windows' own version.dll reads of executables' version resources; run by deno.exe. */
import { fromWide, systemDll, toWide } from "../../../lib/win32/kernel32.ts";

const { symbols: version } = Deno.dlopen(systemDll("version.dll"), {
  GetFileVersionInfoSizeW: { parameters: ["buffer", "buffer"], result: "u32" },
  GetFileVersionInfoW: { parameters: ["buffer", "u32", "u32", "buffer"], result: "i32" },
  VerQueryValueW: { parameters: ["buffer", "buffer", "buffer", "buffer"], result: "i32" },
});

function detailsOf(path: string): Record<string, string> {
  const name = toWide(path);
  const info = new Uint8Array(version.GetFileVersionInfoSizeW(name, new Uint32Array(1)));
  if (version.GetFileVersionInfoW(name, 0, info.length, info) === 0) throw new Error(path);
  const read = (key: string) => {
    const [address, length] = [new BigUint64Array(1), new Uint32Array(1)];
    // English (United States), UTF-16.
    const block = toWide(`\\StringFileInfo\\040904b0\\${key}`);
    if (version.VerQueryValueW(info, block, address, length) === 0) return "";
    const pointer = Deno.UnsafePointer.create(address[0]);
    if (pointer === null) return "";
    const view = new Deno.UnsafePointerView(pointer);
    return fromWide(new Uint16Array(view.getArrayBuffer(2 * length[0])));
  };
  const keys = ["FileDescription", "FileVersion", "ProductName", "CompanyName", "OriginalFilename"];
  return Object.fromEntries(keys.map((key) => [key, read(key)]));
}

console.log(JSON.stringify(Deno.args.map(detailsOf)));
