/*
 * Prints what the Windows headers say of the structures in lib/win32/structures.ts, as JSON: the offsets of members
 * and the size of each.
 */
#include <winsock2.h>
#include <ws2ipdef.h>
#include <windows.h>
#include <iphlpapi.h>
#include <netioapi.h>
#include <winsvc.h>
#include <stddef.h>
#include <stdio.h>

static const char *between = "";

static void put(const char *name, size_t number)
{
    printf("%s\"%s\": %zu", between, name, number);
    between = ", ";
}

static void begin(const char *name)
{
    printf("%s\"%s\": {", *between ? "}, " : "{", name);
    between = "";
}

/* SIZE only where lib/win32 needs it. */
#define AT(name, type, member) put(name, offsetof(type, member))
#define SIZE(type) put("size", sizeof(type))

/* The rows of every table of netioapi.h are where those of this one are. */
#define SAME_ROWS(type) _Static_assert(offsetof(type, Table) == offsetof(MIB_IPNET_TABLE2, Table), #type)
SAME_ROWS(MIB_UNICASTIPADDRESS_TABLE);
SAME_ROWS(MIB_IPINTERFACE_TABLE);
SAME_ROWS(MIB_IPFORWARD_TABLE2);
_Static_assert(offsetof(MIB_UDPTABLE_OWNER_PID, table) == offsetof(MIB_UDP6TABLE_OWNER_PID, table), "UDP rows");

int main(void)
{
    begin("sockaddrInet");
    AT("family", SOCKADDR_INET, si_family);
    AT("ipv4Address", SOCKADDR_INET, Ipv4.sin_addr);
    AT("ipv6Address", SOCKADDR_INET, Ipv6.sin6_addr);
    AT("ipv6ScopeId", SOCKADDR_INET, Ipv6.sin6_scope_id);
    SIZE(SOCKADDR_INET);
    begin("mibTable");
    AT("count", MIB_IPNET_TABLE2, NumEntries);
    AT("rows", MIB_IPNET_TABLE2, Table);
    begin("mibIpNetRow2");
    AT("address", MIB_IPNET_ROW2, Address);
    AT("interfaceIndex", MIB_IPNET_ROW2, InterfaceIndex);
    AT("interfaceLuid", MIB_IPNET_ROW2, InterfaceLuid);
    AT("physicalAddress", MIB_IPNET_ROW2, PhysicalAddress);
    AT("physicalAddressLength", MIB_IPNET_ROW2, PhysicalAddressLength);
    AT("state", MIB_IPNET_ROW2, State);
    SIZE(MIB_IPNET_ROW2);
    begin("mibUnicastIpAddressRow");
    AT("address", MIB_UNICASTIPADDRESS_ROW, Address);
    AT("interfaceLuid", MIB_UNICASTIPADDRESS_ROW, InterfaceLuid);
    AT("interfaceIndex", MIB_UNICASTIPADDRESS_ROW, InterfaceIndex);
    AT("onLinkPrefixLength", MIB_UNICASTIPADDRESS_ROW, OnLinkPrefixLength);
    SIZE(MIB_UNICASTIPADDRESS_ROW);
    begin("mibIpInterfaceRow");
    AT("family", MIB_IPINTERFACE_ROW, Family);
    AT("interfaceIndex", MIB_IPINTERFACE_ROW, InterfaceIndex);
    AT("connected", MIB_IPINTERFACE_ROW, Connected);
    SIZE(MIB_IPINTERFACE_ROW);
    begin("mibIpForwardRow2");
    AT("interfaceIndex", MIB_IPFORWARD_ROW2, InterfaceIndex);
    AT("destinationLength", MIB_IPFORWARD_ROW2, DestinationPrefix.PrefixLength);
    AT("nextHop", MIB_IPFORWARD_ROW2, NextHop);
    SIZE(MIB_IPFORWARD_ROW2);
    begin("mibUdpTable");
    AT("count", MIB_UDPTABLE_OWNER_PID, dwNumEntries);
    AT("rows", MIB_UDPTABLE_OWNER_PID, table);
    begin("mibUdpRowOwnerPid");
    AT("localAddr", MIB_UDPROW_OWNER_PID, dwLocalAddr);
    AT("localPort", MIB_UDPROW_OWNER_PID, dwLocalPort);
    AT("owningPid", MIB_UDPROW_OWNER_PID, dwOwningPid);
    SIZE(MIB_UDPROW_OWNER_PID);
    begin("mibUdp6RowOwnerPid");
    AT("localAddr", MIB_UDP6ROW_OWNER_PID, ucLocalAddr);
    AT("localPort", MIB_UDP6ROW_OWNER_PID, dwLocalPort);
    AT("owningPid", MIB_UDP6ROW_OWNER_PID, dwOwningPid);
    SIZE(MIB_UDP6ROW_OWNER_PID);
    begin("acl");
    AT("aclSize", ACL, AclSize);
    AT("aceCount", ACL, AceCount);
    SIZE(ACL);
    begin("accessAllowedAce");
    AT("type", ACCESS_ALLOWED_ACE, Header.AceType);
    AT("flags", ACCESS_ALLOWED_ACE, Header.AceFlags);
    AT("aceSize", ACCESS_ALLOWED_ACE, Header.AceSize);
    AT("mask", ACCESS_ALLOWED_ACE, Mask);
    AT("sid", ACCESS_ALLOWED_ACE, SidStart);
    begin("sid");
    AT("subAuthorityCount", SID, SubAuthorityCount);
    AT("authority", SID, IdentifierAuthority);
    AT("subAuthorities", SID, SubAuthority);
    begin("tokenUser");
    AT("sid", TOKEN_USER, User.Sid);
    begin("securityAttributes");
    AT("securityDescriptor", SECURITY_ATTRIBUTES, lpSecurityDescriptor);
    SIZE(SECURITY_ATTRIBUTES);
    begin("serviceTableEntry");
    AT("serviceName", SERVICE_TABLE_ENTRYW, lpServiceName);
    AT("serviceProc", SERVICE_TABLE_ENTRYW, lpServiceProc);
    SIZE(SERVICE_TABLE_ENTRYW);
    begin("serviceStatus");
    AT("serviceType", SERVICE_STATUS, dwServiceType);
    AT("currentState", SERVICE_STATUS, dwCurrentState);
    AT("controlsAccepted", SERVICE_STATUS, dwControlsAccepted);
    AT("win32ExitCode", SERVICE_STATUS, dwWin32ExitCode);
    AT("serviceSpecificExitCode", SERVICE_STATUS, dwServiceSpecificExitCode);
    AT("waitHint", SERVICE_STATUS, dwWaitHint);
    SIZE(SERVICE_STATUS);
    printf("}}\n");
    return 0;
}
