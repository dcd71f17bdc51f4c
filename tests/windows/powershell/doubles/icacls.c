/* Double of icacls.exe: Wine's own accepts everything and does nothing, and Wine keeps access rights
 * as a Unix mode. So when inheritance is cut, the path loses every right of group and others, by chmod. */
#include "double.h"

/* The API of Wine that gives a Unix path for a Windows one. */
typedef char *(CDECL *get_unix_name)(const wchar_t *);

int wmain(int argc, wchar_t **argv)
{
    get_unix_name to_unix;
    wchar_t command[4096], unix_path[2048];
    STARTUPINFOW startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    begin("icacls", argc, argv);
    if (argc < 3 || GetFileAttributesW(argv[1]) == INVALID_FILE_ATTRIBUTES) return 2;
    for (int i = 2; i < argc; i++) {
        if (wcscmp(argv[i], L"/inheritance:r")) continue;
        to_unix = (get_unix_name)(void *)GetProcAddress(GetModuleHandleW(L"kernel32"),
                                                         "wine_get_unix_file_name");
        if (!to_unix) return 5;
        MultiByteToWideChar(CP_UTF8, 0, to_unix(argv[1]), -1, unix_path, 2048);
        swprintf(command, 4096, L"Z:\\bin\\chmod go-rwx \"%ls\"", unix_path);
        if (!CreateProcessW(NULL, command, NULL, NULL, FALSE, 0, NULL, NULL, &startup, &process))
            return 5;
        WaitForSingleObject(process.hProcess, INFINITE);
        /* A Unix program has no handle to wait for: look until it is done. */
        for (int tries = 0; tries < 100; tries++) Sleep(1);
    }
    return 0;
}
