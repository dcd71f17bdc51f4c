/**
 * Whom to ask for what, and from which of this router's addresses: from what the command line names
 * and what is known of a router's links.
 */
import { listText } from "../text.ts";
import type { Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  formatPrefix,
  isLinkLocal,
  isWholeAddress,
  type OwnInterface,
  prefixContains,
  prefixOf,
  samePrefix,
} from "../wire/addresses.ts";
import { readU32 } from "../wire/datagram.ts";
import { addressKey } from "./frames.ts";
import type { Neighbor } from "./verdicts.ts";

/** One address in question at one host on a link. */
export interface Question {
  readonly link: string;
  readonly host: AddressPrefix;
  /** The address in question. */
  readonly address: AddressPrefix;
  /** Where the host was last, 12 hex digits; null if that isn't known. */
  readonly linkLayerAddress: string | null;
  /** The name that it is expected under. */
  readonly name: string | null;
  /** Somebody named it, so that its silence is a fault. */
  readonly expected: boolean;
}

/** A host that somebody named. */
export interface NamedHost {
  readonly address: AddressPrefix;
  /** The interface that its address was given with; null: the one on whose network it is. */
  readonly link: string | null;
  readonly name: string | null;
}

/** What questions are made from. */
export interface Sources {
  readonly interfaces: readonly OwnInterface[];
  /** The addresses in question on each link, by its interface's name. */
  readonly addresses: ReadonlyMap<string, readonly AddressPrefix[]>;
  readonly named: readonly NamedHost[];
  /** The kernel's and the remembered; the first that has an address counts. */
  readonly neighbors: readonly Neighbor[];
  /** Besides the named: all neighbors. */
  readonly everyone: boolean;
  /** And each address of networks up to a /24, or to a /22. */
  readonly sweep: "none" | "small" | "large";
}

/** Prefix lengths of the largest networks whose every address is asked. */
const shortestLength = { small: 24, large: 22 } as const;
/** More questions are not asked: at the usual pace they would take half an hour. */
const maxQuestions = 16_384;
/** What a remark names before it counts the rest. */
const maxNamed = 3;

/** A host on a link. */
interface Place {
  readonly link: string;
  readonly address: AddressPrefix;
  readonly name: string | null;
  readonly expected: boolean;
}

const placeKey = (link: string, address: AddressPrefix) => `${link} ${formatAddress(address)}`;

/** The questions, and what can't be asked, a line each. */
export function questionsOf(
  sources: Sources,
): { readonly questions: readonly Question[]; readonly remarks: readonly string[] } {
  const { interfaces, addresses, named, neighbors, everyone } = sources;
  const links = interfaces.filter(({ name }) => addresses.has(name));
  const remarks: string[] = [];
  const places = new Map<string, Place>();
  const add = (place: Place) => {
    const key = placeKey(place.link, place.address);
    if (!places.has(key) && isHost(place.address, interfaces)) places.set(key, place);
  };
  const elsewhere = named.filter(({ address, link, name }) => {
    const on = links.filter((own) => link === null ? isOnLink(own, address) : own.name === link);
    for (const own of on) add({ link: own.name, address, name, expected: true });
    return on.length === 0 && isHost(address, interfaces);
  });
  if (addresses.size > 0 && elsewhere.length > 0) {
    const names = elsewhere.map(({ address, name }) => name ?? formatAddress(address));
    remarks.push(`on none of the links that are asked: ${listText(names, maxNamed)}`);
  }
  const onLinks = neighbors.filter(({ link, address }) =>
    links.some((own) => own.name === link && (isLinkLocal(address) || isOnLink(own, address)))
  );
  if (everyone) {
    for (const { link, address } of withoutSecondAddresses(onLinks, places)) {
      add({ link, address, name: null, expected: false });
    }
    for (const own of links) remarks.push(...addNetworks(own, sources, add));
  }
  const macs = new Map(
    onLinks.toReversed().map(({ link, address, linkLayerAddress }) => [
      placeKey(link, address),
      linkLayerAddress,
    ]),
  );
  const questions = Array.from(places).flatMap(([key, place]) =>
    addressesFor(place, addresses.get(place.link) ?? [], links).map((address): Question => {
      const linkLayerAddress = macs.get(key) ?? null;
      return { ...place, host: place.address, address, linkLayerAddress };
    })
  );
  if (questions.length > maxQuestions) {
    remarks.push(
      `${questions.length - maxQuestions} questions more than ${maxQuestions} not asked`,
    );
  }
  return { questions: questions.slice(0, maxQuestions), remarks };
}

/** Whether an address is of one of a link's networks. */
export function isOnLink({ addresses }: OwnInterface, address: AddressPrefix): boolean {
  return addresses.some(({ network }) =>
    !isWholeAddress(network) && prefixContains(network, address)
  );
}

/** Whether somebody else may have an address: not this machine, a group, a network or its broadcast. */
function isHost(address: AddressPrefix, interfaces: readonly OwnInterface[]): boolean {
  const { family, bytes } = address;
  if (family === 6 ? bytes[0] === 0xff : bytes[0] >= 224 || bytes[0] === 0 || bytes[0] === 127) {
    return false;
  }
  return !interfaces.flatMap(({ addresses }) => addresses).some((own) =>
    samePrefix(own.address, address) ||
    family === 4 && prefixContains(own.network, address) && isAtEdge(address, own.network.length)
  );
}

