/*
 * A stand-in for the event log functions of advapi32.dll, which Wine 10 has as stubs: what ReportEventW
 * is given is kept in one file, as the EVENTLOGRECORDs that ReadEventLogW gives back, by any process.
 * One log for all names. As a log that is not overwritten (Retention 0xffffffff) it refuses what doesn't
 * fit MaxSize. Wine's own ReportEventW is called too, for its debug channel. All else is Wine's own:
 * build.sh forwards it.
 */
#include <windows.h>
#include <string.h>

#ifndef ELF_LOGFILE_SIGNATURE
#define ELF_LOGFILE_SIGNATURE 0x654c664c
#endif

static const WCHAR log_path[] = L"C:\\windows\\temp\\application.log";
static const WCHAR log_key[] = L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application";

HANDLE WINAPI OrigRegisterEventSourceW(LPCWSTR, LPCWSTR);
BOOL WINAPI OrigDeregisterEventSource(HANDLE);
BOOL WINAPI OrigReportEventW(HANDLE, WORD, WORD, DWORD, PSID, WORD, DWORD, LPCWSTR *, LPVOID);
LSTATUS WINAPI OrigRegGetValueW(HKEY, LPCWSTR, LPCWSTR, DWORD, LPDWORD, PVOID, LPDWORD);

struct source {
    HANDLE wines;
    WCHAR name[1];
};

/* An open log, read from its end to its beginning. */
struct reader {
    HANDLE file;
    DWORD before;
};

static BOOL fail(DWORD error)
{
    SetLastError(error);
    return FALSE;
}

static void *allocate(SIZE_T size)
{
    return HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, size);
}

static void release(void *memory)
{
    HeapFree(GetProcessHeap(), 0, memory);
}

static DWORD bytes_of(const WCHAR *text)
{
    return (lstrlenW(text) + 1) * sizeof(WCHAR);
}

static HANDLE open_file(void)
{
    return CreateFileW(log_path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                       OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, NULL);
}

static BOOL read_at(HANDLE file, DWORD at, void *into, DWORD size)
{
    DWORD done;
    SetFilePointer(file, at, NULL, FILE_BEGIN);
    return ReadFile(file, into, size, &done, NULL) && done == size;
}

/* The number of the last record, 0 in an empty log. */
static DWORD last_number(HANDLE file, DWORD end)
{
    DWORD length;
    EVENTLOGRECORD record;
    if (end == 0 || !read_at(file, end - sizeof(length), &length, sizeof(length))) return 0;
    return read_at(file, end - length, &record, sizeof(record)) ? record.RecordNumber : 0;
}

HANDLE WINAPI RegisterEventSourceW(LPCWSTR server, LPCWSTR name)
{
    struct source *source = allocate(sizeof(*source) + bytes_of(name));
    source->wines = OrigRegisterEventSourceW(server, name);
    lstrcpyW(source->name, name);
    return source;
}

BOOL WINAPI DeregisterEventSource(HANDLE handle)
{
    struct source *source = handle;
    OrigDeregisterEventSource(source->wines);
    release(source);
    return TRUE;
}

/* One record, its length in front and at its end. */
static EVENTLOGRECORD *make_record(const struct source *source, WORD type, WORD category, DWORD id,
                                   WORD count, LPCWSTR *strings, DWORD data_size, const void *data)
{
    WCHAR computer[MAX_COMPUTERNAME_LENGTH + 1];
    DWORD characters = MAX_COMPUTERNAME_LENGTH + 1, size, at;
    FILETIME now;
    ULARGE_INTEGER ticks;
    EVENTLOGRECORD *record;
    WORD i;

    if (!GetComputerNameW(computer, &characters)) computer[0] = 0;
    size = sizeof(*record) + bytes_of(source->name) + bytes_of(computer) + data_size + 2 * sizeof(DWORD);
    for (i = 0; i < count; i++) size += bytes_of(strings[i]);
    size = (size + 3) & ~3u;
    record = allocate(size);

    GetSystemTimeAsFileTime(&now);
    ticks.LowPart = now.dwLowDateTime;
    ticks.HighPart = now.dwHighDateTime;
    record->Length = size;
    record->Reserved = ELF_LOGFILE_SIGNATURE;
    record->TimeGenerated = record->TimeWritten = (DWORD)(ticks.QuadPart / 10000000 - 11644473600ull);
    record->EventID = id;
    record->EventType = type;
    record->EventCategory = category;
    record->NumStrings = count;

    at = sizeof(*record);
    memcpy((char *)record + at, source->name, bytes_of(source->name));
    at += bytes_of(source->name);
    memcpy((char *)record + at, computer, bytes_of(computer));
    at += bytes_of(computer);
    record->UserSidOffset = record->StringOffset = at;
    for (i = 0; i < count; i++) {
        memcpy((char *)record + at, strings[i], bytes_of(strings[i]));
        at += bytes_of(strings[i]);
    }
    record->DataOffset = at;
    record->DataLength = data_size;
    if (data_size > 0) memcpy((char *)record + at, data, data_size);
    *(DWORD *)((char *)record + size - sizeof(DWORD)) = size;
    return record;
}

