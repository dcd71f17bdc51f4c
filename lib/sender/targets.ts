/**
 * Where the copies go, and what this machine's interfaces tell of that: the broadcast address of each
 * network, the addresses in question, and whose a reported link-layer address is.
 */
import { messageOf, UsageError } from "../errors.ts";
import {
  addressBits,
  type AddressPrefix,
  formatAddress,
  formatLinkLayerAddress,
  isLinkLocal,
  isLoopback,
  networkOf,
  type OwnInterface,
  parseAddress,
  parsePrefix,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";

/** One target of the copies. */
export interface Target {
  /** For the socket and for reports: a name, or an address with its zone if it has one. */
  readonly hostname: string;
  /** Null for a name: the system's resolver finds the address when the datagram is sent. */
  readonly address: AddressPrefix | null;
  /** The interfaces that `--all` found it on, or the zone's. */
  readonly interfaceNames: readonly string[];
  /** Named on the command line: not reaching it is a failure, not a remark. */
  readonly named: boolean;
}

function namedTarget(address: AddressPrefix, zone?: string): Target {
  const text = formatAddress(address);
  return {
    hostname: zone === undefined ? text : `${text}%${zone}`,
    address,
    interfaceNames: zone === undefined ? [] : [zone],
    named: true,
  };
}

/** The last address of an IPv4 network, which all its hosts listen to; null where there is none. */
function broadcastAddress(network: AddressPrefix): AddressPrefix | null {
  if (network.family !== 4 || network.length === 0 || network.length > 30) return null;
  const bytes = networkOf(network, network.length).bytes;
  for (let bit = network.length; bit < 32; bit++) bytes[bit >> 3] |= 0x80 >> (bit & 7);
  return { family: 4, length: addressBits(4), bytes };
}

/**
 * The target that a HOST argument names: an address, an IPv6 link-local address with its zone
 * (`fe80::1%eth0`), an IPv4 network (its broadcast address) or a host name. Throws a UsageError.
 */
export function parseHost(text: string): Target {
  const [literal, ...zones] = text.split("%");
  const address = parseAddress(literal);
  if (address !== null) return parseAddressHost(text, address, zones);
  if (text.includes("/")) return parseNetworkHost(text);
  // A last label of digits alone would be taken as a number by the resolver: 192.0.2 is 192.0.0.2.
  const label = /^[\p{L}\p{N}_]([\p{L}\p{N}_-]{0,61}[\p{L}\p{N}_])?$/u;
  const labels = text.replace(/\.$/, "").split(".");
  const isName = text.length <= 253 && labels.every((part) => label.test(part)) &&
    !/^(\d+|0x[0-9a-f]*)$/i.test(labels[labels.length - 1]);
  if (!isName) throw new UsageError(`"${text}" is neither an address nor a host name`);
  return { hostname: text, address: null, interfaceNames: [], named: true };
}

function parseAddressHost(text: string, address: AddressPrefix, zones: string[]): Target {
  if (zones.length === 0 && isLinkLocal(address)) {
    throw new UsageError(`"${text}" is link-local: append the interface, as in ${text}%eth0`);
  }
  if (zones.length === 0) return namedTarget(address);
  const zone = zones.join("%");
  if (!isLinkLocal(address) || !/^[^\s%/]+$/.test(zone)) {
    throw new UsageError(`"${text}" is not an IPv6 link-local address with an interface`);
  }
  return namedTarget(address, zone);
}

function parseNetworkHost(text: string): Target {
  let network: AddressPrefix;
  try {
    network = parsePrefix(text);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
  const broadcast = broadcastAddress(network);
  if (broadcast === null) throw new UsageError(`Network "${text}" has no broadcast address`);
  return namedTarget(broadcast);
}

/** Options of a command line that name targets. */
interface TargetOptions {
  /** Broadcast on every interface, or on those in `interfaceNames` if there are any. */
  readonly all: boolean;
  readonly interfaceNames: readonly string[];
  readonly hosts: readonly Target[];
}

/**
 * The targets of a command line on this machine, each once, broadcasts first, and a line for each
 * interface that can't be used.
 */
export function chooseTargets(
  { all, interfaceNames, hosts }: TargetOptions,
  interfaces: readonly OwnInterface[],
): { readonly targets: readonly Target[]; readonly faults: readonly string[] } {
  const targets = new Map<string, Target>();
  const faults: string[] = [];
  const add = (target: Target) => {
    const known = targets.get(target.hostname.toLowerCase());
    const names = new Set([...known?.interfaceNames ?? [], ...target.interfaceNames]);
    targets.set(target.hostname.toLowerCase(), {
      ...target,
      interfaceNames: [...names],
      named: target.named || known?.named === true,
    });
  };
  if (all) {
    const { chosen, unknown } = chooseInterfaces(interfaceNames, interfaces);
    faults.push(...unknown);
    for (const candidate of chosen) broadcastTargets(candidate).forEach(add);
  }
  hosts.forEach(add);
  return { targets: [...targets.values()], faults };
}

function broadcastTargets({ name, addresses }: OwnInterface): Target[] {
  return addresses.flatMap(({ network }) => {
    const address = broadcastAddress(network);
    if (address === null) return [];
    return [{ hostname: formatAddress(address), address, interfaceNames: [name], named: false }];
  });
}

function chooseInterfaces(
  names: readonly string[],
  interfaces: readonly OwnInterface[],
): { readonly chosen: readonly OwnInterface[]; readonly unknown: readonly string[] } {
  const able = interfaces.filter((candidate) =>
    candidate.hasNeighbors && broadcastTargets(candidate).length > 0
  );
  if (names.length === 0) {
    const none = "No interface has an IPv4 broadcast address";
    return { chosen: able, unknown: able.length === 0 ? [none] : [] };
  }
  const known = able.map(({ name }) => name).join(", ") || "none";
  const unknown = names.filter((name) => !able.some((candidate) => candidate.name === name))
    .map((name) =>
      interfaces.some((candidate) => candidate.name === name)
        ? `Interface "${name}" has no IPv4 broadcast address; those that have one: ${known}`
        : `No interface "${name}" with an address; those with a broadcast address: ${known}`
    );
  return { chosen: able.filter(({ name }) => names.includes(name)), unknown };
}

/** Whether an address is in one of an interface's networks. */
function isOnLink(candidate: OwnInterface, address: AddressPrefix): boolean {
  return candidate.addresses.some(({ network }) => prefixContains(network, address));
}

/**
 * The interfaces that datagrams to these targets leave through. Exact for `--all`, zones and
 * addresses on a link; for a routed address or a name, which only the system's resolver knows, all
 * that have neighbors: a host says "not looked at" to an address that isn't on any of its links.
 */
export function interfacesOf(
  targets: readonly Target[],
  interfaces: readonly OwnInterface[],
): OwnInterface[] {
  const able = interfaces.filter((candidate) => candidate.hasNeighbors);
  const chosen = targets.flatMap(({ address, interfaceNames }) => {
    if (interfaceNames.length > 0) return able.filter(({ name }) => interfaceNames.includes(name));
    if (address === null) return able;
    if (isLoopback(address)) return [];
    const onLink = able.filter((candidate) => isOnLink(candidate, address));
    return onLink.length > 0 ? onLink : able;
  });
  return able.filter((candidate) => chosen.includes(candidate));
}

/** Each prefix once, at its first place. */
export function uniquePrefixes(prefixes: readonly AddressPrefix[]): AddressPrefix[] {
  return prefixes.filter((prefix, i) => prefixes.findIndex((p) => samePrefix(p, prefix)) === i);
}

/**
 * The addresses held by interfaces, those first that matter most in a failover: IPv4 before IPv6,
 * and among each the ones without a network (length 32 or 128), as virtual addresses are added.
 */
export function defaultAddresses(interfaces: readonly OwnInterface[]): AddressPrefix[] {
  const held = interfaces.flatMap(({ addresses }) => addresses);
  const rank = ({ address, network }: typeof held[number]) =>
    (address.family === 4 ? 0 : 2) + (network.length === addressBits(network.family) ? 0 : 1);
  return uniquePrefixes(
    held.toSorted((a, b) => rank(a) - rank(b)).map(({ address }) => address),
  );
}

/** What this machine knows of a link-layer address that a host reports. */
export class Ownership {
  readonly #interfaces: readonly OwnInterface[];
  /** Whether `--address` gave the addresses in question. */
  readonly #isNamed: boolean;
  readonly #linkLayerAddresses: ReadonlySet<string>;

  constructor(interfaces: readonly OwnInterface[], isNamed: boolean) {
    this.#interfaces = interfaces;
    this.#isNamed = isNamed;
    const known = interfaces.map((own) => own.linkLayerAddress).filter((bytes) => bytes !== null);
    this.#linkLayerAddresses = new Set(known.map(formatLinkLayerAddress));
  }

  /** Whether a link-layer address is one of this machine's own, on any interface. */
  isOwn(linkLayerAddress: Uint8Array): boolean {
    return this.#linkLayerAddresses.has(formatLinkLayerAddress(linkLayerAddress));
  }

  /**
   * Whether a report on an address says anything about a host that answers from `source`. It doesn't
   * for an address on an interface whose link-layer address isn't known, nor for one that this machine
   * holds on another link than the host's: unless `--address` named it and it isn't link-local.
   */
  isJudged(address: AddressPrefix, source: string): boolean {
    const holding = this.#interfaces.filter(({ addresses }) =>
      addresses.some((own) => samePrefix(own.address, address))
    );
    if (holding.length === 0) return true;
    if (holding.some(({ linkLayerAddress }) => linkLayerAddress === null)) return false;
    if (this.#isNamed && !isLinkLocal(address)) return true;
    const [literal, zone] = source.split("%");
    const from = parseAddress(literal);
    if (from === null) return true;
    const links = this.#interfaces.filter((own) =>
      zone === undefined ? isOnLink(own, from) : own.name === zone
    );
    // A routed host: only link-local addresses can't be meant.
    if (links.length === 0) return !isLinkLocal(address);
    return links.some((link) => holding.includes(link));
  }
}
