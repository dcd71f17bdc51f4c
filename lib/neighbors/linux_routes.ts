/**
 * Where addresses are neighbors by Linux's routes, as `ip` tells them. An address is on the link that
 * the kernel's own route to it takes without a gateway, or without such a route on those that tables of
 * their own lead to; a link-local one, which routes don't tell, on the links of its source. Tunnels have no neighbors.
 */
import { messageOf } from "../errors.ts";
import type { Time } from "../time.ts";
import {
  type AddressPrefix,
  formatAddress,
  type InterfaceInfo,
  isLinkLocal,
  isWholeAddress,
  networkOf,
  type OwnInterface,
  ownInterfaces,
  parseAddress,
  parsePrefix,
  prefixContains,
  samePrefix,
} from "../wire/addresses.ts";
import {
  batchOptions,
  EACCES,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  type IpCommand,
  isRecord,
  lines,
  readIpResult,
  rowsOf,
} from "./iproute2.ts";
import { NeighborCacheError } from "./neighbor_cache.ts";

/** Where a neighbor is looked for. */
export interface Place {
  /** A whole address. */
  readonly address: AddressPrefix;
  readonly device: string;
}

/** What places are found with. */
interface PlaceParts {
  readonly ip: IpCommand;
  readonly interfaces: () => readonly InterfaceInfo[];
  readonly time: Time;
}

/**
 * For each address where it can be a neighbor, in order; nowhere: it is of no concern; null: the routes
 * that tell could not be read.
 */
type PlacesOf = (
  addresses: readonly AddressPrefix[],
  source: AddressPrefix | undefined,
) => Promise<(Place[] | null)[]>;

/** Finds places anew each time. It rejects with a `NeighborCacheError`. */
export function createPlacesOf({ ip, interfaces, time }: PlaceParts): PlacesOf {
  let tables: Promise<TableRoute[]> = Promise.resolve([]);
  let tablesReadAt = -Infinity;
  /** The routes of further tables: one reading for all requests of a failover. */
  function readTables(): Promise<TableRoute[]> {
    const now = time.monotonic();
    if (now - tablesReadAt < maxTablesAgeMs) return tables;
    tablesReadAt = now;
    tables = readRoutes(ip).then((printed) => {
      const routes = printed.flatMap(parseTableRoutes);
      return routes.length > maxTableRoutes ? [] : routes;
    });
    tables.catch(() => tablesReadAt = -Infinity);
    return tables;
  }

  return async (addresses, source) => {
    const own = readInterfaces(interfaces);
    const isRouted = (address: AddressPrefix) => isWholeAddress(address) && !isLinkLocal(address);
    const hasNeighbors = ({ device }: Place) =>
      own.find(({ name }) => name === device)?.hasNeighbors !== false;
    const routed = (await routesTo(ip, addresses.filter(isRouted))).filter(hasNeighbors);
    const isOwn = (address: AddressPrefix) =>
      own.some(({ addresses }) => addresses.some((held) => samePrefix(held.address, address)));
    const off = addresses.filter((address) =>
      isRouted(address) && !isOwn(address) &&
      !routed.some((one) => samePrefix(one.address, address))
    );
    // That they can't be read is reported where next hops are read; it is no reason to say nothing of others.
    const tables = off.length === 0 ? [] : await readTables().catch(() => null);
    routed.push(...off.flatMap((one) => placesInTables(tables ?? [], one)).filter(hasNeighbors));
    return addresses.map((address) => {
      if (tables === null && off.includes(address)) return null;
      if (isRouted(address)) return routed.filter((one) => samePrefix(one.address, address));
      if (!isWholeAddress(address)) return [];
      return linksOf(own, address, source).map((device) => ({ address, device }));
    });
  };
}

function readInterfaces(interfaces: () => readonly InterfaceInfo[]): OwnInterface[] {
  try {
    return ownInterfaces(interfaces());
  } catch (error) {
    throw new NeighborCacheError(`Cannot list the network interfaces: ${messageOf(error)}`);
  }
}

const maxTablesAgeMs = 1_000;
/** A machine with more routes in further tables is a router on the internet: they are left out. */
const maxTableRoutes = 10_000;

/**
 * Where an address is a neighbor by tables that the kernel takes for some packets alone, by their
 * source or in a VRF: as the gateway of a route, or in a network that is on the link.
 */
function placesInTables(routes: readonly TableRoute[], address: AddressPrefix): Place[] {
  const devices = new Set<string>();
  for (const inTable of Map.groupBy(routes, ({ table }) => table).values()) {
    const leading = inTable.filter(({ network }) => prefixContains(network, address));
    const longest = Math.max(...leading.map(({ network }) => network.length));
    for (const { gateway, device } of inTable) {
      if (gateway !== null && samePrefix(gateway, address)) devices.add(device);
    }
    for (const { network, gateway, device } of leading) {
      if (network.length === longest && gateway === null) devices.add(device);
    }
  }
  return Array.from(devices, (device) => ({ address, device }));
}

/** What the kernel says where no route, or one that refuses, leads to an address. */
const noRoute = [EACCES, EINVAL, ENETUNREACH, EHOSTUNREACH];

