/**
 * SOCKADDR_INET (ws2ipdef.h): an IPv4 or IPv6 socket address in 28 bytes. The family is in host
 * order, addresses are in network order.
 */
import type { AddressPrefix } from "../wire/ip_address.ts";

/** ADDRESS_FAMILY (ws2def.h). */
export const AF_UNSPEC = 0;
export const AF_INET = 2;
export const AF_INET6 = 23;

/** Offsets in bytes; `size` is sizeof(SOCKADDR_INET). */
export const sockaddrInet = {
  size: 28,
  family: 0,
  /** SOCKADDR_IN.sin_addr */
  ipv4Address: 4,
  /** SOCKADDR_IN6.sin6_addr */
  ipv6Address: 8,
  /** SOCKADDR_IN6.sin6_scope_id */
  ipv6ScopeId: 24,
} as const;

/** A socket address without its port. */
export interface SocketAddress {
  readonly address: AddressPrefix;
  /** The interface that a link-local IPv6 address belongs to; 0 for none, and for IPv4. */
  readonly scopeId: number;
}

/** Reads a SOCKADDR_INET; null for a family other than IPv4 and IPv6 (AF_UNSPEC included). */
export function readSockaddrInet(view: DataView, offset: number): SocketAddress | null {
  const family = view.getUint16(offset + sockaddrInet.family, true);
  const bytes = new Uint8Array(16);
  const source = new Uint8Array(view.buffer, view.byteOffset + offset, sockaddrInet.size);
  if (family === AF_INET) {
    bytes.set(source.subarray(sockaddrInet.ipv4Address, sockaddrInet.ipv4Address + 4));
    return { address: { family: 4, length: 32, bytes }, scopeId: 0 };
  }
  if (family === AF_INET6) {
    bytes.set(source.subarray(sockaddrInet.ipv6Address, sockaddrInet.ipv6Address + 16));
    const scopeId = view.getUint32(offset + sockaddrInet.ipv6ScopeId, true);
    return { address: { family: 6, length: 128, bytes }, scopeId };
  }
  return null;
}

/** Writes a SOCKADDR_INET with port 0 and flow information 0. */
export function writeSockaddrInet(view: DataView, offset: number, socket: SocketAddress): void {
  const target = new Uint8Array(view.buffer, view.byteOffset + offset, sockaddrInet.size);
  target.fill(0);
  const { family, bytes } = socket.address;
  view.setUint16(offset + sockaddrInet.family, family === 4 ? AF_INET : AF_INET6, true);
  if (family === 4) {
    target.set(bytes.subarray(0, 4), sockaddrInet.ipv4Address);
  } else {
    target.set(bytes, sockaddrInet.ipv6Address);
    view.setUint32(offset + sockaddrInet.ipv6ScopeId, socket.scopeId, true);
  }
}
