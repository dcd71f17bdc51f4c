/** From options and this machine's interfaces to a whole plan, before anything is sent. */
import { messageOf, RunError, systemReason } from "../errors.ts";
import { readSecretFile } from "../secret_file.ts";
import { listText } from "../text.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isWholeAddress,
  type OwnInterface,
  parseAddress,
  prefixContains,
  samePrefix,
  withoutZone,
} from "../wire/addresses.ts";
import { maxAddresses } from "../wire/datagram.ts";
import { createSigner } from "../wire/ed25519_web.ts";
import { createRouterKey, parseSecretKeyFile } from "../wire/keys.ts";
import type { SendOptions } from "./arguments.ts";
import type { ExchangePlan, PlannedRequest } from "./exchange.ts";
import { ExpectedHosts, parseExpectedHosts } from "./expectation.ts";
import { type LearnedAddresses, ownLinkLayerAddresses } from "./own_link_layer.ts";
import { chooseTargets, mayAnswerFrom, type Target, type TargetGroup } from "./targets.ts";
import { compareAnswers, type IsOwnLinkLayerAddress } from "./verdict.ts";

/** All that a run does, decided before its first datagram. */
export interface Plan {
  readonly options: SendOptions;
  readonly exchange: ExchangePlan;
  readonly isOwnLinkLayerAddress: IsOwnLinkLayerAddress;
  /** Own link-layer addresses that `isOwnLinkLayerAddress` learns of while the run goes on. */
  readonly learned: LearnedAddresses;
  /** What could not be used, a line each; the rest goes on without it. */
  readonly faults: readonly string[];
  /** What keeps the report from being whole, a line each: the datagrams go out all the same. */
  readonly hindrances: readonly string[];
  /** Remarks, a line each; there may come more while the run goes on. */
  readonly warnings: string[];
  /** The first line of a verbose run. */
  readonly opening: string;
}

/**
 * Makes the plan of a run on a machine with these interfaces and this host name. Rejects with a
 * RunError when there is nowhere to send to or nothing to flush, and for a key that is of no use.
 */
export async function prepare(
  options: SendOptions,
  interfaces: readonly OwnInterface[],
  sender: string,
): Promise<Plan> {
  const { secret, port: udpPort, count, intervalMs, waitMs, interfaceNames } = options;
  const { groups, links, faults } = chooseTargets(options, interfaces);
  if (groups.length === 0) {
    throw new RunError(faults.join("; "), interfaceNames.length > 0 ? 2 : 1);
  }
  const targets = groups.flatMap((group) => group.targets);
  const learned: LearnedAddresses = { known: new Set(), failed: false };
  const isOwn = ownLinkLayerAddresses(interfaces, learned, links);
  const own = new Set(
    interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => formatAddress(address))),
  );
  // Who names an address of this machine asks this machine.
  for (const { address } of options.hosts) if (address !== null) own.delete(formatAddress(address));
  const { content, expected, hindrances, warnings, opening } = options.ask?.only
    ? askPart(options)
    : secret.kind !== "key file"
    ? passwordPart(secret, targets)
    : await signedPart(options, secret.path, groups, interfaces, sender);
  return {
    options,
    exchange: {
      content,
      udpPort,
      schedule: { count: content.kind === "none" ? 0 : count, intervalMs },
      waitMs,
      expected,
      wasSentTo(text) {
        const address = parseAddress(withoutZone(text));
        return address !== null && mayAnswerFrom(address, targets);
      },
      isOwnAddress: (text) => own.has(withoutZone(text)),
      compare: (a, b, request) => compareAnswers(a, b, request, isOwn),
    },
    isOwnLinkLayerAddress: isOwn,
    learned,
    faults,
    hindrances,
    warnings,
    opening,
  };
}

/** What depends on what is sent. */
type Part =
  & Pick<ExchangePlan, "content" | "expected">
  & Pick<Plan, "hindrances" | "warnings" | "opening">;