/** Whether an IPv4 address is its network's own or broadcast address; /31 and /32 have none. */
function isAtEdge({ bytes }: AddressPrefix, length: number): boolean {
  const hostBits = 2 ** (32 - length) - 1;
  const number = (readU32(bytes, 0) & hostBits) >>> 0;
  return length < 31 && (number === 0 || number === hostBits);
}

/** A host's link-local address says nothing more where another of its addresses is asked. */
function withoutSecondAddresses(
  neighbors: readonly Neighbor[],
  places: ReadonlyMap<string, Place>,
): Neighbor[] {
  const global = new Set(
    neighbors.filter(({ address }) => address.family === 6 && !isLinkLocal(address))
      .map(({ link, linkLayerAddress }) => `${link} ${linkLayerAddress}`),
  );
  return neighbors.filter(({ link, address, linkLayerAddress }) =>
    !isLinkLocal(address) || !global.has(`${link} ${linkLayerAddress}`) ||
    places.has(placeKey(link, address))
  );
}

/** Adds every address of a link's small IPv4 networks; a remark for each that is too large. */
function addNetworks(
  own: OwnInterface,
  { sweep }: Sources,
  add: (place: Place) => void,
): string[] {
  if (sweep === "none") return [];
  const shortest = shortestLength[sweep];
  const networks = new Map(
    own.addresses.filter(({ network: { family, length } }) => family === 4 && length < 32)
      .map(({ network }) => [formatPrefix(network), network]),
  );
  return Array.from(networks, ([text, network]) => {
    if (network.length < shortest) {
      const option = network.length < shortestLength.large || sweep === "large"
        ? ""
        : ", or give --sweep";
      return `${text} on ${own.name} is larger than a /${shortest}: only known and named hosts ` +
        `are asked${option}`;
    }
    const first = readU32(network.bytes, 0);
    for (let i = 0; i < 2 ** (32 - network.length); i++) {
      const number = first + i;
      const address = prefixOf(4, 32, number >>> 24, number >>> 16, number >>> 8, number);
      add({ link: own.name, address, name: null, expected: false });
    }
    return null;
  }).filter((remark) => remark !== null);
}

/**
 * The addresses in question that a host may have: those of its family, and where a network of the
 * link holds one and not the host, not that one.
 */
function addressesFor(
  { link, address: host }: Place,
  addresses: readonly AddressPrefix[],
  links: readonly OwnInterface[],
): AddressPrefix[] {
  const networks = links.filter(({ name }) => name === link).flatMap((own) => own.addresses)
    .map(({ network }) => network)
    .filter((network) => !isWholeAddress(network) && !isLinkLocal(network));
  return addresses.filter((address) => {
    if (address.family !== host.family) return false;
    const holding = networks.filter((network) => prefixContains(network, address));
    return holding.length === 0 || isLinkLocal(host) || isLinkLocal(address) ||
      holding.some((network) => prefixContains(network, host));
  });
}

/**
 * The address of this router's own that a host answers on its link itself, for the control; null if
 * there is none but those left out.
 */
export function controlFor(
  { link, host }: Pick<Question, "link" | "host">,
  leftOut: readonly AddressPrefix[],
  interfaces: readonly OwnInterface[],
): AddressPrefix | null {
  const keys = new Set(leftOut.map(addressKey));
  const controls = interfaces.filter(({ name }) => name === link)
    .flatMap(({ addresses }) => addresses)
    .filter(({ address }) => address.family === host.family && !keys.has(addressKey(address)));
  const near = controls.find(({ network }) => prefixContains(network, host)) ??
    // IPv6 hosts answer link-local addresses whatever theirs is.
    controls.find(({ address }) => isLinkLocal(address));
  return near?.address ?? null;
}

/** How old a look at this machine's addresses may be when something is sent from one. */
const maxAgeMs = 10;

/**
 * Looks where this machine's addresses are, and gives what tells whether one that packets on a link
 * come from is still there. Nobody is asked for an address that isn't this router's at that moment: such
 * a request would make the very entries that it is to heal. That an address can be bound proves
 * nothing: with `ip_nonlocal_bind` any can.
 */
export function createHolding(
  interfaces: () => readonly OwnInterface[],
  time: Time,
): (link: string, address: AddressPrefix) => boolean {
  const holders = () =>
    Map.groupBy(
      interfaces().flatMap(({ name, addresses }) => addresses.map((own) => ({ name, ...own }))),
      ({ address }) => addressKey(address),
    );
  const namesOf = (all: ReturnType<typeof holders>, address: AddressPrefix) =>
    (all.get(addressKey(address)) ?? []).map(({ name }) => name);
  const first = holders();
  let now = first;
  let lookedAt = time.monotonic();
  return (link, address) => {
    if (time.monotonic() - lookedAt > maxAgeMs) {
      now = holders();
      lookedAt = time.monotonic();
    }
    const were = namesOf(first, address);
    // On the link itself, else where addresses of several links are: on lo or a dummy.
    const place = were.includes(link) ? link : were[0];
    return namesOf(now, address).includes(place);
  };
}
