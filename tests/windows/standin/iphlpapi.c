/*
 * A STAND-IN, for tests under Wine only. Wine's iphlpapi.dll lacks the calls that change the
 * neighbor cache. This DLL forwards everything else to Wine's own (iphlporig.dll, see build.sh) and
 * has these calls of its own, which work on the Linux kernel's real table through neighbors.sh.
 * Wine can't wait for a Unix program: the script answers in a file, renamed into place when whole.
 */
#include <winsock2.h>
#include <ws2ipdef.h>
#include <windows.h>
#include <iphlpapi.h>
#include <netioapi.h>
#include <stdio.h>
#include <string.h>

#define SCRIPT "/checkout/tests/windows/standin/neighbors.sh"
#define ANSWER_TIMEOUT_MS 5000
#define ROWS_MOST 70000

__declspec(dllimport) NETIO_STATUS WINAPI OrigGetIpNetTable2(ADDRESS_FAMILY, PMIB_IPNET_TABLE2 *);
__declspec(dllimport) void WINAPI OrigFreeMibTable(void *);

static volatile LONG answers;

/* Runs the script; its answer's first line is a Win32 error number, then come rows. */
static DWORD run(const char *arguments, FILE **answer, char *path, size_t path_size)
{
    STARTUPINFOA startup = { .cb = sizeof(startup) };
    PROCESS_INFORMATION process = { 0 };
    char command[512];
    unsigned code;

    snprintf(path, path_size, "Z:\\tmp\\neighbors.%lu.%ld", GetCurrentProcessId(),
             InterlockedIncrement(&answers));
    snprintf(command, sizeof(command), "sh %s /tmp/%s %s", SCRIPT, strrchr(path, '\\') + 1,
             arguments);
    if (!CreateProcessA("Z:\\bin\\sh", command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process))
        return GetLastError();
    for (DWORD waited = 0; waited < ANSWER_TIMEOUT_MS; waited++)
    {
        if ((*answer = fopen(path, "r")))
            return fscanf(*answer, "%u", &code) == 1 ? code : ERROR_GEN_FAILURE;
        Sleep(1);
    }
    return ERROR_TIMEOUT;
}

/* Runs the script where only the number counts. */
static DWORD run_only(const char *arguments)
{
    FILE *answer = NULL;
    char path[64];
    DWORD code = run(arguments, &answer, path, sizeof(path));
    if (answer)
    {
        fclose(answer);
        DeleteFileA(path);
    }
    return code;
}

static void address_text(const SOCKADDR_INET *address, char *text)
{
    const UCHAR *b;
    if (address->si_family == AF_INET)
    {
        b = (const UCHAR *)&address->Ipv4.sin_addr;
        sprintf(text, "%u.%u.%u.%u", b[0], b[1], b[2], b[3]);
        return;
    }
    b = (const UCHAR *)&address->Ipv6.sin6_addr;
    for (int i = 0; i < 16; i += 2, text += 5)
        sprintf(text, i < 14 ? "%02x%02x:" : "%02x%02x", b[i], b[i + 1]);
}

/* A row's words for the script: ADDRESS INTERFACE-INDEX LINK-LAYER-ADDRESS */
static void row_arguments(char *text, const char *action, const MIB_IPNET_ROW2 *row)
{
    char address[64];
    const UCHAR *p = row->PhysicalAddress;
    address_text(&row->Address, address);
    sprintf(text, "%s %s %lu %02x:%02x:%02x:%02x:%02x:%02x", action, address, row->InterfaceIndex,
            p[0], p[1], p[2], p[3], p[4], p[5]);
}

/* The kernel's IPv6 rows, which Wine's own call doesn't know: 32 hex digits, index, address, state. */
static NETIO_STATUS ipv6_rows(MIB_IPNET_ROW2 *rows, ULONG most, ULONG *count)
{
    FILE *answer = NULL;
    char path[64], digits[33];
    unsigned index, state, p[6];
    DWORD code = run("table6", &answer, path, sizeof(path));
    *count = 0;
    while (code == NO_ERROR && *count < most &&
           fscanf(answer, "%32s %u %x:%x:%x:%x:%x:%x %u", digits, &index, &p[0], &p[1], &p[2], &p[3],
                  &p[4], &p[5], &state) == 9)
    {
        MIB_IPNET_ROW2 *row = &rows[(*count)++];
        UCHAR *bytes = (UCHAR *)&row->Address.Ipv6.sin6_addr;
        unsigned byte;
        memset(row, 0, sizeof(*row));
        row->Address.si_family = AF_INET6;
        for (int i = 0; i < 16; i++)
        {
            sscanf(digits + 2 * i, "%2x", &byte);
            bytes[i] = byte;
        }
        row->InterfaceIndex = index;
        row->State = state;
        for (int i = 0; i < 6; i++) row->PhysicalAddress[i] = p[i];
        row->PhysicalAddressLength = 6;
    }
    if (answer)
    {
        fclose(answer);
        DeleteFileA(path);
    }
    return code;
}

