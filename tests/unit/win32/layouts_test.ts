/**
 * Every structure that passes between us and Windows, as numbers (SERVICE_STATUS: win32_test.ts): offsets in bytes and sizes in an x64
 * process, from the headers of the Windows SDK 10.0.26100 that each is declared in. Under Wine
 * neighbors_test.ts compares them with what a compiler makes of mingw's headers.
 */
import assert from "node:assert/strict";
import {
  aceLayout,
  aclLayout,
  securityAttributes,
  sidLayout,
  tokenUser,
} from "../../../lib/win32/advapi32.ts";
import * as netioapi from "../../../lib/win32/netioapi.ts";
import * as udpmib from "../../../lib/win32/udpmib.ts";
import { serviceTableEntry } from "../../../lib/win32/winsvc.ts";

const layouts: Readonly<Record<string, readonly [ours: object, header: object]>> = {
  "SOCKADDR_INET (ws2ipdef.h)": [
    netioapi.sockaddrInet,
    { size: 28, family: 0, ipv4Address: 4, ipv6Address: 8, ipv6ScopeId: 24 },
  ],
  "MIB_IPNET_TABLE2 and its like (netioapi.h)": [netioapi.mibTable, { count: 0, rows: 8 }],
  "MIB_IPNET_ROW2 (netioapi.h)": [netioapi.mibIpNetRow2, {
    ...{ size: 88, address: 0, interfaceIndex: 28, interfaceLuid: 32, physicalAddress: 40 },
    ...{ physicalAddressLength: 72, state: 76, flags: 80, reachabilityTime: 84 },
  }],
  "MIB_UNICASTIPADDRESS_ROW (netioapi.h)": [
    netioapi.mibUnicastIpAddressRow,
    { size: 80, address: 0, interfaceLuid: 32, interfaceIndex: 40, onLinkPrefixLength: 60 },
  ],
  "MIB_IPINTERFACE_ROW (netioapi.h)": [
    netioapi.mibIpInterfaceRow,
    { size: 168, family: 0, interfaceIndex: 16, connected: 156 },
  ],
  "MIB_IPFORWARD_ROW2 (netioapi.h)": [netioapi.mibIpForwardRow2, {
    ...{ size: 104, interfaceLuid: 0, interfaceIndex: 8, destination: 12 },
    ...{ destinationLength: 40, nextHop: 44, metric: 84 },
  }],
  "MIB_UDPTABLE_OWNER_PID and MIB_UDP6TABLE_OWNER_PID (udpmib.h)": [
    udpmib.mibUdpTable,
    { count: 0, rows: 4 },
  ],
  "MIB_UDPROW_OWNER_PID (udpmib.h)": [
    udpmib.mibUdpRowOwnerPid,
    { size: 12, localAddr: 0, localPort: 4, owningPid: 8 },
  ],
  "MIB_UDP6ROW_OWNER_PID (udpmib.h)": [
    udpmib.mibUdp6RowOwnerPid,
    { size: 28, localAddr: 0, localScopeId: 16, localPort: 20, owningPid: 24 },
  ],
  "ACL (winnt.h)": [aclLayout, { size: 2, count: 4, aces: 8 }],
  "ACCESS_ALLOWED_ACE (winnt.h)": [aceLayout, { type: 0, flags: 1, size: 2, mask: 4, sid: 8 }],
  "SID (winnt.h)": [sidLayout, { count: 1, authority: 2, subAuthorities: 8 }],
  "TOKEN_USER (winnt.h)": [tokenUser, { size: 16, sid: 0 }],
  "SERVICE_TABLE_ENTRYW (winsvc.h)": [
    serviceTableEntry,
    { size: 16, serviceName: 0, serviceProc: 8 },
  ],
  "SECURITY_ATTRIBUTES (minwinbase.h)": [securityAttributes, { size: 24, securityDescriptor: 8 }],
};

for (const [name, [ours, header]] of Object.entries(layouts)) {
  Deno.test(`the layout is that of ${name}`, () => assert.deepEqual(ours, header));
}
