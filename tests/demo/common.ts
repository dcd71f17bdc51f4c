/** What both scenes of the demo share: their few files, and what they print. */
import { createSyncSigner } from "../../lib/wire/ed25519_node.ts";
import { formatKey, formatSecretKeyFile, keyLength } from "../../lib/wire/keys.ts";

/** Paths of a router's key file and of the settings of a host that obeys it. */
interface DemoFiles {
  readonly key: string;
  readonly settings: string;
}

/** Makes a folder with a new key, which nobody else can read, and settings with these lines more. */
export async function writeDemoFiles(
  folder: string,
  settings: readonly string[],
): Promise<DemoFiles> {
  await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
  const files = { key: `${folder}/key`, settings: `${folder}/arpflush.toml` };
  const seed = crypto.getRandomValues(new Uint8Array(keyLength));
  const { publicKey } = createSyncSigner(seed);
  const text = formatSecretKeyFile(seed, publicKey, new Date());
  await Deno.writeTextFile(files.key, text, { mode: 0o600 });
  const lines = [`RouterKeys = ["${formatKey("public", publicKey)}"]`, ...settings];
  await Deno.writeTextFile(files.settings, `${lines.join("\n")}\n`);
  return files;
}

/** A paragraph: a line, and text that belongs to it, indented. */
export function show(line: string, text = ""): void {
  const indented = text.trimEnd().split("\n").filter((one) => one !== "").map((one) => `  ${one}`);
  console.log([line, ...indented].join("\n") + "\n");
}

/** The time in a report's row of a host, in ms after the first datagram; null without such a row. */
function millisecondsOf(report: string, hostName: string): number | null {
  const row = report.split("\n").map((line) => line.trim().split(/\s+/))
    .find(([name]) => name === hostName);
  const text = row?.[2] ?? "";
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** The last word: healed in how many ms, or not. Gives back whether it was. */
export function conclude(healed: boolean, report: string, hostName: string): boolean {
  const ms = millisecondsOf(report, hostName);
  if (healed && ms !== null) {
    console.log(`Healed: the proof was at the sender ${ms} ms after its first datagram.`);
    return true;
  }
  console.log("NOT healed.");
  return false;
}
