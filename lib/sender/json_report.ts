/** The outcome for programs: one JSON document, or lines that pin hosts. */
import { askedText, type AskResult } from "../ask/verdicts.ts";
import { arpflushVersion } from "../version.ts";
import { formatLinkLayerAddress, formatPrefix } from "../wire/addresses.ts";
import { printable } from "../wire/datagram.ts";
import { formatKey } from "../wire/keys.ts";
import { actionOf, type Outcome } from "./outcome.ts";
import { summaryLine } from "./table.ts";
import { type HostResult, stateText } from "./verdict.ts";

/** Version of the JSON document: it is raised when a field goes or changes its meaning. */
const documentVersion = 2;

/** To microseconds, as clocks of 1 µs resolution tell it. */
function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}

function hostDocument(result: HostResult) {
  const { host, name, state, error, ms, entries, micros, findings, restPending } = result;
  return {
    host: name,
    key: formatKey("host", Uint8Array.fromHex(host.key)),
    instance: host.instance,
    addresses: [...host.addresses],
    state,
    text: stateText(result),
    error,
    ms: roundMs(ms),
    entries,
    flushMicros: micros,
    restPending,
    clockOffsetMs: roundMs(host.clock.ms),
    clockErrorMs: roundMs(host.clock.errorMs),
    acks: host.acks,
    expectLine: pinLine(result),
    reports: findings.map(({ address, finding, linkLayerAddress, report }) => ({
      address: formatPrefix(address),
      finding,
      state: report?.state ?? null,
      cached: report?.cached ?? null,
      gateway: report?.gateway ?? null,
      linkLayerAddress: linkLayerAddress === null ? null : formatLinkLayerAddress(linkLayerAddress),
    })),
  };
}

/** Each target once: the copies that all its requests had, and the first error of one. */
function targetDocuments({ record }: Outcome) {
  const byTarget = Map.groupBy(
    record.targets,
    ({ target }) => `${target.hostname} ${target.source}`,
  );
  return Array.from(byTarget.values(), (all) => ({
    target: all[0].target.hostname,
    interfaces: all[0].target.interfaceNames,
    sent: Math.min(...all.map(({ sent }) => sent)),
    error: all.find(({ error }) => error !== null)?.error ?? null,
  }));
}

function askedDocument(result: AskResult) {
  const { host, link, name, expected, address, verdict, linkLayerAddress, ms } = result;
  return {
    host,
    interface: link,
    name,
    expected,
    address: formatPrefix(address),
    verdict,
    text: askedText({ verdict, results: [result] }),
    linkLayerAddress: linkLayerAddress === null ? null : formatLinkLayerAddress(linkLayerAddress),
    ms: roundMs(ms),
  };
}

/** The outcome as one JSON document with every field, indented, with a line break at its end. */
export function jsonReport(outcome: Outcome): string {
  const { plan, record } = outcome;
  const { content } = plan.exchange;
  const document = {
    version: documentVersion,
    arpflush: arpflushVersion,
    exitCode: outcome.exitCode,
    summary: summaryLine(outcome),
    action: actionOf(outcome),
    keyId: content.kind === "signed" ? content.key.idText : null,
    created: new Date(record.created).toISOString(),
    elapsedMs: roundMs(record.elapsedMs),
    requests: record.requests.map(({ id, action, addresses, links }) => ({
      id,
      action,
      links,
      addresses: addresses.map(formatPrefix),
    })),
    copies: record.copies,
    targets: targetDocuments(outcome),
    faults: plan.faults,
    hindrances: outcome.hindrances,
    warnings: plan.warnings,
    hosts: outcome.hosts.map(hostDocument),
    thisMachine: outcome.own.map(hostDocument),
    asked: outcome.asked.map(askedDocument),
    askRemarks: record.asked.remarks,
    missing: {
      count: outcome.missingCount,
      names: outcome.missing.map(({ label }) => printable(label)),
    },
    elsewhere: Object.fromEntries(record.elsewhere),
    uncounted: Object.fromEntries(record.uncounted),
    unverified: record.unverified,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** A line for an --expect file that pins a host: its name, its first address, its key. */
export function pinLine({ host, name }: HostResult): string {
  const [address] = host.addresses;
  const names = name === address ? [address] : [name, address];
  return [...names, formatKey("host", Uint8Array.fromHex(host.key))].join(" ");
}
