/*
 * Double of iphlpapi.dll that counts: its tables of neighbors have eight rows each, and it knows how
 * many of them have not been freed. Its other tables are what Windows returns where there is nothing.
 */
#include <windows.h>
#include <string.h>

#define ROW_SIZE 88
#define ROWS 8

static volatile LONG live;

DWORD WINAPI GetIpNetTable2(USHORT family, void **table)
{
    BYTE *bytes = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, 8 + ROWS * ROW_SIZE);
    if (!bytes) return ERROR_NOT_ENOUGH_MEMORY;
    *(ULONG *)bytes = ROWS;
    for (int i = 0; i < ROWS; i++) *(USHORT *)(bytes + 8 + i * ROW_SIZE) = 2; /* AF_INET */
    InterlockedIncrement(&live);
    *table = bytes;
    return NO_ERROR;
}

void WINAPI FreeMibTable(void *memory)
{
    if (HeapFree(GetProcessHeap(), 0, memory)) InterlockedDecrement(&live);
}

/* One socket, in a table that wants a large buffer. */
DWORD WINAPI GetExtendedUdpTable(void *table, DWORD *size, BOOL order, ULONG family, int class, ULONG reserved)
{
    if (*size < 200000) return ERROR_INSUFFICIENT_BUFFER;
    *(ULONG *)table = 1;
    return NO_ERROR;
}

LONG WINAPI LiveTables(void) { return live; }

DWORD WINAPI FlushIpNetTable(DWORD index) { return ERROR_NOT_SUPPORTED; }
DWORD WINAPI GetUnicastIpAddressTable(USHORT family, void **table) { return ERROR_NOT_SUPPORTED; }
DWORD WINAPI GetIpForwardTable2(USHORT family, void **table) { return ERROR_NOT_FOUND; }
DWORD WINAPI GetBestInterfaceEx(void *address, DWORD *index) { return ERROR_NOT_SUPPORTED; }
