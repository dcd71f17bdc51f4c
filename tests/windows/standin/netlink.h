/*
 * The Linux kernel's neighbor table from a Windows DLL under Wine: rtnetlink(7) by system calls of
 * the kernel itself, which a Windows program in Wine can make like any other. Only for the stand-in.
 * Numbers and structures are those of linux/netlink.h, linux/rtnetlink.h and linux/neighbour.h.
 */
#include <windows.h>
#include <stdint.h>
#include <string.h>

enum { SYS_close = 3, SYS_socket = 41, SYS_sendto = 44, SYS_recvfrom = 45, SYS_bind = 49 };
enum { AF_NETLINK = 16, SOCK_RAW_CLOEXEC = 3 | 02000000, NETLINK_ROUTE = 0 };
enum { LINUX_AF_INET = 2, LINUX_AF_INET6 = 10 };
enum { LINUX_EPERM = 1, LINUX_ENOENT = 2, LINUX_EINTR = 4, LINUX_ENOMEM = 12, LINUX_EEXIST = 17,
       LINUX_ENODEV = 19, LINUX_EINVAL = 22, LINUX_ENOBUFS = 105 };
enum { RTMGRP_LINK = 1, RTMGRP_IPV4_IFADDR = 0x10, RTMGRP_IPV6_IFADDR = 0x100 };
enum { NLMSG_ERROR = 2, NLMSG_DONE = 3, RTM_NEWADDR = 20, RTM_DELADDR = 21,
       RTM_NEWNEIGH = 28, RTM_DELNEIGH = 29, RTM_GETNEIGH = 30 };
enum { NLM_F_REQUEST = 1, NLM_F_ACK = 4, NLM_F_REPLACE = 0x100, NLM_F_EXCL = 0x200,
       NLM_F_DUMP = 0x300, NLM_F_CREATE = 0x400 };
enum { NDA_DST = 1, NDA_LLADDR = 2, NTF_USE = 1 };
enum { NUD_INCOMPLETE = 1, NUD_REACHABLE = 2, NUD_STALE = 4, NUD_DELAY = 8, NUD_PROBE = 0x10,
       NUD_FAILED = 0x20, NUD_NOARP = 0x40, NUD_PERMANENT = 0x80 };

struct nlmsghdr { uint32_t length; uint16_t type, flags; uint32_t sequence, port; };
struct ndmsg { uint8_t family, pad1; uint16_t pad2; int32_t index; uint16_t state; uint8_t flags, type; };
struct ifaddrmsg { uint8_t family, prefixlen, flags, scope; uint32_t index; };
struct rtattr { uint16_t length, type; };

/* One entry of the table. */
struct neighbor
{
    uint8_t family; /* Linux's number */
    uint8_t address[16];
    int32_t index;
    uint16_t state; /* NUD_… */
    uint8_t lladdr[32];
    uint8_t lladdr_size;
};

static int64_t linux_call(int64_t number, int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t result;
    register int64_t r10 __asm__("r10") = d;
    register int64_t r8 __asm__("r8") = 0;
    register int64_t r9 __asm__("r9") = 0;
    do
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
    while (result == -LINUX_EINTR);
    return result;
}

static size_t address_size(uint8_t family) { return family == LINUX_AF_INET ? 4 : 16; }

/* A socket, or minus an error number of Linux. */
static int netlink_open(void)
{
    return (int)linux_call(SYS_socket, AF_NETLINK, SOCK_RAW_CLOEXEC, NETLINK_ROUTE, 0);
}

/* A socket that hears of changes, by RTMGRP_..., or minus an error number of Linux. */
static int netlink_open_groups(uint32_t groups)
{
    struct { uint16_t family, pad; uint32_t port, groups; } address = { AF_NETLINK, 0, 0, groups };
    int fd = netlink_open();
    int64_t result;

    if (fd < 0) return fd;
    if (!(result = linux_call(SYS_bind, fd, (int64_t)&address, sizeof(address), 0))) return fd;
    linux_call(SYS_close, fd, 0, 0, 0);
    return (int)result;
}

static void netlink_close(int fd) { linux_call(SYS_close, fd, 0, 0, 0); }

static uint8_t *add_attribute(uint8_t *at, uint16_t type, const void *bytes, size_t size)
{
    struct rtattr header = { (uint16_t)(sizeof(header) + size), type };
    memcpy(at, &header, sizeof(header));
    memcpy(at + sizeof(header), bytes, size);
    return at + ((sizeof(header) + size + 3) & ~(size_t)3);
}

