/** The outcome as one JSON document with every field. */
import { formatPrefix } from "../wire/ip_address.ts";
import { formatLinkLayerAddress } from "../wire/link_layer_address.ts";
import { printable } from "../wire/text_field.ts";
import { arpflushVersion } from "../version.ts";
import type { HostOutcome, Outcome } from "./outcome.ts";
import { summaryLine } from "./summary.ts";

/** Raised when a field goes or changes its meaning; new fields don't raise it. */
export const documentVersion = 1;

function hostDocument({ host, verdict, ms, entries, micros, clockOffsetMs }: HostOutcome) {
  return {
    host: host.name,
    addresses: [...host.answers.keys()],
    state: verdict.state,
    error: verdict.error,
    ms: Math.round(ms * 1000) / 1000,
    entries,
    flushMicros: micros,
    clockOffsetMs,
    repaired: host.repaired,
    acks: host.acks,
    reports: verdict.findings.map((one) => ({
      address: formatPrefix(one.address),
      state: one.state,
      linkLayerAddress: one.linkLayerAddress === null
        ? null
        : formatLinkLayerAddress(one.linkLayerAddress),
      finding: one.finding,
    })),
  };
}

/** The document's text, indented, with a line break at its end. */
export function jsonReport(outcome: Outcome): string {
  const document = {
    version: documentVersion,
    arpflush: arpflushVersion,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    action: outcome.action,
    keyId: outcome.keyId,
    requestId: outcome.requestId?.toHex() ?? null,
    created: new Date(outcome.created).toISOString(),
    elapsedMs: Math.round(outcome.elapsedMs * 1000) / 1000,
    addresses: outcome.addresses.map(formatPrefix),
    copies: outcome.copies,
    targets: outcome.targets.map(({ target, sent, error }) => ({
      target: target.hostname,
      interfaces: target.interfaceNames,
      sent,
      error,
    })),
    faults: outcome.faults,
    hosts: outcome.hosts.map(hostDocument),
    missing: { count: outcome.missingCount, names: outcome.missingNames.map(printable) },
    ignored: Object.fromEntries(outcome.ignored),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
