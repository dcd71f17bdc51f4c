/*
 * Double of iphlpapi.dll, for tests under Wine only. Wine's own lacks the calls that change the
 * neighbor cache, and tells nobody of changes of the network. This DLL has these calls, on the Linux
 * kernel's real tables (netlink.h), and forwards every other one to Wine's own (iphlporig.dll, see
 * build_ip_helper.sh).
 */
#include <winsock2.h>
#include <ws2ipdef.h>
#include <windows.h>
#include <iphlpapi.h>
#include <netioapi.h>
#include <string.h>
#include "netlink.h"

__declspec(dllimport) NETIO_STATUS WINAPI OrigGetIpNetTable2(ADDRESS_FAMILY, PMIB_IPNET_TABLE2 *);
__declspec(dllimport) NETIO_STATUS WINAPI OrigConvertInterfaceIndexToLuid(NET_IFINDEX, NET_LUID *);

static DWORD win32_error(int linux_error)
{
    switch (linux_error)
    {
    case 0: return NO_ERROR;
    case LINUX_EPERM: return ERROR_ACCESS_DENIED;
    case LINUX_ENOMEM: return ERROR_NOT_ENOUGH_MEMORY;
    case LINUX_ENOENT: return ERROR_NOT_FOUND;
    case LINUX_EEXIST: return ERROR_OBJECT_ALREADY_EXISTS;
    case LINUX_ENODEV: return ERROR_FILE_NOT_FOUND;
    case LINUX_EINVAL: return ERROR_INVALID_PARAMETER;
    default: return ERROR_GEN_FAILURE;
    }
}

static uint8_t linux_family(ADDRESS_FAMILY family)
{
    return family == AF_INET ? LINUX_AF_INET : family == AF_INET6 ? LINUX_AF_INET6 : 0;
}

static NL_NEIGHBOR_STATE windows_state(uint16_t state)
{
    switch (state)
    {
    case NUD_INCOMPLETE: return NlnsIncomplete;
    case NUD_PROBE: return NlnsProbe;
    case NUD_DELAY: return NlnsDelay;
    case NUD_STALE: return NlnsStale;
    case NUD_REACHABLE: return NlnsReachable;
    case NUD_PERMANENT: return NlnsPermanent;
    default: return NlnsUnreachable;
    }
}

static void to_row(const struct neighbor *n, MIB_IPNET_ROW2 *row)
{
    memset(row, 0, sizeof(*row));
    row->Address.si_family = n->family == LINUX_AF_INET ? AF_INET : AF_INET6;
    if (n->family == LINUX_AF_INET) memcpy(&row->Address.Ipv4.sin_addr, n->address, 4);
    else memcpy(&row->Address.Ipv6.sin6_addr, n->address, 16);
    row->InterfaceIndex = n->index;
    row->State = windows_state(n->state);
    row->PhysicalAddressLength = n->lladdr_size;
    memcpy(row->PhysicalAddress, n->lladdr, n->lladdr_size);
}

/* What a row says of an entry; without a state. */
static void from_row(const MIB_IPNET_ROW2 *row, struct neighbor *n)
{
    memset(n, 0, sizeof(*n));
    n->family = linux_family(row->Address.si_family);
    n->index = row->InterfaceIndex;
    if (n->family == LINUX_AF_INET) memcpy(n->address, &row->Address.Ipv4.sin_addr, 4);
    else memcpy(n->address, &row->Address.Ipv6.sin6_addr, 16);
}

/* Entries of a family, 0 for both, as the kernel has them; free *list by HeapFree. */
static DWORD list(uint8_t family, struct neighbor **list, size_t *count)
{
    int fd = netlink_open(), error;
    *list = NULL;
    if (fd < 0) return win32_error(-fd);
    error = netlink_list(fd, family, list, count);
    netlink_close(fd);
    return win32_error(error);
}

/*
 * IPv4 alone is Wine's own reading, which calls the kernel several times for each row: 57 rows take it
 * many ms, Windows far less than one. Wine's FreeMibTable frees ours too, by HeapFree.
 */
NETIO_STATUS WINAPI GetIpNetTable2(ADDRESS_FAMILY family, PMIB_IPNET_TABLE2 *table)
{
    PMIB_IPNET_TABLE2 rows = NULL;
    struct neighbor *entries;
    size_t count;
    DWORD code;

    if (family == AF_INET) return OrigGetIpNetTable2(family, table);
    if (family != AF_UNSPEC && family != AF_INET6) return ERROR_INVALID_PARAMETER;
    if (!(code = list(linux_family(family), &entries, &count)))
    {
        rows = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY,
                         FIELD_OFFSET(MIB_IPNET_TABLE2, Table) + count * sizeof(MIB_IPNET_ROW2));
        if (!rows) code = ERROR_NOT_ENOUGH_MEMORY;
    }
    if (!code)
    {
        rows->NumEntries = (ULONG)count;
        for (MIB_IPNET_ROW2 *row = rows->Table; row < rows->Table + count; row++)
        {
            to_row(&entries[row - rows->Table], row);
            if (row > rows->Table && row[-1].InterfaceIndex == row->InterfaceIndex)
                row->InterfaceLuid = row[-1].InterfaceLuid;
            else OrigConvertInterfaceIndexToLuid(row->InterfaceIndex, &row->InterfaceLuid);
        }
        *table = rows;
    }
    if (entries) HeapFree(GetProcessHeap(), 0, entries);
    return code;
}

