/* Double of icacls.exe: Wine's own accepts everything and does nothing, and Wine keeps access rights
 * as a Unix mode. So when inheritance is cut, the path loses every right of group and others, by chmod. */
#include "double.h"

/* The API of Wine that gives a Unix path for a Windows one. */
typedef char *(CDECL *get_unix_name)(const wchar_t *);

/* Runs chmod on a Unix path. A Unix program has no handle to wait for: a file says that it has ended. */
static int take_rights(const char *unix_path)
{
    wchar_t command[4096], done[64], wide[2048];
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    MultiByteToWideChar(CP_UTF8, 0, unix_path, -1, wide, 2048);
    swprintf(done, 64, L"Z:\\tmp\\icacls-%lu", GetCurrentProcessId());
    swprintf(command, 4096,
             L"Z:\\bin\\sh -c \"chmod go-rwx \\\"$0\\\" && : >/tmp/icacls-$1\" \"%ls\" %lu", wide,
             GetCurrentProcessId());
    if (!CreateProcessW(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process)) return 5;
    for (int tries = 0; tries < 10000; tries++) {
        if (DeleteFileW(done)) return 0;
        Sleep(1);
    }
    return 5;
}

int wmain(int argc, wchar_t **argv)
{
    get_unix_name to_unix;
    begin("icacls", argc, argv);
    if (argc < 3 || GetFileAttributesW(argv[1]) == INVALID_FILE_ATTRIBUTES) return 2;
    for (int i = 2; i < argc; i++) {
        if (wcscmp(argv[i], L"/inheritance:r")) continue;
        to_unix = (get_unix_name)(void *)GetProcAddress(GetModuleHandleW(L"kernel32"),
                                                         "wine_get_unix_file_name");
        return to_unix ? take_rights(to_unix(argv[1])) : 5;
    }
    return 0;
}
