/** What the sender can say without sending: help, version, a new key. */
import { versionText } from "../version.ts";
import { generateKeyFile } from "../wire/keyring.ts";
import { say, write } from "./output.ts";
import { keyFileOn, platform } from "./platform.ts";
import { usageOn } from "./usage.ts";

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
