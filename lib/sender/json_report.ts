/** The outcome for programs: one JSON document. */
import { arpflushVersion } from "../version.ts";
import { formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import type { HostResult } from "./hosts.ts";
import { actionOf, type Outcome } from "./outcome.ts";
import { summaryLine } from "./table.ts";

/** Version of the JSON document: it is raised when a field goes or changes its meaning. */
const documentVersion = 1;

/** Rounded to microseconds. */
function toMicroseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function hostDocument(host: HostResult) {
  return {
    host: host.name,
    addresses: host.addresses,
    state: host.state,
    error: host.error,
    ms: toMicroseconds(host.ms),
    entries: host.entries,
    flushMicros: host.micros,
    clockOffsetMs: toMicroseconds(host.clock.ms),
    clockErrorMs: toMicroseconds(host.clock.errorMs),
    repaired: host.repaired,
    acks: host.ackCount,
    reports: host.findings.map(({ address, state, linkLayerAddress, finding }) => ({
      address: formatPrefix(address),
      state,
      linkLayerAddress: linkLayerAddress === null ? null : formatLinkLayerAddress(linkLayerAddress),
      finding,
    })),
  };
}

/** The outcome as one JSON document with every field, indented, with a line break at its end. */
export function jsonReport(outcome: Outcome): string {
  const { plan, record } = outcome;
  const signed = plan.content.kind === "signed" ? plan.content : null;
  const document = {
    version: documentVersion,
    arpflush: arpflushVersion,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    action: actionOf(outcome),
    keyId: signed?.key.idText ?? null,
    requestId: record.requestIds[0]?.toHex() ?? null,
    created: new Date(record.created).toISOString(),
    elapsedMs: toMicroseconds(record.elapsedMs),
    addresses: (signed?.requests ?? []).flatMap(({ addresses }) => addresses.map(formatPrefix)),
    copies: record.copies,
    targets: record.targets.map(({ target, sent, error }) => ({
      target: target.hostname,
      interfaces: target.interfaceNames,
      sent,
      error,
    })),
    faults: plan.faults,
    hosts: outcome.hosts.map(hostDocument),
    missing: { count: outcome.missingCount, names: outcome.missingNames.map(printable) },
    ignored: Object.fromEntries(record.ignored),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}
