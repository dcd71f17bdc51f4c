/** Reports on neighbors: from the table as it is, or after asking the link anew. */
import type { IpHelper } from "../win32/iphlpapi.ts";
import type { IpNetRow } from "../win32/mib_ipnet_row2.ts";
import { win32 } from "../win32/win32_error.ts";
import type { NeighborReport } from "../wire/ack.ts";
import { type AddressPrefix, isWholeAddress } from "../wire/ip_address.ts";
import { chooseLink, type Link, readLinks, readRoutes } from "./windows_links.ts";
import { callError, isPermanent, linkLayerAddressOf, readRows, rowKey } from "./windows_table.ts";

const notLookedAt: NeighborReport = {
  state: "not looked at",
  linkLayerAddress: new Uint8Array(6),
};
const noNeighbor: NeighborReport = { state: "no neighbor", linkLayerAddress: new Uint8Array(6) };

/** Nobody answered: 67 is what ResolveIpNetEntry2 documents, the others say the same of the link. */
const unanswered: readonly number[] = [
  win32.badNetName,
  win32.networkUnreachable,
  win32.hostUnreachable,
];
/** The interface is gone since the links were listed. */
const interfaceGone: readonly number[] = [win32.fileNotFound, win32.notFound];

function reportRow(row: IpNetRow | undefined): NeighborReport {
  const linkLayerAddress = row === undefined ? null : linkLayerAddressOf(row);
  if (row === undefined || linkLayerAddress === null) return noNeighbor;
  return { state: isPermanent(row) ? "permanent" : "neighbor", linkLayerAddress };
}

/** The row that names an address on a link, for the calls that take one. */
function questionRow(address: AddressPrefix, link: Link): IpNetRow {
  const isLinkLocal = address.family === 6 && address.bytes[0] === 0xfe &&
    (address.bytes[1] & 0xc0) === 0x80;
  return {
    address,
    scopeId: isLinkLocal ? link.interfaceIndex : 0,
    interfaceIndex: link.interfaceIndex,
    interfaceLuid: link.interfaceLuid,
    physicalAddress: new Uint8Array(),
    state: 0,
    flags: 0,
  };
}

/** The link that each address is on, or null for what can't be looked at. */
function linksOf(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): (Link | null)[] {
  if (addresses.length === 0) return [];
  const links = readLinks(ip);
  const routes = readRoutes(ip);
  return addresses.map((address) =>
    isWholeAddress(address) ? chooseLink(ip, links, routes, address, source) : null
  );
}

/** Reports on addresses from the table as it is. */
export function lookAt(
  ip: IpHelper,
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
): NeighborReport[] {
  const rows = new Map(readRows(ip).map((row) => [rowKey(row), row]));
  return linksOf(ip, addresses, source).map((link, i) =>
    link === null ? notLookedAt : reportRow(rows.get(rowKey(questionRow(addresses[i], link))))
  );
}

/** Resolves addresses on the link; one question an address is under way at a time. */
export type Resolver = (
  addresses: readonly AddressPrefix[],
  source?: AddressPrefix,
) => Promise<NeighborReport[]>;

/**
 * A resolver that reports after `boundMillis` at the latest. ResolveIpNetEntry2 itself blocks a
 * thread for as long as Windows keeps asking (seconds when nobody answers), so whoever asks for the
 * same address meanwhile joins the question under way.
 */
export function createResolver(ip: IpHelper, boundMillis: number): Resolver {
  const underWay = new Map<string, Promise<NeighborReport>>();

  async function ask(row: IpNetRow): Promise<NeighborReport> {
    const { code, row: resolved } = await ip.resolveIpNetEntry2(row);
    if (code === win32.success) return reportRow(resolved ?? undefined);
    if (unanswered.includes(code)) return noNeighbor;
    if (interfaceGone.includes(code)) return notLookedAt;
    throw callError("ResolveIpNetEntry2", code);
  }

  function askOnce(row: IpNetRow): Promise<NeighborReport> {
    const key = rowKey(row);
    const known = underWay.get(key);
    if (known !== undefined) return known;
    const asked = ask(row).finally(() => underWay.delete(key));
    underWay.set(key, asked);
    return asked;
  }

  return async (addresses, source) => {
    const links = linksOf(ip, addresses, source);
    const rows = new Map(readRows(ip).map((row) => [rowKey(row), row]));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const bound = new Promise<NeighborReport>((resolve) => {
      timer = setTimeout(() => resolve(noNeighbor), boundMillis);
    });
    try {
      return await Promise.all(links.map((link, i) => {
        if (link === null) return notLookedAt;
        const question = questionRow(addresses[i], link);
        const present = rows.get(rowKey(question));
        // ResolveIpNetEntry2 would drop it: a permanent row is reported, never resolved.
        if (present !== undefined && isPermanent(present)) return reportRow(present);
        return Promise.race([askOnce(question), bound]);
      }));
    } finally {
      clearTimeout(timer);
    }
  };
}
