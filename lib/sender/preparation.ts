/** From options and this machine's interfaces to a whole plan, before anything is sent. */
import { messageOf, RunError, systemReason } from "../errors.ts";
import { readSecretFile } from "../secret_file.ts";
import { listText } from "../text.ts";
import {
  type AddressPrefix,
  formatPrefix,
  isWholeAddress,
  type OwnInterface,
  samePrefix,
} from "../wire/addresses.ts";
import { addressesMost } from "../wire/datagram.ts";
import { type Key, parseKeyFile } from "../wire/keys.ts";
import type { FlushRequest } from "../wire/request.ts";
import type { SendOptions } from "./arguments.ts";
import { type Expectation, expectedCount, parseExpectedNames } from "./expectation.ts";
import {
  chooseTargets,
  defaultAddresses,
  interfacesOf,
  Ownership,
  type Target,
} from "./targets.ts";

/** A request but for its id and the time it was created, which it gets when it is sent. */
export type PlannedRequest = Omit<FlushRequest, "created" | "id">;

/** What the datagrams of a run are made of. */
type Content =
  | { readonly kind: "signed"; readonly key: Key; readonly requests: readonly PlannedRequest[] }
  /** The datagram of 2009. */
  | { readonly kind: "password"; readonly password: string };

/** All that a run does, decided before its first datagram. */
export interface Plan {
  readonly content: Content;
  readonly targets: readonly Target[];
  /** The services' UDP port. */
  readonly udpPort: number;
  /** How often the datagrams are sent, and the time from copy to copy. */
  readonly schedule: { readonly count: number; readonly intervalMs: number };
  /** How long acks are waited for after the last copy. */
  readonly waitMs: number;
  /** When these have confirmed, nothing more is sent or waited for; null: all copies are sent. */
  readonly expectation: Expectation | null;
  /** Tells this machine's link-layer addresses from others' in reports. */
  readonly ownership: Ownership;
  /** What could not be used, a line each; the rest goes on without it. */
  readonly faults: readonly string[];
  /** Remarks for stderr, a line each. */
  readonly warnings: readonly string[];
  /** The first line of a verbose run. */
  readonly opening: string;
}

/**
 * Makes the plan of a run on a machine with these interfaces and this host name. Throws a RunError
 * when there is nowhere to send to or nothing to flush, and for a file that is of no use.
 */
export function prepare(
  options: SendOptions,
  interfaces: readonly OwnInterface[],
  sender: string,
): Plan {
  const { secret, port: udpPort, count, intervalMs, waitMs, interfaceNames } = options;
  const { targets, faults } = chooseTargets(options, interfaces);
  if (targets.length === 0) {
    throw new RunError(faults.join("; "), interfaceNames.length > 0 ? 2 : 1);
  }
  const common = {
    targets,
    faults,
    udpPort,
    schedule: { count, intervalMs },
    waitMs,
    ownership: new Ownership(interfaces, options.addresses !== null),
  };
  if (secret.kind !== "key file") return { ...common, ...passwordPart(secret) };
  const { addresses, warnings } = addressesInQuestion(options, targets, interfaces);
  const key = readSigningKey(secret.path);
  const expectation = readExpectation(options.expect);
  const request: PlannedRequest = {
    action: options.action,
    acknowledge: true,
    report: options.verify && addresses.length > 0,
    ackSpreadMs: ackSpreadOf(options.spread, expectation),
    sender,
    addresses,
  };
  return {
    ...common,
    content: { kind: "signed", key, requests: [request] },
    expectation,
    warnings,
    opening: `Key ${key.idText}, to ${targets.map(({ hostname }) => hostname).join(", ")}`,
  };
}

/** The part of a plan that is different for the datagram of 2009. */
function passwordPart(
  secret: SendOptions["secret"] & { readonly kind: "password" | "password file" },
): Pick<Plan, "content" | "expectation" | "warnings" | "opening"> {
  const isArgument = secret.kind === "password";
  return {
    content: {
      kind: "password",
      password: isArgument ? secret.password : readPassword(secret.path),
    },
    expectation: null,
    warnings: [
      "Anyone on the wire can read this password and repeat it",
      ...isArgument
        ? ["Anyone on this machine can read it among the arguments: use --password-file"]
        : [],
    ],
    opening: "2009 datagram, no acks",
  };
}

