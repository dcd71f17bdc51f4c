/** SHA256SUMS, as sha256sum and install.ps1 read it. */

async function sha256(path: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", await Deno.readFile(path));
  return new Uint8Array(digest).toHex();
}

/** A folder's SHA256SUMS of some of its files, sorted by name. */
export async function sumsOf(folder: string, names: readonly string[]): Promise<string> {
  const lines: string[] = [];
  for (const name of names.toSorted()) {
    lines.push(`${await sha256(`${folder}/${name}`)}  ${name}\n`);
  }
  return lines.join("");
}
