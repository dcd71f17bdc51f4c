/**
 * What asking a host that runs no service comes to, and what that means for a run. Pure; the one
 * module of this room that a run without `--ask` loads.
 */
import type { AddressPrefix } from "../wire/addresses.ts";

/**
 * Worst first. "stuck": it sends what is for the address elsewhere. "no answer": it is off, isolated,
 * or drops this router's ARP. "not asked": the address left this router, or there was no time for
 * it. "asked": it answered the request and took it, as RFC 826 has it, but a firewall hides the proof.
 * "healed": a frame from it reached this router at the address. "ok": so it was before it was asked.
 */
export const askVerdicts = ["stuck", "no answer", "not asked", "asked", "healed", "ok"] as const;
export type AskVerdict = typeof askVerdicts[number];

/** The verdict on one address of this router at one host. */
export interface AskResult {
  /** The host's address, as `formatAddress` gives it. */
  readonly host: string;
  /** The name of the interface that it was asked on. */
  readonly link: string;
  /** The name that it was expected under; null for one that nobody named. */
  readonly name: string | null;
  /** The command line or `--expect` named it: its silence is a fault, others' may be an idle address. */
  readonly expected: boolean;
  /** The address in question. */
  readonly address: AddressPrefix;
  readonly verdict: AskVerdict;
  /** Where the host sends what is for the address; null if it wasn't seen. */
  readonly linkLayerAddress: Uint8Array | null;
  /** ms from the start of asking to what decided the verdict. */
  readonly ms: number;
}

/** A host that was seen on a link. */
export interface Neighbor {
  readonly link: string;
  readonly address: AddressPrefix;
  /** 12 hex digits. */
  readonly linkLayerAddress: string;
}

/** What asking came to. */
export interface AskReport {
  readonly results: readonly AskResult[];
  /** What else should be known, a line each. */
  readonly remarks: readonly string[];
  /** The hosts that were heard. */
  readonly hosts: readonly Neighbor[];
}

/** Nobody was asked. */
export const noAsk: AskReport = { results: [], remarks: [], hosts: [] };

/** The results on one host: the worst verdict, and the longest time. */
export interface AskedHost extends Omit<AskResult, "address" | "linkLayerAddress"> {
  readonly results: readonly AskResult[];
}

/** Results by host, the worst first; idle addresses, where nobody is expected or answers, left out. */
export function askedHosts(results: readonly AskResult[]): AskedHost[] {
  const placeOf = ({ verdict }: { readonly verdict: AskVerdict }) => askVerdicts.indexOf(verdict);
  return Array.from(
    Map.groupBy(results, ({ host, link }) => `${host}%${link}`).values(),
    (results): AskedHost => {
      const [{ host, link, name, expected, verdict }] = results
        .toSorted((a, b) => placeOf(a) - placeOf(b));
      const ms = results.reduce((most, { ms }) => Math.max(most, ms), 0);
      return { host, link, name, expected, verdict, results, ms };
    },
  ).filter(({ verdict, expected }) => expected || verdict !== "no answer")
    .sort((a, b) => placeOf(a) - placeOf(b));
}

/** How a result weighs on the run: a fault, what could not be told, or nothing. */
export function weightOf(
  { verdict, expected }: Pick<AskResult, "verdict" | "expected">,
): "fault" | "untold" | "none" {
  switch (verdict) {
    case "stuck":
      return "fault";
    case "no answer":
      return expected ? "fault" : "none";
    case "not asked":
      return "untold";
    case "asked":
      return expected ? "untold" : "none";
    default:
      return "none";
  }
}