/** The addresses that the request lists, and what there is to say about them. */
function addressesInQuestion(
  { action, verify, addresses }: SendOptions,
  targets: readonly Target[],
  interfaces: readonly OwnInterface[],
): { readonly addresses: readonly AddressPrefix[]; readonly warnings: readonly string[] } {
  const isListed = action === "flush listed";
  if (!verify && !isListed) return { addresses: [], warnings: [] };
  if (addresses !== null) return { addresses, warnings: foreignWarnings(addresses, interfaces) };
  const own = defaultAddresses(interfacesOf(targets, interfaces));
  if (own.length === 0 && isListed) {
    throw new RunError("No address of this machine's own to flush: give --address", 2);
  }
  if (own.length === 0) {
    return {
      addresses: [],
      warnings: ["No address of this machine's own to verify: give --address"],
    };
  }
  if (own.length <= addressesMost) return { addresses: own, warnings: [] };
  const warning =
    `${own.length} own addresses are too many for a datagram: the first ${addressesMost} are in ` +
    "question; give --address to choose";
  return { addresses: own.slice(0, addressesMost), warnings: [warning] };
}

/** Who doesn't hold an address can't tell a right link-layer address for it from a wrong one. */
function foreignWarnings(
  addresses: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
): string[] {
  const held = interfaces.flatMap((candidate) => candidate.addresses.map((one) => one.address));
  const foreign = addresses.filter((address) =>
    isWholeAddress(address) && !held.some((own) => samePrefix(own, address))
  );
  if (foreign.length === 0) return [];
  return [
    `This machine does not hold ${listText(foreign.map(formatPrefix), 3)}: ` +
    "any link-layer address reported for it counts as STUCK",
  ];
}

function readSecret(path: string, what: string): string {
  try {
    return readSecretFile(path, what);
  } catch (error) {
    throw new RunError(messageOf(error), 2);
  }
}

/** The key that signs, the first of a key file. Throws a RunError without any part of a key. */
function readSigningKey(path: string): Key {
  const text = readSecret(path, "key file");
  try {
    return parseKeyFile(text).signing;
  } catch (error) {
    throw new RunError(`Cannot read key file "${path}": ${messageOf(error)}`, 2);
  }
}

/** The password in a file: its one line, without the line break. Throws a RunError. */
function readPassword(path: string): string {
  const password = readSecret(path, "password file").replace(/\r?\n$/, "");
  const fault = password === "" ? "is empty" : /[\r\n]/.test(password) ? "has several lines" : null;
  if (fault !== null) throw new RunError(`Cannot read password file "${path}": it ${fault}`, 2);
  return password;
}

/** Who is expected; a file of names is read. Throws a RunError. */
function readExpectation(expect: SendOptions["expect"]): Expectation | null {
  if (expect === null || expect.kind === "count") return expect;
  const cannot = (reason: string) =>
    new RunError(`Cannot read expected hosts from "${expect.path}": ${reason}`, 2);
  let text: string;
  try {
    text = Deno.readTextFileSync(expect.path);
  } catch (error) {
    throw cannot(systemReason(error));
  }
  try {
    return { kind: "names", names: parseExpectedNames(text) };
  } catch (error) {
    throw cannot(messageOf(error));
  }
}

/**
 * A socket holds 256 acks by default on Linux: what comes in 128 ms at this rate. A busy machine may
 * keep the sender from reading for so long without a loss.
 */
const acksPerSecond = 2_000;
/** Leaves time for flushes within the second until the next copy, whose acks make up for lost ones. */
const maxAutoSpreadMs = 800;

/** How far apart hosts are to send their acks, in ms, so that none is lost where all come at once. */
function ackSpreadOf(spread: SendOptions["spread"], expectation: Expectation | null): number {
  if (spread !== "auto") return spread;
  const hosts = expectation === null ? 0 : expectedCount(expectation);
  return Math.min(maxAutoSpreadMs, Math.floor(hosts * 1_000 / acksPerSecond));
}
