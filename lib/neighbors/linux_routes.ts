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
  EACCES,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  type IpCommand,
  isRecord,
  rowsOf,
  runBatch,
} from "./iproute2.ts";
import { NeighborCacheError } from "./neighbor_cache.ts";

/** Where a neighbor is looked for. */
export interface Place {
  /** A whole address. */
  readonly address: AddressPrefix;
  readonly interfaceName: string;
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
export function createPlacesOf(
  ip: IpCommand,
  interfaces: () => readonly InterfaceInfo[],
  time: Time,
): PlacesOf {
  let tables: Promise<TableRoute[]> = Promise.resolve([]);
  let tablesReadAt = -Infinity;
  /** The routes of further tables: one reading for all requests of a failover. */
  function readTables(): Promise<TableRoute[]> {
    const now = time.monotonic();
    if (now - tablesReadAt < maxTablesAgeMs) return tables;
    tablesReadAt = now;
    tables = readRoutes(ip).then((all) => {
      const routes = all.flatMap((route) => tableRouteOf(route) ?? []);
      return routes.length > maxTableRoutes ? [] : routes;
    });
    tables.catch(() => tablesReadAt = -Infinity);
    return tables;
  }

  return async (addresses, source) => {
    const own = readInterfaces(interfaces);
    const isRouted = (address: AddressPrefix) => isWholeAddress(address) && !isLinkLocal(address);
    const hasNeighbors = ({ interfaceName }: Place) =>
      own.find(({ name }) => name === interfaceName)?.hasNeighbors !== false;
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
      return linksOf(own, address, source).map((interfaceName) => ({ address, interfaceName }));
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
  const names = new Set<string>();
  for (const inTable of Map.groupBy(routes, ({ table }) => table).values()) {
    const leading = inTable.filter(({ network }) => prefixContains(network, address));
    const longest = Math.max(...leading.map(({ network }) => network.length));
    for (const { gateway, interfaceName } of inTable) {
      if (gateway !== null && samePrefix(gateway, address)) names.add(interfaceName);
    }
    for (const { network, gateway, interfaceName } of leading) {
      if (network.length === longest && gateway === null) names.add(interfaceName);
    }
  }
  return Array.from(names, (interfaceName) => ({ address, interfaceName }));
}

/** What the kernel says where no route, or one that refuses, leads to an address. */
const noRoute = [EACCES, EINVAL, ENETUNREACH, EHOSTUNREACH];

/** Of these addresses those that are on a link, with the interface that the kernel's route takes. */
async function routesTo(ip: IpCommand, addresses: readonly AddressPrefix[]): Promise<Place[]> {
  if (addresses.length === 0) return [];
  const commands = addresses.map((address) => `route get ${formatAddress(address)}`);
  const { lines } = await runBatch(ip, commands, noRoute);
  return lines.flatMap(parseOnLink);
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

/** One next hop of a route, with the values of `route show` that are checked where they are used. */
interface Route {
  /** Of tables besides main and local, which rules or a VRF lead to. */
  readonly table: unknown;
  readonly dst: unknown;
  /** Undefined: a unicast route. */
  readonly type: unknown;
  readonly dev: unknown;
  /** Null: the network is on the link. */
  readonly gateway: AddressPrefix | null;
}

/** The routes in a line of JSON from `route show`, one for each next hop that can be read. */
function parseRoutes(line: string): Route[] {
  // Thousands of routes may go through the same few gateways.
  const addresses = new Map<unknown, AddressPrefix | null>();
  function addressOf(next: unknown): AddressPrefix | null {
    let address = addresses.get(next);
    if (address === undefined) {
      address = typeof next === "string" ? parseAddress(next) : null;
      addresses.set(next, address);
    }
    return address;
  }
  return rowsOf(line).flatMap(({ table, dst, type, nexthops, ...hop }) => {
    const hops = Array.isArray(nexthops) ? nexthops.filter(isRecord) : [hop];
    return hops.flatMap(({ dev, gateway, via }) => {
      // `via` is an IPv6 gateway of an IPv4 route (RFC 5549).
      const next = gateway ?? (isRecord(via) ? via.host : via);
      const address = addressOf(next);
      return next !== undefined && address === null
        ? []
        : [{ table, dst, type, dev, gateway: address }];
    });
  });
}

/** A route that is in a table besides main and local. */
interface TableRoute extends Pick<Route, "gateway"> {
  readonly table: string;
  readonly network: AddressPrefix;
  readonly interfaceName: string;
}

/** Null for a route of another table, and for one that can't be used. */
function tableRouteOf({ table, dst, type, dev, gateway }: Route): TableRoute | null {
  if (type !== undefined || (typeof table !== "string" && typeof table !== "number")) return null;
  const network = networkOfRoute(dst, gateway);
  if (network === null || typeof dev !== "string") return null;
  return { table: String(table), network, gateway, interfaceName: dev };
}

/** `default` has the family of its gateway; without one it says nothing of a link. */
function networkOfRoute(dst: unknown, gateway: AddressPrefix | null): AddressPrefix | null {
  if (dst === "default") return gateway && networkOf(gateway, 0);
  try {
    return typeof dst === "string" ? parsePrefix(dst) : null;
  } catch {
    return null;
  }
}

/**
 * The destinations in a line of JSON from `route get` that are on the link of their interface: there
 * is no gateway, or the address is its own, as on a route that is `onlink`.
 */
function parseOnLink(line: string): Place[] {
  return rowsOf(line).flatMap(({ dst, dev, gateway = dst, via, type }) => {
    const address = typeof dst === "string" ? parseAddress(dst) : null;
    const isOnLink = gateway === dst && via === undefined && type === undefined;
    return isOnLink && address !== null && typeof dev === "string"
      ? [{ address, interfaceName: dev }]
      : [];
  });
}

/** The gateways of all routes, or of the default ones alone, of both families and all tables. */
export async function readGateways(ip: IpCommand, ofDefaults: boolean): Promise<AddressPrefix[]> {
  const gateways = new Set<AddressPrefix>();
  for (const { dst, gateway } of await readRoutes(ip)) {
    if (gateway !== null && (!ofDefaults || defaults.includes(dst))) gateways.add(gateway);
  }
  return [...new Map(Array.from(gateways, (one) => [formatAddress(one), one])).values()];
}

/** The routes of all tables. */
async function readRoutes(ip: IpCommand): Promise<Route[]> {
  const { lines } = await runBatch(ip, ["route show table all"]);
  return lines.flatMap(parseRoutes);
}
