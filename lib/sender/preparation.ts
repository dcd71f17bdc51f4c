/** From options and this machine's interfaces to what is sent, before anything is sent. */
import { messageOf, RunError, systemReason } from "../errors.ts";
import { readSecretFile } from "../secret_file.ts";
import { listed } from "../text.ts";
import {
  type AddressPrefix,
  formatPrefix,
  isWholeAddress,
  type OwnInterface,
  samePrefix,
} from "../wire/addresses.ts";
import { addressesMost } from "../wire/datagram.ts";
import { type Key, parseKeyFile } from "../wire/keys.ts";
import type { SendOptions } from "./arguments.ts";
import { type Expectation, parseExpectedNames } from "./expectation.ts";
import {
  chooseTargets,
  defaultAddresses,
  interfacesOf,
  type Ownership,
  ownershipOf,
  type Target,
} from "./targets.ts";

/** What a run sends, and what there is to say about it. */
export interface Preparation {
  readonly targets: readonly Target[];
  /** Addresses in question: those the datagram lists. */
  readonly addresses: readonly AddressPrefix[];
  /** Whether a report on them is asked for. */
  readonly report: boolean;
  readonly ownership: Ownership;
  /** What could not be used, a line each; the rest goes on without. */
  readonly faults: readonly string[];
  /** Remarks, a line each. */
  readonly warnings: readonly string[];
}

/** Prepares a run. Throws a RunError when there is nowhere to send to or nothing to flush. */
export function prepare(
  options: SendOptions,
  interfaces: readonly OwnInterface[],
): Preparation {
  const { targets, faults } = chooseTargets(options, interfaces);
  if (targets.length === 0) {
    throw new RunError(faults.join("; "), options.interfaceNames.length > 0 ? 2 : 1);
  }
  const common = {
    targets,
    faults,
    ownership: ownershipOf(interfaces, options.addresses !== null),
  };
  const isListed = options.action === "flush listed";
  if (options.secret.kind !== "key file" || !options.verify && !isListed) {
    return { ...common, addresses: [], report: false, warnings: [] };
  }
  const { addresses, warnings } = options.addresses === null
    ? ownAddresses(targets, interfaces)
    : { addresses: options.addresses, warnings: foreignWarnings(options.addresses, interfaces) };
  if (addresses.length === 0 && isListed) {
    throw new RunError("No address of this machine's own to flush: give --address", 2);
  }
  const report = options.verify && addresses.length > 0;
  if (addresses.length === 0) {
    warnings.push("No address of this machine's own to verify: give --address");
  }
  return { ...common, addresses, report, warnings };
}

function ownAddresses(targets: readonly Target[], interfaces: readonly OwnInterface[]) {
  const own = defaultAddresses(interfacesOf(targets, interfaces));
  const warnings: string[] = [];
  if (own.length > addressesMost) {
    warnings.push(
      `${own.length} own addresses are too many for a datagram: the first ${addressesMost} are in ` +
        "question; give --address to choose",
    );
  }
  return { addresses: own.slice(0, addressesMost), warnings };
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
    `This machine does not hold ${listed(foreign.map(formatPrefix), 3)}: ` +
    "any link-layer address reported for it counts as STUCK",
  ];
}

// What the sender reads from files before it sends: the key, the old password, who is expected.

function readSecret(path: string, what: string): string {
  try {
    return readSecretFile(path, what);
  } catch (error) {
    throw new RunError(messageOf(error), 2);
  }
}

/** The key that signs, the first of a key file. Throws a RunError without any part of a key. */
export function readSigningKey(path: string): Key {
  const text = readSecret(path, "key file");
  try {
    return parseKeyFile(text).signing;
  } catch (error) {
    throw new RunError(`Cannot read key file "${path}": ${messageOf(error)}`, 2);
  }
}

/** The password in a file: its one line, without the line break. Throws a RunError. */
export function readPassword(path: string): string {
  const password = readSecret(path, "password file").replace(/\r?\n$/, "");
  const fault = password === "" ? "is empty" : /[\r\n]/.test(password) ? "has several lines" : null;
  if (fault !== null) throw new RunError(`Cannot read password file "${path}": it ${fault}`, 2);
  return password;
}

/** Who is expected; a file of names is read. Throws a RunError. */
export function readExpectation(wish: SendOptions["expect"]): Expectation | null {
  if (wish === null || wish.kind === "count") return wish;
  const cannot = (reason: string) =>
    new RunError(`Cannot read expected hosts from "${wish.path}": ${reason}`, 2);
  let text: string;
  try {
    text = Deno.readTextFileSync(wish.path);
  } catch (error) {
    throw cannot(systemReason(error));
  }
  try {
    return { kind: "names", names: parseExpectedNames(text) };
  } catch (error) {
    throw cannot(messageOf(error));
  }
}
