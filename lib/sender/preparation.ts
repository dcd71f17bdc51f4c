/** From options and this machine's interfaces to what is sent, before anything is sent. */
import { addressesMost } from "../wire/datagram.ts";
import {
  type AddressPrefix,
  formatPrefix,
  isWholeAddress,
  samePrefix,
} from "../wire/ip_address.ts";
import { RunError } from "./errors.ts";
import type { NetworkInterface } from "./interfaces.ts";
import type { SendOptions } from "./options.ts";
import { defaultAddresses, interfacesOf, type Ownership, ownershipOf } from "./own_addresses.ts";
import { chooseTargets, type Target } from "./targets.ts";

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
  interfaces: readonly NetworkInterface[],
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

function ownAddresses(targets: readonly Target[], interfaces: readonly NetworkInterface[]) {
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
  interfaces: readonly NetworkInterface[],
): string[] {
  const held = interfaces.flatMap((candidate) => candidate.addresses.map((one) => one.address));
  const foreign = addresses.filter((address) =>
    isWholeAddress(address) && !held.some((own) => samePrefix(own, address))
  );
  if (foreign.length === 0) return [];
  const shown = foreign.slice(0, 3).map(formatPrefix).join(", ");
  return [
    `This machine does not hold ${shown}${foreign.length > 3 ? ", …" : ""}: ` +
    "any link-layer address reported for it counts as STUCK",
  ];
}
