/* Prints what the Windows headers say of the structures that lib/win32 lays out, as JSON. */
#include <winsock2.h>
#include <ws2ipdef.h>
#include <windows.h>
#include <iphlpapi.h>
#include <netioapi.h>
#include <winsvc.h>
#include <stddef.h>
#include <stdio.h>

#define AT(name, type, member) printf("\"%s\": %zu, ", name, offsetof(type, member))

int main(void)
{
    printf("{\"sockaddrInet\": {");
    AT("family", SOCKADDR_INET, si_family);
    AT("ipv4Address", SOCKADDR_INET, Ipv4.sin_addr);
    AT("ipv6Address", SOCKADDR_INET, Ipv6.sin6_addr);
    AT("ipv6ScopeId", SOCKADDR_INET, Ipv6.sin6_scope_id);
    printf("\"size\": %zu}, \"mibIpNetRow2\": {", sizeof(SOCKADDR_INET));
    AT("address", MIB_IPNET_ROW2, Address);
    AT("interfaceIndex", MIB_IPNET_ROW2, InterfaceIndex);
    AT("interfaceLuid", MIB_IPNET_ROW2, InterfaceLuid);
    AT("physicalAddress", MIB_IPNET_ROW2, PhysicalAddress);
    AT("physicalAddressLength", MIB_IPNET_ROW2, PhysicalAddressLength);
    AT("state", MIB_IPNET_ROW2, State);
    AT("flags", MIB_IPNET_ROW2, Flags);
    AT("reachabilityTime", MIB_IPNET_ROW2, ReachabilityTime);
    printf("\"size\": %zu}, \"mibUnicastIpAddressRow\": {", sizeof(MIB_IPNET_ROW2));
    AT("address", MIB_UNICASTIPADDRESS_ROW, Address);
    AT("interfaceLuid", MIB_UNICASTIPADDRESS_ROW, InterfaceLuid);
    AT("interfaceIndex", MIB_UNICASTIPADDRESS_ROW, InterfaceIndex);
    AT("onLinkPrefixLength", MIB_UNICASTIPADDRESS_ROW, OnLinkPrefixLength);
    printf("\"size\": %zu}, \"mibIpInterfaceRow\": {", sizeof(MIB_UNICASTIPADDRESS_ROW));
    AT("family", MIB_IPINTERFACE_ROW, Family);
    AT("interfaceIndex", MIB_IPINTERFACE_ROW, InterfaceIndex);
    AT("connected", MIB_IPINTERFACE_ROW, Connected);
    printf("\"size\": %zu}, \"mibIpForwardRow2\": {", sizeof(MIB_IPINTERFACE_ROW));
    AT("interfaceLuid", MIB_IPFORWARD_ROW2, InterfaceLuid);
    AT("interfaceIndex", MIB_IPFORWARD_ROW2, InterfaceIndex);
    AT("destination", MIB_IPFORWARD_ROW2, DestinationPrefix.Prefix);
    AT("destinationLength", MIB_IPFORWARD_ROW2, DestinationPrefix.PrefixLength);
    AT("nextHop", MIB_IPFORWARD_ROW2, NextHop);
    AT("metric", MIB_IPFORWARD_ROW2, Metric);
    printf("\"size\": %zu}, \"mibTable\": {", sizeof(MIB_IPFORWARD_ROW2));
    AT("count", MIB_IPNET_TABLE2, NumEntries);
    AT("rows", MIB_IPNET_TABLE2, Table);
    printf("\"unicastRows\": %zu, \"interfaceRows\": %zu, \"forwardRows\": %zu}, ",
           offsetof(MIB_UNICASTIPADDRESS_TABLE, Table), offsetof(MIB_IPINTERFACE_TABLE, Table),
           offsetof(MIB_IPFORWARD_TABLE2, Table));
    printf("\"mibUdpRowOwnerPid\": {");
    AT("localAddr", MIB_UDPROW_OWNER_PID, dwLocalAddr);
    AT("localPort", MIB_UDPROW_OWNER_PID, dwLocalPort);
    AT("owningPid", MIB_UDPROW_OWNER_PID, dwOwningPid);
    printf("\"size\": %zu}, \"mibUdp6RowOwnerPid\": {", sizeof(MIB_UDPROW_OWNER_PID));
    AT("localAddr", MIB_UDP6ROW_OWNER_PID, ucLocalAddr);
    AT("localScopeId", MIB_UDP6ROW_OWNER_PID, dwLocalScopeId);
    AT("localPort", MIB_UDP6ROW_OWNER_PID, dwLocalPort);
    AT("owningPid", MIB_UDP6ROW_OWNER_PID, dwOwningPid);
    printf("\"size\": %zu}, \"mibUdpTable\": {", sizeof(MIB_UDP6ROW_OWNER_PID));
    AT("count", MIB_UDP6TABLE_OWNER_PID, dwNumEntries);
    printf("\"rows\": %zu}, \"securityAttributes\": {", offsetof(MIB_UDP6TABLE_OWNER_PID, table));
    AT("securityDescriptor", SECURITY_ATTRIBUTES, lpSecurityDescriptor);
    printf("\"size\": %zu}, \"tokenUser\": {", sizeof(SECURITY_ATTRIBUTES));
    AT("sid", TOKEN_USER, User.Sid);
    printf("\"size\": %zu}, \"serviceTableEntry\": {", sizeof(TOKEN_USER));
    AT("serviceName", SERVICE_TABLE_ENTRYW, lpServiceName);
    AT("serviceProc", SERVICE_TABLE_ENTRYW, lpServiceProc);
    printf("\"size\": %zu}, \"aclLayout\": {", sizeof(SERVICE_TABLE_ENTRYW));
    AT("size", ACL, AclSize);
    AT("count", ACL, AceCount);
    printf("\"aces\": %zu}, \"aceLayout\": {", sizeof(ACL));
    AT("type", ACCESS_ALLOWED_ACE, Header.AceType);
    AT("flags", ACCESS_ALLOWED_ACE, Header.AceFlags);
    AT("size", ACCESS_ALLOWED_ACE, Header.AceSize);
    AT("mask", ACCESS_ALLOWED_ACE, Mask);
    printf("\"sid\": %zu}, \"sidLayout\": {", offsetof(ACCESS_ALLOWED_ACE, SidStart));
    AT("count", SID, SubAuthorityCount);
    AT("authority", SID, IdentifierAuthority);
    printf("\"subAuthorities\": %zu}, \"serviceStatus\": %zu}\n", offsetof(SID, SubAuthority),
           sizeof(SERVICE_STATUS));
    return 0;
}
