/** The version of service and sender; CHANGELOG.md tells what each brought. */
export const arpflushVersion = "0.2.0";

const descriptions = {
  "arpflush":
    "Asks hosts to flush their neighbor cache (ARP, Neighbor Discovery) after a failover.",
  "arpflush-service":
    "Flushes the neighbor cache (ARP, Neighbor Discovery) when a router asks for it.",
} as const;

/** What a program's `--version` prints: name and version in its first line, what it is in the second. */
export function versionText(program: keyof typeof descriptions): string {
  return `${program} ${arpflushVersion}\n${descriptions[program]}\n`;
}
