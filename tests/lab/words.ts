/**
 * Judges what a sender said of hosts by what was seen on them right behind it: their own kernel's
 * tables and routes, and whether a ping was answered.
 */

/** A report of `arpflush --json`, as far as it is judged. */
export interface Report {
  readonly exitCode: number;
  readonly summary: string;
  readonly faults: readonly string[];
  readonly hindrances: readonly string[];
  readonly warnings: readonly string[];
  readonly hosts: readonly HostReport[];
  readonly missing: { readonly count: number; readonly names: readonly string[] };
}

interface HostReport {
  readonly host: string;
  readonly state: string;
  readonly text: string;
  readonly reports: readonly { readonly address: string; readonly finding: string }[];
}

/** What was seen on a host at one address. */
export interface Sight {
  /** The host's route to it has no gateway, and isn't to the host itself. */
  readonly onLink: boolean;
  readonly answered: boolean;
  /** Where the host sends to, behind the ping. */
  readonly linkLayerAddress: string | null;
}

/** The router that spoke, as it was right behind its words. */
export interface Speaker {
  readonly addresses: ReadonlySet<string>;
  readonly linkLayerAddresses: ReadonlySet<string>;
}

const goodStates = ["healed", "flushed", "alive"];

/** Why what was said of an address is false; null if it isn't. */
function lieAbout(finding: string, address: string, sight: Sight, router: Speaker): string | null {
  const isHeld = router.addresses.has(address);
  const { onLink, answered, linkLayerAddress } = sight;
  const isRight = linkLayerAddress !== null && router.linkLayerAddresses.has(linkLayerAddress);
  switch (finding) {
    case "healed":
      // Of an address that the router has handed on meanwhile nothing can be told any more.
      return !isHeld || answered && isRight ? null : "is neither answered nor at this router";
    case "stuck":
      return isHeld && !(answered && isRight) ? null : "is where it should be";
    case "no answer":
      return isHeld && !answered ? null : "is answered";
    case "no matter":
      return isHeld && onLink && answered ? "is used and answered" : null;
    default:
      return "could be looked at";
  }
}

/** The false words of a report, a line each. `sights` has each host by its name, and then by address. */
export function liesIn(
  report: Report,
  sights: ReadonlyMap<string, ReadonlyMap<string, Sight>>,
  router: Speaker,
): string[] {
  const { hosts, missing, exitCode } = report;
  const lies = [...report.faults, ...report.hindrances, ...report.warnings];
  for (const { host, state, text, reports } of hosts) {
    for (const { address, finding } of reports) {
      const sight = sights.get(host)?.get(address);
      const lie = sight === undefined ? null : lieAbout(finding, address, sight, router);
      if (lie === null) continue;
      lies.push(`${host} ${text}: ${finding} ${address}, which ${lie} (${JSON.stringify(sight)})`);
    }
    const isBad = reports.some(({ finding }) => finding !== "healed" && finding !== "no matter");
    if (isBad === goodStates.includes(state)) lies.push(`${host} ${text}: ${state}`);
  }
  if (missing.count > 0) lies.push(`missing: ${missing.names}`);
  const isGood = hosts.length > 0 && hosts.every(({ state }) => goodStates.includes(state));
  if (isGood !== (exitCode === 0)) lies.push(`exit code ${exitCode}`);
  return lies.map((lie) => `${lie} (${report.summary})`);
}
