/** The key of this host, by which senders know its acks, and where Linux keeps it. */
import { messageOf, systemReason } from "../errors.ts";
import { isMissing, readSecretFile } from "../secret_file.ts";
import { contentLines } from "../text.ts";
import { createSyncSigner } from "../wire/ed25519_node.ts";
import { formatKey, keyLength, type SyncSigner } from "../wire/keys.ts";

/** Where this host's key is kept. Its methods throw an Error whose message is one whole line. */
export interface HostKeyStore {
  /** The seed, or null if there is none yet. */
  read(): Uint8Array | null;
  /** Keeps a seed where nobody but the service can read it. */
  write(seed: Uint8Array): void;
}

/** A host's key, and why it can't be kept, or null. */
interface HostKey {
  readonly signer: SyncSigner;
  readonly fault: string | null;
}

/**
 * This host's key, which is made and kept at the first start. Where it can't be kept, or where there
 * is no store, the key is for this start alone.
 */
export function loadHostKey(store: HostKeyStore | null): HostKey {
  let seed = crypto.getRandomValues(new Uint8Array(keyLength));
  let fault: string | null = null;
  try {
    const kept = store?.read() ?? null;
    if (kept === null) store?.write(seed);
    else seed = kept.slice();
  } catch (error) {
    fault = messageOf(error);
  }
  return { signer: createSyncSigner(seed), fault };
}

/** The state folder under systemd is StateDirectory's; of a service started by hand it is this. */
const stateFolder = "/var/lib/arpflush";
const prefix = "arpflush-host-secret-";

/** Keeps the host's key in the state folder, in a file that its owner alone can read. */
export function createHostKeyFile(
  folder = Deno.env.get("STATE_DIRECTORY") || stateFolder,
): HostKeyStore {
  const path = `${folder}/host-key`;
  return {
    read() {
      if (isMissing(path)) return null;
      const lines = contentLines(readSecretFile(path, "host key"));
      const seed = lines.length === 1 ? parseHostSeed(lines[0].content) : null;
      if (seed === null) throw new Error(`Cannot read host key "${path}": it is broken`);
      return seed;
    },
    write(seed) {
      const publicText = formatKey("host", createSyncSigner(seed).publicKey);
      const text =
        "# ArpFlush's key of this host. It is made by the service and never leaves it.\n" +
        `# Its public key: ${publicText}\n${formatHostSeed(seed)}\n`;
      const temporary = `${path}.new`;
      try {
        Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
        Deno.writeTextFileSync(temporary, text, { mode: 0o600 });
        // The mode is only for a file that wasn't there.
        Deno.chmodSync(temporary, 0o600);
        Deno.renameSync(temporary, path);
      } catch (error) {
        throw new Error(`Cannot write host key "${path}": ${systemReason(error)}`);
      }
    },
  };
}

function formatHostSeed(seed: Uint8Array): string {
  return prefix + seed.toBase64({ alphabet: "base64url", omitPadding: true });
}

function parseHostSeed(text: string): Uint8Array | null {
  if (!text.startsWith(prefix)) return null;
  try {
    const seed = Uint8Array.fromBase64(text.slice(prefix.length), { alphabet: "base64url" });
    return seed.length === keyLength ? seed : null;
  } catch {
    return null;
  }
}