BOOL WINAPI ReportEventW(HANDLE handle, WORD type, WORD category, DWORD id, PSID user, WORD count,
                         DWORD data_size, LPCWSTR *strings, LPVOID data)
{
    const struct source *source = handle;
    HANDLE file = open_file();
    OVERLAPPED whole = {0};
    DWORD end, done, error = ERROR_SUCCESS, most = MAXDWORD, most_size = sizeof(most);
    EVENTLOGRECORD *record;

    if (file == INVALID_HANDLE_VALUE) return FALSE;
    record = make_record(source, type, category, id, count, strings, data_size, data);
    OrigRegGetValueW(HKEY_LOCAL_MACHINE, log_key, L"MaxSize", RRF_RT_REG_DWORD, NULL, &most, &most_size);
    LockFileEx(file, LOCKFILE_EXCLUSIVE_LOCK, 0, MAXDWORD, 0, &whole);
    end = GetFileSize(file, NULL);
    record->RecordNumber = last_number(file, end) + 1;
    SetFilePointer(file, end, NULL, FILE_BEGIN);
    if (record->Length > most || end > most - record->Length) error = ERROR_LOG_FILE_FULL;
    else if (!WriteFile(file, record, record->Length, &done, NULL)) error = GetLastError();
    UnlockFileEx(file, 0, MAXDWORD, 0, &whole);
    CloseHandle(file);
    release(record);
    if (error != ERROR_SUCCESS) return fail(error);
    return OrigReportEventW(source->wines, type, category, id, user, count, data_size, strings, data);
}

HANDLE WINAPI OpenEventLogW(LPCWSTR server, LPCWSTR name)
{
    struct reader *reader = allocate(sizeof(*reader));
    (void)server;
    (void)name;
    reader->file = open_file();
    if (reader->file == INVALID_HANDLE_VALUE) {
        release(reader);
        return NULL;
    }
    reader->before = GetFileSize(reader->file, NULL);
    return reader;
}

BOOL WINAPI CloseEventLog(HANDLE handle)
{
    struct reader *reader = handle;
    CloseHandle(reader->file);
    release(reader);
    return TRUE;
}

BOOL WINAPI GetNumberOfEventLogRecords(HANDLE handle, PDWORD number)
{
    struct reader *reader = handle;
    *number = last_number(reader->file, GetFileSize(reader->file, NULL));
    return TRUE;
}

/* As many whole records as fit, the newest first. Only the way of reading that has a use here. */
BOOL WINAPI ReadEventLogW(HANDLE handle, DWORD flags, DWORD offset, LPVOID buffer, DWORD size,
                          DWORD *read, DWORD *needed)
{
    struct reader *reader = handle;
    DWORD length;
    (void)offset;
    *read = *needed = 0;
    if (flags != (EVENTLOG_SEQUENTIAL_READ | EVENTLOG_BACKWARDS_READ)) return fail(ERROR_INVALID_PARAMETER);
    while (reader->before > 0) {
        if (!read_at(reader->file, reader->before - sizeof(length), &length, sizeof(length)))
            return fail(ERROR_EVENTLOG_FILE_CORRUPT);
        if (length > size - *read) {
            *needed = length;
            break;
        }
        if (!read_at(reader->file, reader->before - length, (char *)buffer + *read, length))
            return fail(ERROR_EVENTLOG_FILE_CORRUPT);
        *read += length;
        reader->before -= length;
    }
    if (*read > 0) return TRUE;
    return fail(reader->before == 0 ? ERROR_HANDLE_EOF : ERROR_INSUFFICIENT_BUFFER);
}
