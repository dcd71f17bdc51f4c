/* What the doubles of Windows' programs have in common: they note the command line they got, byte
 * for byte, and can be told to fail.
 *
 * ARPFLUSH_DOUBLES  file that gets a line "NAME COMMAND LINE" (UTF-8) a call
 * ARPFLUSH_FAIL     "NAME WORD CODE": the first call of NAME with WORD among its arguments does nothing
 *                   and ends with exit code CODE; a file beside the other says that it was
 */
#ifndef UNICODE
#define UNICODE
#endif
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

/* Notes the call; ends the program if it is to fail. */
static void begin(const char *name, int argc, wchar_t **argv)
{
    char utf8[32768], path[1024] = "", fail[256], line[33000];
    if (GetEnvironmentVariableA("ARPFLUSH_DOUBLES", path, sizeof path)) {
        HANDLE file = CreateFileA(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
                                  OPEN_ALWAYS, 0, NULL);
        DWORD written;
        WideCharToMultiByte(CP_UTF8, 0, GetCommandLineW(), -1, utf8, sizeof utf8, NULL, NULL);
        snprintf(line, sizeof line, "%s %s\n", name, utf8);
        WriteFile(file, line, strlen(line), &written, NULL);
        CloseHandle(file);
    }
    if (GetEnvironmentVariableA("ARPFLUSH_FAIL", fail, sizeof fail)) {
        char program[64], word[64];
        wchar_t wide[64];
        int code;
        if (sscanf(fail, "%63s %63s %d", program, word, &code) != 3 || strcmp(program, name)) return;
        MultiByteToWideChar(CP_UTF8, 0, word, -1, wide, 64);
        for (int i = 1; i < argc; i++)
            if (!wcscmp(argv[i], wide)) {
                strcat(path, ".failed");
                if (CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL) ==
                    INVALID_HANDLE_VALUE)
                    return;
                printf("[%s] told to fail with %d\n", name, code);
                exit(code);
            }
    }
}

/* The value behind "key" in an argument "key=value", or NULL. */
static const wchar_t *after(const wchar_t *argument, const wchar_t *key)
{
    size_t length = wcslen(key);
    return _wcsnicmp(argument, key, length) ? NULL : argument + length;
}
