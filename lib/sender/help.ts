/** What the sender says without sending: its help, its version, a new key. */
import { versionText } from "../version.ts";
import { generateKeyFile } from "../wire/keys.ts";
import { keyFileOn, type Platform, platform } from "./arguments.ts";
import { say, write } from "./output.ts";

/** The help where the sender runs: on Windows there is neither keepalived nor a system log. */
export function usageOn(platform: Platform): string {
  return platform === "windows" ? windowsUsage : usage;
}

/** The help on routers. */
export const usage = `\
Usage: arpflush [options] [HOST …]    HOST: name, address, broadcast address
Makes hosts flush their neighbor (ARP) cache after a failover, and checks it.

  -a, --all              broadcast on every interface that can
      --interface NAME   with -a: on this one only (repeatable)
  -A, --address ADDR     address or CIDR in question (repeatable);
                         default: this machine's own where it sends
      --only             flush just these addresses, not the whole cache
      --no-verify        don't have hosts resolve and report these addresses
      --probe            change nothing: list hosts, clocks, stuck entries
      --expect N|FILE    hosts that must confirm: how many, or names in a file
  -k, --key-file FILE    default ${keyFileOn("unix")}
  -p, --port N           default 27735
  -c, --count N          copies of the datagram, default 5
  -i, --interval TIME    from copy to copy: 1s (default), 200ms, 0.5
  -w, --wait TIME        for acks after the last copy, default 2s
      --spread TIME      in which hosts answer; auto (default): by --expect
  -P, --password TEXT    send the 2009 datagram; nobody acknowledges it
      --password-file FILE   the same, with the password out of sight
      --notify           for keepalived's notify, which appends four words:
                         act if the state among them is MASTER
      --syslog           one line of outcome to the system log
      --json             one JSON document instead of the table
  -q, --quiet   -v, --verbose   --keygen (a new key file's text)
  -h, --help    --version

Exit: 0 all expected hosts healed (default: at least one)   1 nothing sent
      2 usage, key or configuration     3 hosts missing, failed or stuck

  arpflush -a --syslog               in keepalived's notify_master
  arpflush -a --probe --expect 12    who would miss it, who is stuck now?
  arpflush --only -A 192.0.2.1 web1.example.org 2001:db8::7
  arpflush -a -P TopSecret!          as the 2009 client did
`;

const routersOnly = /^ {6}--(?:notify|syslog) .*\n(?: {20,}.*\n)*/gm;

/** The help on Windows. */
const windowsUsage: string = usage
  .replace("Usage: arpflush ", "Usage: arpflush.exe ")
  .replace(keyFileOn("unix"), keyFileOn("windows"))
  .replace(routersOnly, "")
  .replace(/^ {2}arpflush -a --syslog .*\n/m, "")
  .replaceAll(/^ {2}arpflush /gm, "  arpflush.exe ");

/** Writes the information asked for to stdout and returns the exit code. */
export function runInformation(kind: "help" | "version" | "keygen"): number {
  if (kind === "keygen") return generateKey();
  write("stdout", kind === "help" ? usageOn(platform) : versionText("arpflush"));
  return 0;
}

function generateKey(): number {
  if (!write("stdout", generateKeyFile(new Date()))) {
    say("Cannot write the key to stdout");
    return 1;
  }
  if (Deno.stdout.isTerminal()) {
    const file = keyFileOn("unix");
    say(`Put both lines into ${file}, readable by root alone, on every router and host:`);
    say(`umask 077; arpflush --keygen > ${file}`);
    if (platform === "windows") say("On a Windows host: .\\install.ps1 install -KeyFile FILE");
  }
  return 0;
}
