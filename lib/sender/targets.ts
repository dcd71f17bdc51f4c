/**
 * Where the copies go, and what this machine's interfaces tell of that: the broadcast address of each
 * network, and the addresses in question.
 */
import { messageOf, UsageError } from "../errors.ts";
import {
  addressBits,
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isLinkLocal,
  isLoopback,
  networkOf,
  type OwnAddress,
  type OwnInterface,
  parseAddress,
  parsePrefix,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import { maxAddresses } from "../wire/datagram.ts";
import { isVirtualRouters } from "./own_link_layer.ts";

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
  /**
   * The own address that the datagram leaves from, where another would take it to another link; the
   * target then is the limited broadcast, which goes where its source is.
   */
  readonly source?: string;
  /** Networks that answers come from, besides the target's own address. */
  readonly networks: readonly AddressPrefix[];
}

function namedTarget(address: AddressPrefix, zone?: string): Target {
  const text = formatAddress(address);
  return {
    hostname: zone === undefined ? text : `${text}%${zone}`,
    address,
    interfaceNames: zone === undefined ? [] : [zone],
    named: true,
    networks: [],
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
  return { hostname: text, address: null, interfaceNames: [], named: true, networks: [] };
}

function parseAddressHost(text: string, address: AddressPrefix, zones: string[]): Target {
  if (zones.length === 0 && isOnOneLink(address)) {
    throw new UsageError(`"${text}" is link-local: append the interface, as in ${text}%eth0`);
  }
  if (zones.length === 0) return namedTarget(address);
  const zone = zones.join("%");
  if (!isOnOneLink(address) || !/^[^\s%/]+$/.test(zone)) {
    throw new UsageError(`"${text}" is not an IPv6 link-local address with an interface`);
  }
  return namedTarget(address, zone);
}

/** Whether an address needs an interface: link-local ones, and groups on a link. */
function isOnOneLink(address: AddressPrefix): boolean {
  return isLinkLocal(address) || isMulticast6(address) && (address.bytes[1] & 0x0f) <= 2;
}

function isMulticast6({ family, bytes }: AddressPrefix): boolean {
  return family === 6 && bytes[0] === 0xff;
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
  return { ...namedTarget(broadcast), networks: [network] };
}

/** Options of a command line that name targets. */
export interface TargetOptions {
  /** Broadcast on every interface, or on those in `interfaceNames` if there are any. */
  readonly all: boolean;
  readonly interfaceNames: readonly string[];
  readonly hosts: readonly Target[];
}

/** Targets that get the same requests: those on one link of this machine, or the named ones. */
export interface TargetGroup {
  readonly targets: readonly Target[];
  /** Addresses that the hosts here are asked about unless the command line says which. */
  readonly addresses: readonly AddressPrefix[];
  /** Those of them that are on the targets' own link, or on none. */
  readonly onLink: readonly AddressPrefix[];
  /** Numbers of the links that the targets are on; named targets have a number of their own. */
  readonly links: readonly number[];
  /** Its targets are in other groups, too: this one asks them about further addresses. */
  readonly isMore: boolean;
}

/** Where a run goes. */
interface ChosenTargets {
  /** Links first. */
  readonly groups: readonly TargetGroup[];
  /** The interfaces on each link, by its number. */
  readonly links: readonly (readonly OwnInterface[])[];
  /** A line for each interface that can't be used. */
  readonly faults: readonly string[];
}

/** The targets of a command line on this machine. */
export function chooseTargets(
  { all, interfaceNames: given, hosts }: TargetOptions,
  interfaces: readonly OwnInterface[],
): ChosenTargets {
  const interfaceNames = given.map((name) => primaryName(name, interfaces));
  const { chosen, faults } = all
    ? chooseInterfaces(interfaceNames, interfaces)
    : { chosen: [], faults: [] };
  const used = linksOf(chosen);
  const able = interfaces.filter(canBroadcast).filter((own) => !chosen.includes(own));
  const links = [...used, ...linksOf(able)];
  const groups = withOtherLinks(
    used.map((link, i): TargetGroup => {
      const addresses = inOrder([
        ...link.flatMap(({ addresses }) => addresses)
          .filter((held) => !isCopied(held, interfaces)),
        ...addressesElsewhere(link, interfaces),
      ]);
      return {
        targets: uniqueTargets(
          link.flatMap((own) => broadcastTargets(own, networksOf(link), interfaces)),
        ),
        addresses,
        onLink: addresses,
        links: [i],
        isMore: false,
      };
    }),
    interfaceNames.length === 0 ? globalAddresses(interfaces) : null,
  );
  if (hosts.length > 0) {
    // Who is named may be on any link, or behind a router: it says itself what is no matter of its.
    const targets = uniqueTargets(hosts.map((host) => withNetworks(host, interfaces)));
    const addresses = globalAddresses(interfaces);
    const onLink = addresses;
    groups.push({ targets, addresses, onLink, links: [links.length], isMore: false });
  }
  return { groups, links, faults };
}

/**
 * Whether a virtual router's interface has an address of the one below, as keepalived gives it the
 * link-local one. Whoever asks for it gets an answer from both, and a backup's leads to the master: no
 * host uses it as a router's, and what is found there says nothing.
 */
function isCopied({ address }: OwnAddress, interfaces: readonly OwnInterface[]): boolean {
  const isOn = (isVirtual: boolean) =>
    interfaces.some((own) =>
      isVirtualRouters(own) === isVirtual &&
      own.addresses.some((one) => samePrefix(one.address, address))
    );
  return isLinkLocal(address) && isOn(true) && isOn(false);
}

/**
 * The name of an interface by any of its names, 15 bytes at most. The alternative ones are listed
 * nowhere, but Linux knows them as zones: one of the interface's own link-local addresses can be bound.
 */
function primaryName(name: string, interfaces: readonly OwnInterface[]): string {
  if (interfaces.some((own) => own.name === name)) return name;
  const named = interfaces.find(({ addresses }) =>
    addresses.some(({ address }) => isLinkLocal(address) && isBound(formatAddress(address), name))
  );
  return named?.name ?? name;
}

function isBound(address: string, zone: string): boolean {
  try {
    const hostname = `${address}%${zone}`;
    Deno.listenDatagram({ transport: "udp", hostname, port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}

/** Own addresses that mean the same on each link. */
function globalAddresses(interfaces: readonly OwnInterface[]): AddressPrefix[] {
  return inOrder(
    interfaces.flatMap(({ addresses }) => addresses)
      .filter(({ address }) => !isLinkLocal(address)),
  );
}

/**
 * Groups that ask about the addresses of the other links, too (null: of the other groups): a host may
 * be on several links and be heard on one of them alone. What a link's one request doesn't hold goes
 * into further requests, which are the same on all links.
 */
function withOtherLinks(
  groups: readonly TargetGroup[],
  all: readonly AddressPrefix[] | null,
): TargetGroup[] {
  const others = all ??
    groups.flatMap(({ addresses }) => addresses.filter((address) => !isLinkLocal(address)));
  const whole = groups.map((group) => ({
    ...group,
    addresses: uniquePrefixes([...group.addresses, ...others]),
  }));
  if (whole.every(({ addresses }) => addresses.length <= maxAddresses) || groups.length === 1) {
    return whole;
  }
  const first = groups.map((group) => {
    const onLink = group.addresses.filter(isLinkLocal);
    const addresses = uniquePrefixes([...onLink, ...group.addresses]).slice(0, maxAddresses);
    return { ...group, addresses };
  });
  return [...first, {
    targets: groups.flatMap(({ targets }) => targets),
    addresses: uniquePrefixes(others),
    onLink: [],
    links: groups.flatMap(({ links }) => links),
    isMore: true,
  }];
}

/** A group's members answer from the networks of its interface, a broadcast's from its network. */
function withNetworks(host: Target, interfaces: readonly OwnInterface[]): Target {
  const { address } = host;
  if (address === null) return host;
  if (isMulticast6(address)) {
    const own = interfaces.filter(({ name }) => host.interfaceNames.includes(name));
    return { ...host, networks: networksOf(own) };
  }
  const reached = networksOf(interfaces).filter((network) => {
    const broadcast = broadcastAddress(network);
    return broadcast !== null &&
      (host.hostname === limitedBroadcast || samePrefix(broadcast, address));
  });
  return { ...host, networks: uniquePrefixes([...host.networks, ...reached]) };
}

function uniqueTargets(targets: readonly Target[]): Target[] {
  const byName = targets.map((target): [string, Target] => [
    `${target.hostname.toLowerCase()} ${target.source}`,
    target,
  ]);
  return [...new Map(byName).values()];
}

/** All nodes on a link (RFC 4291, section 2.7.1). */
const allNodes = "ff02::1";
/** Goes where its source address is, whatever the routes say. */
const limitedBroadcast = "255.255.255.255";

/** Networks of more than one address that interfaces are on. */
function networksOf(interfaces: readonly OwnInterface[]): AddressPrefix[] {
  return uniquePrefixes(
    interfaces.flatMap(({ addresses }) => addresses.map(({ network }) => network))
      .filter((network) => network.length < addressBits(network.family)),
  );
}

function shareNetwork(one: OwnInterface, other: OwnInterface): boolean {
  const networks = networksOf([other]).filter((network) => !isLinkLocal(network));
  return networksOf([one]).some((a) => networks.some((b) => samePrefix(a, b)));
}

/**
 * The links behind interfaces: each is one, but a virtual router's interface is on the link of
 * another one on its network.
 */
function linksOf(chosen: readonly OwnInterface[]): OwnInterface[][] {
  const links = chosen.filter((own) => !isVirtualRouters(own)).map((own) => [own]);
  for (const own of chosen.filter(isVirtualRouters)) {
    const link = links.find(([first]) => shareNetwork(first, own));
    if (link === undefined) links.push([own]);
    else link.push(own);
  }
  return links;
}

/**
 * The broadcast address of each IPv4 network of an interface; where there is none, all IPv6 nodes on
 * its link. Where another link has the same network the routes would take every broadcast to one of
 * the two: there it is the limited broadcast, from the interface's own address, as it is in a network
 * of two addresses, both of which are hosts' (RFC 3021).
 */
function broadcastTargets(
  own: OwnInterface,
  networks: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
): Target[] {
  const common = { interfaceNames: [own.name], named: false, networks };
  const hasTwin = (network: AddressPrefix) =>
    interfaces.some((other) =>
      other !== own && other.hasNeighbors && !isVirtualRouters(own) && !isVirtualRouters(other) &&
      other.addresses.some((one) => samePrefix(one.network, network))
    );
  const targets = own.addresses.flatMap(({ address: source, network }): Target[] => {
    const broadcast = broadcastAddress(network);
    if (broadcast === null && !(network.family === 4 && network.length === 31)) return [];
    if (broadcast !== null && !hasTwin(network)) {
      return [{ ...common, hostname: formatAddress(broadcast), address: broadcast }];
    }
    const address = parseAddress(limitedBroadcast);
    return [{ ...common, hostname: limitedBroadcast, address, source: formatAddress(source) }];
  });
  // Without a network a virtual router's interface is on the link of the one it was made from.
  const hasOwnLink = own.addresses.some(({ address }) => isLinkLocal(address)) &&
    !isVirtualRouters(own);
  if (targets.length > 0 || !hasOwnLink) return targets;
  return [{ ...common, hostname: `${allNodes}%${own.name}`, address: parseAddress(allNodes) }];
}

/** Whether a broadcast reaches hosts on an interface's link. */
function canBroadcast(own: OwnInterface): boolean {
  return own.hasNeighbors && broadcastTargets(own, [], []).length > 0;
}

function chooseInterfaces(
  names: readonly string[],
  interfaces: readonly OwnInterface[],
): { readonly chosen: readonly OwnInterface[]; readonly faults: readonly string[] } {
  const able = interfaces.filter(canBroadcast);
  if (names.length === 0) {
    const none = "No interface has a broadcast address";
    return { chosen: able, faults: able.length === 0 ? [none] : [] };
  }
  const known = able.map(({ name }) => name).join(", ") || "none";
  const faults = names.filter((name) => !able.some((own) => own.name === name))
    .map((name) =>
      interfaces.some((own) => own.name === name)
        ? `Interface "${name}" has no broadcast address; those that have one: ${known}`
        : `No interface "${name}" with an address; those with a broadcast address: ${known}`
    );
  return { chosen: able.filter(({ name }) => names.includes(name)), faults };
}

/**
 * Own addresses that hosts on a link may use though they are on other interfaces: those in the link's
 * networks, and those in nobody's that are on no link of their own: on lo, a dummy, a virtual router's
 * interface, or under a label that hides its interface.
 */
function addressesElsewhere(
  link: readonly OwnInterface[],
  interfaces: readonly OwnInterface[],
): OwnAddress[] {
  const isIn = (networks: readonly AddressPrefix[]) => ({ address }: OwnAddress) =>
    networks.some((network) => prefixContains(network, address));
  const isInLink = isIn(networksOf(link));
  const isInAny = isIn(
    networksOf(
      interfaces.filter((own) => own.hasNeighbors && (!isVirtualRouters(own) || canBroadcast(own))),
    ),
  );
  return interfaces.flatMap((own) => {
    const hasLink = own.hasNeighbors && !isVirtualRouters(own) &&
      networksOf([own]).some((network) => !isLinkLocal(network));
    return own.addresses.filter((held) =>
      !isLinkLocal(held.address) && (isInLink(held) || !hasLink && !isInAny(held))
    );
  });
}

/** Whether an answer may come from an address: a target's own, or one on a link of the run. */
export function mayAnswerFrom(address: AddressPrefix, targets: readonly Target[]): boolean {
  return targets.some((target) =>
    target.address !== null && samePrefix(target.address, address) ||
    target.networks.some((network) => prefixContains(network, address))
  );
}

/** Each prefix once, at its first place. */
export function uniquePrefixes(prefixes: readonly AddressPrefix[]): AddressPrefix[] {
  const known = new Set<string>();
  return prefixes.filter((prefix) => {
    const text = formatPrefix(prefix);
    return known.has(text) ? false : known.add(text);
  });
}

/**
 * Addresses, those first that matter most in a failover: IPv4 before IPv6, and among each the ones
 * without a network (length 32 or 128), as virtual addresses are added.
 */
function inOrder(held: readonly OwnAddress[]): AddressPrefix[] {
  const rank = ({ address, network }: OwnAddress) =>
    (address.family === 4 ? 0 : 2) + (network.length === addressBits(network.family) ? 0 : 1);
  return uniquePrefixes(
    held.filter(({ address }) => !isLoopback(address)).toSorted((a, b) => rank(a) - rank(b))
      .map(({ address }) => address),
  );
}
