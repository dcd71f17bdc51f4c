/** What the session's compiler makes of C, made once for the same sources and the same compiler. */
import { run } from "../../support/command.ts";
import { cachePath, checkoutPath } from "./paths.ts";
import type { WineSession } from "./session.ts";

/**
 * A folder of the session with what a script makes: `SCRIPT FOLDER [ARGUMENT …]`. The script is a path
 * in the checkout; what it reads is its own folder, and Wine as setup.sh built it.
 */
export async function built(
  session: WineSession,
  script: string,
  ...args: readonly string[]
): Promise<string> {
  const digest = await digestOf(script, args);
  const kept = `${cachePath}/wine/built/${digest}`;
  const [ours, theirs] = [`${session.shared}/${digest}`, `/shared/${digest}`];
  if (await isFolder(ours)) return theirs;
  if (!await isFolder(kept)) {
    const { code, stderr } = await session.unix(["sh", `/checkout/${script}`, theirs, ...args]);
    if (code !== 0) throw new Error(`Cannot build with ${script}: ${stderr}`);
    await keep(ours, kept);
    return theirs;
  }
  await run(["cp", "-r", kept, ours]);
  return theirs;
}

/** Whole or not at all, whoever else makes the same now. */
async function keep(folder: string, kept: string): Promise<void> {
  await Deno.mkdir(`${cachePath}/wine/built`, { recursive: true });
  const half = await Deno.makeTempDir({ dir: `${cachePath}/wine/built` });
  await run(["cp", "-r", folder, `${half}/whole`]);
  await Deno.rename(`${half}/whole`, kept).catch(async (error) => {
    if (!await isFolder(kept)) throw error;
  });
  await Deno.remove(half, { recursive: true });
}

async function digestOf(script: string, args: readonly string[]): Promise<string> {
  const folder = `${checkoutPath}/${script.replace(/\/[^/]*$/, "")}`;
  const names = (await Array.fromAsync(Deno.readDir(folder))).map(({ name }) => name).sort();
  const files = [...names.map((name) => `${folder}/${name}`), `${cachePath}/wine/stamp`];
  const texts = await Promise.all(files.map((file) => Deno.readTextFile(file)));
  const bytes = new TextEncoder().encode([script, ...args, ...names, ...texts].join("\0"));
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex().slice(0, 32);
}

function isFolder(path: string): Promise<boolean> {
  return Deno.stat(path).then((file) => file.isDirectory, () => false);
}
