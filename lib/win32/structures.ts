/**
 * Every structure that passes between us and Windows, as it lies in the memory of an x64 process: its
 * size and the offsets of the members that we use, in bytes. tests/windows/lib_test.ts compares all of
 * them with what a compiler makes of the headers.
 */

/** SOCKADDR_INET (ws2ipdef.h), an IPv4 or IPv6 socket address. */
export const sockaddrInet = {
  size: 28,
  family: 0, // ADDRESS_FAMILY
  ipv4Address: 4, // SOCKADDR_IN.sin_addr
  ipv6Address: 8, // SOCKADDR_IN6.sin6_addr
  ipv6ScopeId: 24, // SOCKADDR_IN6.sin6_scope_id
} as const;

/** MIB_IPNET_TABLE2 and every other MIB_…_TABLE of netioapi.h; a member of 8 bytes aligns the rows. */
export const mibTable = { count: 0, rows: 8 } as const;

/** MIB_IPNET_ROW2 (netioapi.h), an entry of the neighbor cache. */
export const mibIpNetRow2 = {
  size: 88,
  address: 0, // SOCKADDR_INET
  interfaceIndex: 28, // NET_IFINDEX
  interfaceLuid: 32, // NET_LUID
  physicalAddress: 40, // UCHAR[IF_MAX_PHYS_ADDRESS_LENGTH]
  physicalAddressLength: 72, // ULONG
  state: 76, // NL_NEIGHBOR_STATE
} as const;

/** MIB_UNICASTIPADDRESS_ROW (netioapi.h), one of the host's own addresses. */
export const mibUnicastIpAddressRow = {
  size: 80,
  address: 0, // SOCKADDR_INET
  interfaceLuid: 32, // NET_LUID
  interfaceIndex: 40, // NET_IFINDEX
  onLinkPrefixLength: 60, // UINT8
} as const;

/** MIB_IPINTERFACE_ROW (netioapi.h), one family on an interface. */
export const mibIpInterfaceRow = {
  size: 168,
  family: 0, // ADDRESS_FAMILY
  interfaceIndex: 16, // NET_IFINDEX
  connected: 156, // BOOLEAN
} as const;

/** MIB_IPFORWARD_ROW2 (netioapi.h), a route. */
export const mibIpForwardRow2 = {
  size: 104,
  interfaceIndex: 8, // NET_IFINDEX
  destinationLength: 40, // DestinationPrefix.PrefixLength, UINT8
  nextHop: 44, // SOCKADDR_INET
} as const;

/** MIB_UDPTABLE_OWNER_PID and MIB_UDP6TABLE_OWNER_PID (udpmib.h). */
export const mibUdpTable = { count: 0, rows: 4 } as const;

/** MIB_UDPROW_OWNER_PID (udpmib.h). The port is in network order. */
export const mibUdpRowOwnerPid = { size: 12, localAddr: 0, localPort: 4, owningPid: 8 } as const;

/** MIB_UDP6ROW_OWNER_PID (udpmib.h). The port is in network order. */
export const mibUdp6RowOwnerPid = { size: 28, localAddr: 0, localPort: 20, owningPid: 24 } as const;

/** ACL (winnt.h); its ACEs follow. */
export const acl = { size: 8, aclSize: 2, aceCount: 4 } as const;

/** ACCESS_ALLOWED_ACE (winnt.h) and its like. */
export const accessAllowedAce = { type: 0, flags: 1, aceSize: 2, mask: 4, sid: 8 } as const;

/** SID (winnt.h): its authority is 6 bytes, big-endian, its sub-authorities are u32. */
export const sid = { subAuthorityCount: 1, authority: 2, subAuthorities: 8 } as const;

/** TOKEN_USER (winnt.h): SID_AND_ATTRIBUTES, whose SID lies behind it in the same buffer. */
export const tokenUser = { sid: 0 } as const;

/** SECURITY_ATTRIBUTES (minwinbase.h). */
export const securityAttributes = { size: 24, securityDescriptor: 8 } as const;

/** SERVICE_TABLE_ENTRYW (winsvc.h). */
export const serviceTableEntry = { size: 16, serviceName: 0, serviceProc: 8 } as const;

/** SERVICE_STATUS (winsvc.h), seven DWORDs. */
export const serviceStatus = {
  size: 28,
  serviceType: 0,
  currentState: 4,
  controlsAccepted: 8,
  win32ExitCode: 12,
  serviceSpecificExitCode: 16,
  waitHint: 24,
} as const;
