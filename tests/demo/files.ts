/** The few files of the demo: the router's key and the host's settings. */
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
