/** Windows' wide strings: UTF-16 code units, ended by a zero. */

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

/** Every text of a REG_MULTI_SZ: texts one behind the other, each ended by a zero, empty ones left out. */
export function fromWideList(units: Uint16Array): string[] {
  return textOf(units).split("\0").filter((text) => text !== "");
}

/** The text at an address; the empty text for a null pointer. */
export function wideAt(pointer: Deno.PointerValue): string {
  if (pointer === null) return "";
  const view = new Deno.UnsafePointerView(pointer);
  const units: number[] = [];
  for (let unit = view.getUint16(0); unit !== 0; unit = view.getUint16(2 * units.length)) {
    units.push(unit);
  }
  return textOf(Uint16Array.from(units));
}

/** In pieces, because a call takes a limited number of arguments. */
function textOf(units: Uint16Array): string {
  let text = "";
  for (let i = 0; i < units.length; i += 4096) {
    text += String.fromCharCode(...units.subarray(i, i + 4096));
  }
  return text;
}