/* Asks for one change; 0, or an error number of Linux. */
static int netlink_change(int fd, uint16_t type, uint16_t flags, const struct neighbor *n,
                          uint8_t entry_flags)
{
    uint8_t message[128] = { 0 }, answer[1024];
    struct nlmsghdr *header = (struct nlmsghdr *)message;
    struct ndmsg *entry = (struct ndmsg *)(header + 1);
    uint8_t *end = add_attribute((uint8_t *)(entry + 1), NDA_DST, n->address, address_size(n->family));
    int64_t size;

    if (n->lladdr_size) end = add_attribute(end, NDA_LLADDR, n->lladdr, n->lladdr_size);
    *header = (struct nlmsghdr){ (uint32_t)(end - message), type, NLM_F_REQUEST | NLM_F_ACK | flags };
    entry->family = n->family;
    entry->index = n->index;
    entry->state = n->state;
    entry->flags = entry_flags;
    if ((size = linux_call(SYS_sendto, fd, (int64_t)message, header->length, 0)) < 0) return (int)-size;
    if ((size = linux_call(SYS_recvfrom, fd, (int64_t)answer, sizeof(answer), 0)) < 0) return (int)-size;
    if (((struct nlmsghdr *)answer)->type != NLMSG_ERROR) return LINUX_EINVAL;
    return -*(int32_t *)(answer + sizeof(*header));
}

static void read_neighbor(const struct nlmsghdr *header, struct neighbor *n)
{
    const struct ndmsg *entry = (const struct ndmsg *)(header + 1);
    const uint8_t *at = (const uint8_t *)(entry + 1), *end = (const uint8_t *)header + header->length;
    memset(n, 0, sizeof(*n));
    n->family = entry->family;
    n->index = entry->index;
    n->state = entry->state;
    while (at + sizeof(struct rtattr) <= end)
    {
        const struct rtattr *attribute = (const struct rtattr *)at;
        size_t size = attribute->length - sizeof(*attribute);
        if (attribute->length < sizeof(*attribute)) break;
        if (attribute->type == NDA_DST && size <= sizeof(n->address))
            memcpy(n->address, attribute + 1, size);
        if (attribute->type == NDA_LLADDR && size <= sizeof(n->lladdr))
        {
            memcpy(n->lladdr, attribute + 1, size);
            n->lladdr_size = (uint8_t)size;
        }
        at += (attribute->length + 3) & ~3;
    }
}

/*
 * The table's entries of a family (0: both), but for those that need no resolution, such as
 * multicast. Returns 0 or an error number of Linux; free *list by HeapFree in any case.
 */
static int netlink_list(int fd, uint8_t family, struct neighbor **list, size_t *count)
{
    struct { struct nlmsghdr header; struct ndmsg entry; } request = {
        { sizeof(request), RTM_GETNEIGH, NLM_F_REQUEST | NLM_F_DUMP }, { family } };
    enum { BUFFER = 32768 };
    HANDLE heap = GetProcessHeap();
    uint8_t *buffer = HeapAlloc(heap, 0, BUFFER);
    size_t room = 256;
    int64_t size;
    int error = 0, done = 0;

    *count = 0;
    *list = HeapAlloc(heap, 0, room * sizeof(**list));
    if (!buffer || !*list) error = LINUX_ENOMEM;
    else if ((size = linux_call(SYS_sendto, fd, (int64_t)&request, sizeof(request), 0)) < 0)
        error = (int)-size;
    while (!error && !done)
    {
        if ((size = linux_call(SYS_recvfrom, fd, (int64_t)buffer, BUFFER, 0)) < 0) error = (int)-size;
        for (uint8_t *at = buffer; !error && !done && at < buffer + size;)
        {
            struct nlmsghdr *header = (struct nlmsghdr *)at;
            if (header->type == NLMSG_ERROR) error = -*(int32_t *)(header + 1);
            done = header->type == NLMSG_DONE;
            if (header->type == RTM_NEWNEIGH)
            {
                if (*count == room)
                {
                    void *more = HeapReAlloc(heap, 0, *list, (room *= 2) * sizeof(**list));
                    if (!more) { error = LINUX_ENOMEM; break; }
                    *list = more;
                }
                read_neighbor(header, &(*list)[*count]);
                if (!((*list)[*count].state & NUD_NOARP)) ++*count;
            }
            at += (header->length + 3) & ~3u;
        }
    }
    if (buffer) HeapFree(heap, 0, buffer);
    return error;
}
