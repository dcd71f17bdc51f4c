/** What the sender says without sending: its help, its version, a new key. */
import { versionText } from "../version.ts";
import { createSigner } from "../wire/ed25519_web.ts";
import { formatKey, formatSecretKeyFile, keyLength } from "../wire/keys.ts";
import { type Command, defaultFiles, type Platform, platform } from "./arguments.ts";
import { say, write } from "./output.ts";
import { readSeed } from "./preparation.ts";

/** The help where the sender runs: on Windows there is neither keepalived nor a system log. */
export function usageOn(platform: Platform): string {
  return platform === "windows" ? windowsUsage : usage;
}

/** The help on routers. */
const usage = `\
Usage: arpflush [options] [HOST …]    HOST: name, address, broadcast address
Makes hosts flush their neighbor (ARP) cache after a failover, and checks it.

  -a, --all              broadcast on every interface that can
      --interface NAME   with -a: on this one only (repeatable)
  -A, --address ADDR     address or CIDR in question (repeatable);
                         default: this machine's own where it sends
      --only             flush just these addresses, not the whole cache
      --no-verify        don't have hosts resolve and report these addresses
      --probe            change nothing: list hosts, clocks, stuck entries
      --ask              ask hosts without the service, by ARP; with -a:
                         besides, without: only these, and no key is needed
      --pace N           of --ask: broadcasts a second, default 10
      --sweep            of --ask: each address of networks up to a /22
      --pins             with --probe: a line for --expect for each host
      --expect N|FILE    who must answer; FILE: names, addresses, key a line
  -k, --key-file FILE    default ${defaultFiles.unix.key}
  -p, --port N           of the services, default 27735
      --source-port N-N  own, the first free one: default 27736-27799
  -c, --count N          copies of the datagram, default 5
  -i, --interval TIME    from copy to copy: 1s (default), 200ms, 0.5
  -w, --wait TIME        for acks after the last copy, default 2s
      --spread TIME      in which hosts answer; auto (default): by --expect
  -P, --password TEXT    send the 2009 datagram; nobody acknowledges it
      --password-file FILE   the same, with the password out of sight
      --notify           for keepalived's notify: act if it says MASTER
      --follow FIFO      stay, and act on keepalived's vrrp_notify_fifo
      --unless-following send nothing if such a process does
      --syslog           one line of outcome to the system log
      --metrics FILE     the outcome for Prometheus' textfile collector
      --history FILE     a line a run: "arpflush history [FILE]" shows them
      --json             one JSON document instead of the table
      --keygen, --public-key   a new key's file; the key that hosts list
  -q, --quiet   -v, --verbose   -h, --help   --version

Exit: 0 good   1 nothing sent   2 usage, key or configuration
      3 a host isn't good or is missing   4 sent, but not all could be told

  arpflush -a --syslog               in keepalived's notify_master
  arpflush -a --probe --expect 12    who would miss it, who is stuck now?
  arpflush --ask -A 192.0.2.1        heal hosts that run no service
  arpflush -a -P TopSecret!          as the 2009 client did
`;

const routersOnly = /^ {6}--(?:notify|syslog|follow|unless-following) .*\n(?: {20,}.*\n)*/gm;

/** The help on Windows. */
const windowsUsage: string = usage
  .replace("Usage: arpflush ", "Usage: arpflush.exe ")
  .replace(defaultFiles.unix.key, defaultFiles.windows.key)
  .replace(routersOnly, "")
  .replace(/^ {2}arpflush -a --syslog .*\n/m, "")
  .replaceAll(/^ {2}arpflush /gm, "  arpflush.exe ");

/** Writes the information asked for to stdout and resolves with the exit code. */
export async function runInformation(
  command: Exclude<Command, { readonly kind: "send" | "follow" | "nothing" | "history" }>,
): Promise<number> {
  switch (command.kind) {
    case "keygen":
      return await generateKey();
    case "public key": {
      const { publicKey } = await createSigner(readSeed(command.path));
      return write("stdout", `${formatKey("public", publicKey)}\n`) ? 0 : 1;
    }
    default:
      write("stdout", command.kind === "help" ? usageOn(platform) : versionText("arpflush"));
      return 0;
  }
}

async function generateKey(): Promise<number> {
  const seed = crypto.getRandomValues(new Uint8Array(keyLength));
  const { publicKey } = await createSigner(seed);
  if (!write("stdout", formatSecretKeyFile(seed, publicKey, new Date()))) {
    say("Cannot write the key to stdout");
    return 1;
  }
  if (Deno.stdout.isTerminal()) {
    const file = defaultFiles[platform].key;
    say(`Keep it in ${file}, readable by its user alone, on this router and nowhere else:`);
    say(`umask 077; arpflush --keygen > ${file}`);
    say("Hosts need the public key alone, as RouterKeys in their settings");
  }
  return 0;
}