/* Our own tables that are not yet freed; Wine's own call frees its own. */
static PMIB_IPNET_TABLE2 tables[64];
static CRITICAL_SECTION tables_lock;

BOOL WINAPI DllMain(HINSTANCE instance, DWORD reason, void *reserved)
{
    if (reason == DLL_PROCESS_ATTACH) InitializeCriticalSection(&tables_lock);
    return TRUE;
}

static BOOL remember(PMIB_IPNET_TABLE2 from, PMIB_IPNET_TABLE2 to)
{
    BOOL found = FALSE;
    EnterCriticalSection(&tables_lock);
    for (int i = 0; i < 64 && !found; i++)
        if (tables[i] == from)
        {
            tables[i] = to;
            found = TRUE;
        }
    LeaveCriticalSection(&tables_lock);
    return found;
}

void WINAPI FreeMibTable(void *memory)
{
    if (memory && remember(memory, NULL))
        HeapFree(GetProcessHeap(), 0, memory);
    else
        OrigFreeMibTable(memory);
}

NETIO_STATUS WINAPI GetIpNetTable2(ADDRESS_FAMILY family, PMIB_IPNET_TABLE2 *table)
{
    PMIB_IPNET_TABLE2 ipv4 = NULL, both;
    ULONG ipv4_count = 0, ipv6_count = 0;
    NETIO_STATUS code;

    if (family == AF_INET) return OrigGetIpNetTable2(family, table);
    if (family != AF_UNSPEC && family != AF_INET6) return ERROR_INVALID_PARAMETER;
    if (family == AF_UNSPEC)
    {
        if ((code = OrigGetIpNetTable2(AF_INET, &ipv4)) && code != ERROR_NOT_FOUND) return code;
        ipv4_count = ipv4 ? ipv4->NumEntries : 0;
    }
    both = HeapAlloc(GetProcessHeap(), 0, FIELD_OFFSET(MIB_IPNET_TABLE2, Table[ROWS_MOST]));
    if (!both) return ERROR_NOT_ENOUGH_MEMORY;
    if (ipv4_count) memcpy(both->Table, ipv4->Table, ipv4_count * sizeof(MIB_IPNET_ROW2));
    if (ipv4) OrigFreeMibTable(ipv4);
    code = ipv6_rows(both->Table + ipv4_count, ROWS_MOST - ipv4_count, &ipv6_count);
    both->NumEntries = ipv4_count + ipv6_count;
    if (!code && !remember(NULL, both)) code = ERROR_NOT_ENOUGH_MEMORY;
    if (code)
    {
        HeapFree(GetProcessHeap(), 0, both);
        return code;
    }
    *table = both;
    return NO_ERROR;
}

NETIO_STATUS WINAPI FlushIpNetTable2(ADDRESS_FAMILY family, NET_IFINDEX index)
{
    char arguments[64];
    if (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)
        return ERROR_INVALID_PARAMETER;
    sprintf(arguments, "flush %u %lu", family, index);
    return run_only(arguments);
}

NETIO_STATUS WINAPI CreateIpNetEntry2(const MIB_IPNET_ROW2 *row)
{
    char arguments[192];
    row_arguments(arguments, "create", row);
    return run_only(arguments);
}

NETIO_STATUS WINAPI DeleteIpNetEntry2(const MIB_IPNET_ROW2 *row)
{
    char arguments[192];
    row_arguments(arguments, "delete", row);
    return run_only(arguments);
}

NETIO_STATUS WINAPI ResolveIpNetEntry2(MIB_IPNET_ROW2 *row, const SOCKADDR_INET *source)
{
    PMIB_IPNET_TABLE2 table;
    char arguments[192];
    SIZE_T size = row->Address.si_family == AF_INET ? 8 : 24; /* family, port, (flow), address */
    NETIO_STATUS code;

    row_arguments(arguments, "resolve", row);
    if ((code = run_only(arguments))) return code;
    if ((code = GetIpNetTable2(row->Address.si_family, &table))) return code;
    code = ERROR_BAD_NET_NAME;
    for (ULONG i = 0; i < table->NumEntries; i++)
        if (table->Table[i].InterfaceIndex == row->InterfaceIndex &&
            table->Table[i].PhysicalAddressLength == 6 &&
            !memcmp(&table->Table[i].Address, &row->Address, size))
        {
            *row = table->Table[i];
            code = NO_ERROR;
        }
    FreeMibTable(table);
    return code;
}
