/**
 * One run, from options to outcome. A process may do any number of them, one after the other or side
 * by side. Until the first datagrams are with the system it loads and does nothing that they don't
 * need.
 */
import { noAsk } from "../ask/verdicts.ts";
import { messageOf } from "../errors.ts";
import { systemTime } from "../time.ts";
import { formatAddress, isWholeAddress, ownInterfaces } from "../wire/addresses.ts";
import { verifySignature } from "../wire/ed25519_web.ts";
import type { SendOptions } from "./arguments.ts";
import { datagramPortOpener } from "./datagram_port.ts";
import { exchange, type ExchangeRecord, type Watch } from "./exchange.ts";
import type { Noted } from "./hosts.ts";
import { type Outcome, outcomeOf } from "./outcome.ts";
import { say } from "./output.ts";
import { type Plan, prepare } from "./preparation.ts";
import type { Reporter } from "./report.ts";
import { hostResult, isGood } from "./verdict.ts";

/** Ends a run that asks about addresses which this router answers for no more. */
export class AddressesLeft extends Error {}

/** Ends a run that a later one has taken over: nothing is reported. */
export const joinedReason = "a later run does its work";

/**
 * Sends, waits, and reports the outcome, which it resolves with. It works with the interfaces and the
 * host name that the machine has now. From the moment that `signal` is aborted nothing is sent, and
 * the run ends; its report gives the signal's reason. `onSent` is called once the first datagram is with
 * the system. Rejects with a RunError if it can't be prepared.
 */
export async function run(
  options: SendOptions,
  signal: AbortSignal,
  onSent: () => void = () => {},
): Promise<Outcome> {
  const plan = await preparePlan(options);
  let reporter: Promise<Reporter | null> | undefined;
  const report = (record: ExchangeRecord) => reporter ??= loadReporter(plan, record);
  const openPort = datagramPortOpener(options.sourcePorts);
  const watch: Watch = (event, soFar) => {
    if (event.kind === "copy") goOn(soFar);
    if (event.kind === "ack" && learning === undefined && isAtUnknown(plan, soFar, event.noted)) {
      learning = learnLinkLayerAddresses(plan);
    }
    report(soFar).then((loaded) => loaded?.event(event))
      .catch((error) => say(`Cannot report: ${messageOf(error)}`));
  };
  let asking: Promise<void> | undefined;
  const goOn = (record: ExchangeRecord) => {
    if (asking === undefined) onSent();
    return asking ??= askBeside(plan, record, watch, signal);
  };
  let learning: Promise<void> | undefined;
  const record = await exchange(
    plan.exchange,
    openPort,
    systemTime,
    verifySignature,
    watch,
    signal,
  );
  await goOn(record);
  if (signal.aborted) {
    record.endedEarly = messageOf(signal.reason);
    record.hasLostAddresses = signal.reason instanceof AddressesLeft;
  } else record.left = lostAddresses(plan);
  await learning;
  if (record.endedEarly === joinedReason) return outcomeOf(plan, record);
  const loaded = await report(record);
  return loaded === null
    ? outcomeOf(plan, record, ["the report could not be loaded"])
    : await loaded.end();
}

/**
 * Asks hosts that run no service, if the run is to: from its first datagram on, beside the exchange.
 * What comes of it stands in the record. Never rejects.
 */
async function askBeside(
  plan: Plan,
  record: ExchangeRecord,
  watch: Watch,
  signal: AbortSignal,
): Promise<void> {
  const { options, options: { ask } } = plan;
  if (ask === null || signal.aborted) return;
  const start = systemTime.monotonic();
  try {
    const { askHosts } = await import("./asking.ts");
    record.asked = await askHosts({
      options,
      how: ask,
      expected: plan.exchange.expected,
      interfaces: () => ownInterfaces(Deno.networkInterfaces()),
      time: systemTime,
      isTold: (host) => hasGoodAnswer(plan, record, formatAddress(host)),
      watch(result) {
        record.asked = { ...record.asked, results: [...record.asked.results, result] };
        watch({ kind: "asked", result }, record);
      },
    }, signal);
  } catch (error) {
    record.asked = { ...noAsk, remarks: [`Cannot ask hosts: ${messageOf(error)}`] };
  }
  record.elapsedMs = Math.max(record.elapsedMs, systemTime.monotonic() - start);
}

/**
 * Addresses in question that this router had when the run was planned and has no more: another router's
 * hosts are no affair of the run. None where that can't be told.
 */
function lostAddresses({ exchange: { content, isOwnAddress } }: Plan): string[] {
  if (content.kind !== "signed") return [];
  const questioned = content.requests.flatMap(({ fields }) => fields.addresses)
    .filter(isWholeAddress).map(formatAddress);
  try {
    const own = ownInterfaces(Deno.networkInterfaces()).flatMap(({ addresses }) =>
      addresses.map(({ address }) => formatAddress(address))
    );
    return [...new Set(questioned).difference(new Set(own))].filter(isOwnAddress);
  } catch {
    return [];
  }
}

/** Whether the service at an address has said that all is well: its host needn't be asked then. */
function hasGoodAnswer(plan: Plan, { hosts }: ExchangeRecord, address: string): boolean {
  const host = hosts.all().find(({ addresses }) => addresses.has(address));
  return host !== undefined &&
    isGood(hostResult(host, hosts, plan.isOwnLinkLayerAddress).state);
}

/** Whether a host has an address at a link-layer address that isn't known to be this router's. */
function isAtUnknown(plan: Plan, { hosts }: ExchangeRecord, { host }: Noted): boolean {
  return hostResult(host, hosts, plan.isOwnLinkLayerAddress).findings
    .some(({ finding, linkLayerAddress }) => finding !== "healed" && linkLayerAddress !== null);
}

/**
 * Learns link-layer addresses by `ip`. Without it, or the right to run it, the runtime's list has to
 * do, and a warning says so.
 */
async function learnLinkLayerAddresses({ learned, warnings }: Plan): Promise<void> {
  if (Deno.build.os !== "linux") return;
  const reason = await import("./own_ports.ts")
    .then(({ learnLinkLayerAddresses }) => learnLinkLayerAddresses(learned))
    .catch((error) => {
      learned.failed = true;
      return messageOf(error);
    });
  if (reason === null) return;
  warnings.push(`Cannot look up this router's own link-layer addresses: ${reason}`);
}

/** The plan of a run; one that can't be prepared is kept, too, where runs are. */
async function preparePlan(options: SendOptions): Promise<Plan> {
  try {
    return await prepare(options, ownInterfaces(Deno.networkInterfaces()), Deno.hostname());
  } catch (error) {
    const isKept = options.historyFile !== null || options.metricsFile !== null;
    if (isKept && error instanceof Error) {
      const { keepRun } = await import("./run_files.ts");
      (await keepRun(error, options)).forEach(say);
    }
    throw error;
  }
}

/** The reporter; null if it can't be loaded: the copies go out all the same. */
async function loadReporter(plan: Plan, record: ExchangeRecord): Promise<Reporter | null> {
  try {
    return new (await import("./report.ts")).Reporter(plan, record);
  } catch (error) {
    say(`Cannot load the report: ${messageOf(error)}`);
    return null;
  }
}
