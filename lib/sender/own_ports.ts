/**
 * Link-layer addresses of this router that the runtime doesn't tell: it lists interfaces by their IP
 * addresses, so that ports of a bridge or a bond are missing, and one all of whose addresses have
 * labels has none. `ip` knows them. It is run after the datagrams, and only when a host has reported
 * an address that isn't known.
 */
import { createIpCommand, ENOENT, type IpCommand, rowsOf, runIp } from "../neighbors/iproute2.ts";
import { NeighborCacheError } from "../neighbors/neighbor_cache.ts";
import { messageOf } from "../errors.ts";
import { parseLinkLayerAddress } from "../wire/addresses.ts";
import { isVirtualRouters, type LearnedAddresses } from "./own_link_layer.ts";

/** The report waits for it. */
const timeoutMs = 3_000;

/**
 * Adds to `learned` the link-layer addresses of ports, and of interfaces with an IP address. A virtual
 * router's is left out: `ip` doesn't say whether another router speaks for it now. Null, or why they
 * can't be looked up. On a machine that has no `ip` nothing is learned in any run: there to call every
 * address that isn't known `unverified` would hide each host that is stuck.
 */
export async function learnLinkLayerAddresses(
  learned: LearnedAddresses,
  ip: IpCommand = createIpCommand({ timeoutMs }),
): Promise<string | null> {
  try {
    for (const address of await readLinkLayerAddresses(ip)) learned.known.add(address.toHex());
    return null;
  } catch (error) {
    learned.failed = !(error instanceof NeighborCacheError && error.code === ENOENT);
    return messageOf(error);
  }
}

async function readLinkLayerAddresses(ip: IpCommand): Promise<Uint8Array[]> {
  const { lines } = await runIp(ip, ["-json", "address", "show"]);
  return lines.flatMap(rowsOf).flatMap(({ link_type, address, master, addr_info }) => {
    const isPort = typeof master === "string";
    const hasAddress = Array.isArray(addr_info) && addr_info.length > 0;
    if (link_type !== "ether" || typeof address !== "string" || !(isPort || hasAddress)) return [];
    const linkLayerAddress = parseLinkLayerAddress(address);
    return linkLayerAddress === null || isVirtualRouters({ linkLayerAddress })
      ? []
      : [linkLayerAddress];
  });
}