async function signedPart(
  options: SendOptions,
  keyFile: string,
  groups: readonly TargetGroup[],
  interfaces: readonly OwnInterface[],
  sender: string,
): Promise<Part> {
  const { publicKey, sign } = await createSigner(readSeed(keyFile));
  const expectation = readExpectation(options.expect);
  const ackSpreadMs = ackSpreadOf(options.spread, expectation.expected);
  const common = { ackSpreadMs, sender };
  const { requests, warnings } = plannedRequests(options, groups, interfaces, common);
  const key = createRouterKey(publicKey);
  const hostnames = groups.flatMap(({ targets }) => targets).map(({ hostname }) => hostname);
  return {
    ...expectation,
    content: { kind: "signed", key, sign, requests },
    warnings,
    opening: `Key ${key.idText}, to ${hostnames.join(", ")}`,
  };
}

/** Nothing but ARP and Neighbor Discovery is sent. */
function askPart({ expect, action }: SendOptions): Part {
  return {
    ...readExpectation(expect),
    content: { kind: "none", isProbe: action === "probe" },
    warnings: [],
    opening: "No datagram, hosts are asked",
  };
}

/** The datagram of 2009 is sent. */
function passwordPart(
  secret: SendOptions["secret"] & { readonly kind: "password" | "password file" },
  targets: readonly Target[],
): Part {
  const isArgument = secret.kind === "password";
  const password = isArgument ? secret.password : readPassword(secret.path);
  return {
    ...readExpectation(null),
    content: { kind: "password", password, targets },
    warnings: [
      "Anyone on the wire can read this password and repeat it",
      ...isArgument
        ? ["Anyone on this machine can read it among the arguments: use --password-file"]
        : [],
    ],
    opening: "2009 datagram, no acks",
  };
}

/**
 * The requests of a run: for each group as many as its addresses need, the first with the run's
 * action, the others for the rest of the addresses alone.
 */
function plannedRequests(
  { action, verify, addresses: named }: SendOptions,
  groups: readonly TargetGroup[],
  interfaces: readonly OwnInterface[],
  common: Pick<PlannedRequest["fields"], "ackSpreadMs" | "sender">,
): { readonly requests: readonly PlannedRequest[]; readonly warnings: string[] } {
  const isListed = action === "flush listed";
  const needsAddresses = verify || isListed;
  const needed = needsAddresses && named === null ? groups : groups.filter(({ isMore }) => !isMore);
  const requests = needed.flatMap(({ targets, addresses: own, links, isMore }) => {
    const addresses = !needsAddresses
      ? []
      : named === null
      ? own
      : [...named, ...own.filter((address) => isInNetwork(address, named))];
    if (isListed && addresses.length === 0) return [];
    return chunksOf(addresses).map((addresses, i): PlannedRequest => ({
      fields: {
        ...common,
        action: i === 0 && !isMore || action === "probe" ? action : "flush listed",
        acknowledge: true,
        report: verify && addresses.length > 0,
        addresses,
      },
      targets,
      links,
    }));
  });
  if (requests.length === 0) {
    throw new RunError("No address of this machine's own to flush: give --address", 2);
  }
  const isBare = needsAddresses && requests.every(({ fields }) => fields.addresses.length === 0);
  const warnings = [
    ...isBare ? ["No address of this machine's own to verify: give --address"] : [],
    ...named === null ? [] : foreignWarnings(named, interfaces),
  ];
  return { requests, warnings };
}

/**
 * Whether an address is one of those that networks are listed for: hosts are asked about it by itself,
 * since nothing can be looked up for a network.
 */
function isInNetwork(address: AddressPrefix, listed: readonly AddressPrefix[]): boolean {
  return listed.some((one) => prefixContains(one, address)) &&
    !listed.some((one) => samePrefix(one, address));
}