/** Of these addresses those that are on a link, with the interface that the kernel's route takes. */
async function routesTo(ip: IpCommand, addresses: readonly AddressPrefix[]): Promise<Place[]> {
  if (addresses.length === 0) return [];
  const commands = addresses.map((address) => `route get ${formatAddress(address)}`);
  const { failure, lines: printed } = readIpResult(
    await ip(batchOptions, lines(commands)),
    noRoute,
  );
  if (failure !== null) throw failure;
  return printed.flatMap(parseOnLink);
}

/**
 * The names of the interfaces on whose links a link-local address can be: those that have such
 * addresses, of several those that `source` is on, if any. Empty for an address of the host itself.
 */
function linksOf(
  interfaces: readonly OwnInterface[],
  address: AddressPrefix,
  source: AddressPrefix | undefined,
): string[] {
  const isOwn = ({ addresses }: OwnInterface) =>
    addresses.some((own) => samePrefix(own.address, address));
  if (interfaces.some(isOwn)) return [];
  const candidates = interfaces.filter(({ addresses, hasNeighbors }) =>
    hasNeighbors && addresses.some(({ network }) => prefixContains(network, address))
  );
  const near = candidates.filter(({ addresses }) =>
    source !== undefined && addresses.some(({ network }) => prefixContains(network, source))
  );
  return (near.length > 0 ? near : candidates).map(({ name }) => name);
}

/** Destinations of a default route, by whatever means it overrides another one. */
const defaults: readonly unknown[] = [
  "default",
  "0.0.0.0/1",
  "128.0.0.0/1",
  "::/1",
  "8000::/1",
  "2000::/3",
];

/** The gateways in a line of JSON from `route show`, each once; `ofDefaults`: of default routes alone. */
export function parseGateways(line: string, ofDefaults: boolean): AddressPrefix[] {
  const texts = new Set<unknown>();
  for (const route of rowsOf(line)) {
    if (ofDefaults && !defaults.includes(route.dst)) continue;
    const hops = Array.isArray(route.nexthops) ? route.nexthops.filter(isRecord) : [];
    for (const { gateway, via } of [route, ...hops]) {
      // `via` is an IPv6 gateway of an IPv4 route (RFC 5549).
      texts.add(gateway ?? (isRecord(via) ? via.host : undefined));
    }
  }
  return Array.from(texts, (text) => typeof text === "string" ? parseAddress(text) : null)
    .filter((address) => address !== null);
}

/** A route that is in a table besides main and local, which rules or a VRF lead to. */
interface TableRoute {
  readonly table: string;
  readonly network: AddressPrefix;
  /** Null: the network is on the link. */
  readonly gateway: AddressPrefix | null;
  readonly device: string;
}

/** The routes of such tables in a line of JSON from `route show table all`, one for each next hop. */
function parseTableRoutes(line: string): TableRoute[] {
  return rowsOf(line).flatMap(({ table, dst, type, dev, gateway, via, nexthops }) => {
    if (type !== undefined || (typeof table !== "string" && typeof table !== "number")) return [];
    const hops = Array.isArray(nexthops) ? nexthops.filter(isRecord) : [{ dev, gateway, via }];
    return hops.flatMap((hop) => {
      const next = hop.gateway ?? (isRecord(hop.via) ? hop.via.host : undefined);
      const address = typeof next === "string" ? parseAddress(next) : null;
      const network = networkOfRoute(dst, next);
      if (network === null || typeof hop.dev !== "string" || (next !== undefined && !address)) {
        return [];
      }
      return [{ table: String(table), network, gateway: address, device: hop.dev }];
    });
  });
}

/** `default` has the family of its gateway; without one it says nothing of a link. */
function networkOfRoute(dst: unknown, gateway: unknown): AddressPrefix | null {
  if (typeof dst !== "string") return null;
  if (dst !== "default") {
    try {
      return parsePrefix(dst);
    } catch {
      return null;
    }
  }
  const address = typeof gateway === "string" ? parseAddress(gateway) : null;
  return address && networkOf(address, 0);
}

/**
 * The destinations in a line of JSON from `route get` that are on the link of their interface: there
 * is no gateway, or the address is its own, as on a route that is `onlink`.
 */
function parseOnLink(
  line: string,
): { readonly address: AddressPrefix; readonly device: string }[] {
  return rowsOf(line).flatMap(({ dst, dev, gateway = dst, via, type }) => {
    const address = typeof dst === "string" ? parseAddress(dst) : null;
    const isOnLink = gateway === dst && via === undefined && type === undefined;
    return isOnLink && address !== null && typeof dev === "string"
      ? [{ address, device: dev }]
      : [];
  });
}

/** The gateways of all routes, or of the default ones, of both families and all tables. */
export async function readGateways(ip: IpCommand, ofDefaults: boolean): Promise<AddressPrefix[]> {
  const all = (await readRoutes(ip)).flatMap((line) => parseGateways(line, ofDefaults));
  return [...new Map(all.map((one) => [formatAddress(one), one])).values()];
}

/** The lines of JSON that the routes of all tables are in. */
async function readRoutes(ip: IpCommand): Promise<string[]> {
  const { failure, lines: printed } = readIpResult(
    await ip(batchOptions, "route show table all\n"),
  );
  if (failure !== null) throw failure;
  return printed;
}
