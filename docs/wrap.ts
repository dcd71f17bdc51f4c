/** Breaks a paragraph as `deno fmt` does: at spaces, at most 100 characters a line. */
export function wrap(paragraph: string, prefix = ""): string {
  const lines = [""];
  for (const word of paragraph.split(/\s+/)) {
    const last = lines[lines.length - 1];
    if (last === "") lines[lines.length - 1] = prefix + word;
    else if (last.length + 1 + word.length <= 100) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(prefix + word);
  }
  return lines.join("\n");
}