NETIO_STATUS WINAPI FlushIpNetTable2(ADDRESS_FAMILY family, NET_IFINDEX index)
{
    struct neighbor *entries;
    size_t count;
    int fd, error = 0;
    DWORD code;

    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
        return ERROR_INVALID_PARAMETER;
    code = list(linux_family(family), &entries, &count);
    if (!code && (fd = netlink_open()) < 0) code = win32_error(-fd);
    if (!code)
    {
        for (size_t i = 0; i < count && !error; i++)
        {
            if (entries[i].state == NUD_PERMANENT || (index && entries[i].index != (int)index)) continue;
            entries[i].lladdr_size = 0;
            error = netlink_change(fd, RTM_DELNEIGH, 0, &entries[i], 0);
            /* It may have gone meanwhile, alone or with its interface. */
            if (error == LINUX_ENOENT || error == LINUX_ENODEV) error = 0;
        }
        netlink_close(fd);
        code = win32_error(error);
    }
    if (entries) HeapFree(GetProcessHeap(), 0, entries);
    return code;
}

DWORD WINAPI FlushIpNetTable(DWORD index)
{
    return index ? FlushIpNetTable2(AF_INET, index) : ERROR_INVALID_PARAMETER;
}

static DWORD change(uint16_t type, uint16_t flags, const struct neighbor *n, uint8_t entry_flags)
{
    int fd = netlink_open(), error;
    if (fd < 0) return win32_error(-fd);
    error = netlink_change(fd, type, flags, n, entry_flags);
    netlink_close(fd);
    return win32_error(error);
}

NETIO_STATUS WINAPI CreateIpNetEntry2(const MIB_IPNET_ROW2 *row)
{
    struct neighbor n;
    from_row(row, &n);
    n.state = NUD_PERMANENT;
    n.lladdr_size = (uint8_t)row->PhysicalAddressLength;
    memcpy(n.lladdr, row->PhysicalAddress, sizeof(n.lladdr));
    return change(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_EXCL, &n, 0);
}

NETIO_STATUS WINAPI DeleteIpNetEntry2(const MIB_IPNET_ROW2 *row)
{
    struct neighbor n;
    from_row(row, &n);
    return change(RTM_DELNEIGH, 0, &n, 0);
}

/* Who is to be told of changes, for as long as the process lives. */
struct watch
{
    PIPINTERFACE_CHANGE_CALLBACK told; /* A PUNICAST_IPADDRESS_CHANGE_CALLBACK has another row. */
    void *context;
    int fd;
};

/*
 * Tells of what comes and goes, and which interface got an address. That a message was lost is told as a change of
 * a parameter, as is every other one: the kernel doesn't say which it is.
 */
static DWORD WINAPI tell(void *given)
{
    struct watch *watch = given;
    struct { struct nlmsghdr header; struct ifaddrmsg address; uint8_t rest[8192]; } message;
    int64_t size;

    do
    {
        MIB_UNICASTIPADDRESS_ROW row = { 0 };
        MIB_NOTIFICATION_TYPE type = MibParameterNotification;

        size = linux_call(SYS_recvfrom, watch->fd, (int64_t)&message, sizeof(message), 0);
        if (size > 0 && message.header.type == RTM_NEWADDR) type = MibAddInstance;
        if (size > 0 && message.header.type == RTM_DELADDR) type = MibDeleteInstance;
        if (type != MibParameterNotification) row.InterfaceIndex = message.address.index;
        watch->told(watch->context, (void *)&row, type);
    } while (size >= 0 || size == -LINUX_ENOBUFS);
    return 0;
}

static DWORD start_watch(uint32_t groups, void *told, void *context, HANDLE *handle)
{
    struct watch *watch = HeapAlloc(GetProcessHeap(), 0, sizeof(*watch));
    if (!watch) return ERROR_NOT_ENOUGH_MEMORY;
    *watch = (struct watch){ told, context, netlink_open_groups(groups) };
    if (watch->fd < 0) return win32_error(-watch->fd);
    *handle = CreateThread(NULL, 0, tell, watch, 0, NULL);
    return *handle ? NO_ERROR : GetLastError();
}

NETIO_STATUS WINAPI NotifyIpInterfaceChange(ADDRESS_FAMILY family, PIPINTERFACE_CHANGE_CALLBACK told,
                                            void *context, BOOLEAN initial, HANDLE *handle)
{
    return start_watch(RTMGRP_LINK, told, context, handle);
}

NETIO_STATUS WINAPI NotifyUnicastIpAddressChange(ADDRESS_FAMILY family,
                                                 PUNICAST_IPADDRESS_CHANGE_CALLBACK told, void *context,
                                                 BOOLEAN initial, HANDLE *handle)
{
    return start_watch(RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR, told, context, handle);
}
