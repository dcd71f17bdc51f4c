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

/** In pieces, because a call takes a limited number of arguments. */
function textOf(units: Uint16Array): string {
  let text = "";
  for (let i = 0; i < units.length; i += 4096) {
    text += String.fromCharCode(...units.subarray(i, i + 4096));
  }
  return text;
}