/** Addresses by as many as a datagram holds; one empty part if there are none. */
function chunksOf(addresses: readonly AddressPrefix[]): AddressPrefix[][] {
  const count = Math.max(1, Math.ceil(addresses.length / maxAddresses));
  return Array.from(
    { length: count },
    (_, i) => addresses.slice(i * maxAddresses, (i + 1) * maxAddresses),
  );
}

/**
 * Warnings about addresses that this machine doesn't hold, of which it can't tell whether a link-layer
 * address is right, and about networks, of which it asks about its own addresses alone.
 */
function foreignWarnings(
  addresses: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
): string[] {
  const held = interfaces.flatMap((candidate) => candidate.addresses.map((one) => one.address));
  const foreign = addresses.filter((address) =>
    isWholeAddress(address) && !held.some((own) => samePrefix(own, address))
  );
  const empty = addresses.filter((network) =>
    !isWholeAddress(network) && !held.some((own) => prefixContains(network, own))
  );
  return [
    ...foreign.length === 0 ? [] : [
      `This machine does not hold ${listText(foreign.map(formatPrefix), 3)}: ` +
      "any link-layer address reported for it counts as STUCK",
    ],
    ...empty.length === 0 ? [] : [
      `This machine holds no address in ${listText(empty.map(formatPrefix), 3)}: ` +
      "nobody is asked what is true of it",
    ],
  ];
}

function readSecret(path: string, what: string): string {
  try {
    return readSecretFile(path, what);
  } catch (error) {
    throw new RunError(messageOf(error), 2);
  }
}

/** The seed that signs, from a key file. Throws a RunError without any part of a key. */
export function readSeed(path: string): Uint8Array {
  const text = readSecret(path, "key file");
  try {
    return parseSecretKeyFile(text);
  } catch (error) {
    throw new RunError(`Cannot use key file "${path}": ${messageOf(error)}`, 2);
  }
}

/** The password in a file: its one line, without the line break. Throws a RunError. */
export function readPassword(path: string): string {
  const password = readSecret(path, "password file").replace(/\r?\n$/, "");
  const fault = password === "" ? "is empty" : /[\r\n]/.test(password) ? "has several lines" : null;
  if (fault !== null) throw new RunError(`Cannot read password file "${path}": it ${fault}`, 2);
  return password;
}

/** Who is expected. A file that can't be used hinders the report alone. */
function readExpectation(expect: SendOptions["expect"]): Pick<Part, "expected" | "hindrances"> {
  if (expect?.kind !== "file") {
    return { expected: new ExpectedHosts([], expect?.count ?? null), hindrances: [] };
  }
  try {
    const hosts = parseExpectedHosts(readText(expect.path))
      .filter(({ label }) => expect.elsewhere?.has(label) !== true);
    return { expected: new ExpectedHosts(hosts), hindrances: [] };
  } catch (error) {
    const what = `Cannot read expected hosts from "${expect.path}": ${messageOf(error)}`;
    return { expected: new ExpectedHosts([], null), hindrances: [what] };
  }
}

function readText(path: string): string {
  let bytes: Uint8Array;
  try {
    // A pipe may keep the datagrams waiting, and a device may never end.
    if (!Deno.statSync(path).isFile) throw new Error("it is not a regular file");
    bytes = Deno.readFileSync(path);
  } catch (error) {
    throw new Error(systemReason(error));
  }
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new Error("it is not UTF-8 text (UTF-16? save it as UTF-8)");
  }
}

/**
 * A socket holds 166 acks by default on Linux: what comes in 83 ms at this rate. A busy machine may
 * keep the sender from reading for so long without a loss.
 */
const acksPerSecond = 2_000;
/** Leaves time for flushes within the second until the next copy, whose acks make up for lost ones. */
const maxAutoSpreadMs = 800;

/** How far apart hosts are to send their acks, in ms, so that none is lost where all come at once. */
function ackSpreadOf(spread: SendOptions["spread"], { count }: ExpectedHosts): number {
  if (spread !== "auto") return spread;
  return Math.min(maxAutoSpreadMs, Math.floor((count ?? 0) * 1_000 / acksPerSecond));
}
