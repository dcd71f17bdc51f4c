/* Double of sc.exe: Wine's own lacks failureflag, sidtype, privs, control, and lists behind depend=. This one
 * asks Wine's real service control manager for what that can do, and writes what it doesn't keep into the
 * registry, where Windows' manager keeps it. Exit codes are Windows' errors, as sc.exe's are.
 *
 * Notes each call: ARPFLUSH_DOUBLES names a file that gets a line a call, the arguments as Windows' own
 * CommandLineToArgvW reads them, with a tab between.
 */
#ifndef UNICODE
#define UNICODE
#endif
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>
#include <stdlib.h>
#include <wchar.h>

static SC_HANDLE manager;

static void note(int argc, wchar_t **argv)
{
    char path[1024], text[8192];
    DWORD written;
    HANDLE file;
    if (!GetEnvironmentVariableA("ARPFLUSH_DOUBLES", path, sizeof path)) return;
    file = CreateFileA(path, FILE_APPEND_DATA, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_ALWAYS, 0, NULL);
    for (int i = 1; i < argc; i++) {
        int length = WideCharToMultiByte(CP_UTF8, 0, argv[i], -1, text, sizeof text - 1, NULL, NULL) - 1;
        text[length] = i + 1 < argc ? '\t' : '\n';
        WriteFile(file, text, length + 1, &written, NULL);
    }
    CloseHandle(file);
}

static DWORD set_value(const wchar_t *service, const wchar_t *name, DWORD type, const void *data, DWORD size)
{
    wchar_t path[512];
    swprintf(path, 512, L"SYSTEM\\CurrentControlSet\\Services\\%ls", service);
    return RegSetKeyValueW(HKEY_LOCAL_MACHINE, path, name, type, data, size);
}

static DWORD set_number(const wchar_t *service, const wchar_t *name, DWORD number)
{
    return set_value(service, name, REG_DWORD, &number, sizeof number);
}

/* "a/b" as a REG_MULTI_SZ. */
static DWORD set_list(const wchar_t *service, const wchar_t *name, const wchar_t *text)
{
    wchar_t list[1024] = L"";
    size_t length = wcslen(text);
    wcscpy(list, text);
    for (size_t i = 0; i < length; i++)
        if (list[i] == L'/') list[i] = 0;
    list[length + 1] = 0;
    return set_value(service, name, REG_MULTI_SZ, list, (length + 2) * sizeof *list);
}

/* SERVICE_FAILURE_ACTIONS as Windows stores it: reset period, two pointers, count, a pointer to the pairs. */
static DWORD set_failure(const wchar_t *service, const wchar_t *reset, const wchar_t *actions)
{
    DWORD stored[5 + 2 * 8] = {wcstoul(reset, NULL, 10), 0, 0, 0, 20}, count = 0;
    const wchar_t *rest = actions;
    wchar_t *end;
    while (*rest && count < 8) {
        if (wcsncmp(rest, L"restart/", 8)) return 1639;
        stored[5 + 2 * count] = 1;
        stored[6 + 2 * count++] = wcstoul(rest + 8, &end, 10);
        rest = *end == L'/' ? end + 1 : end;
    }
    stored[3] = count;
    return set_value(service, L"FailureActions", REG_BINARY, stored, 20 + 8 * count);
}

/* Makes a service of the options "name=" value behind its name. */
static DWORD create(int argc, wchar_t **argv)
{
    const wchar_t *binary = NULL, *depend = L"";
    DWORD start = SERVICE_DEMAND_START;
    SERVICE_DELAYED_AUTO_START_INFO delayed = {FALSE};
    SC_HANDLE service;
    for (int i = 3; i < argc; i += 2) {
        if (i + 1 == argc) return 1639;
        if (!wcscmp(argv[i], L"binPath=")) binary = argv[i + 1];
        else if (!wcscmp(argv[i], L"depend=")) depend = argv[i + 1];
        else if (wcscmp(argv[i], L"start=") || wcscmp(argv[i + 1], L"delayed-auto")) return 1639;
        else start = SERVICE_AUTO_START, delayed.fDelayedAutostart = TRUE;
    }
    service = CreateServiceW(manager, argv[2], argv[2], SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS, start,
                             SERVICE_ERROR_NORMAL, binary, NULL, NULL, NULL, NULL, NULL);
    if (!service || !ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed))
        return GetLastError();
    CloseServiceHandle(service);
    return set_list(argv[2], L"DependOnService", depend);
}

static DWORD perform(int argc, wchar_t **argv)
{
    const wchar_t *verb = argv[1], *name = argv[2];
    SERVICE_DESCRIPTIONW text = {argv[3]};
    SERVICE_DELAYED_AUTO_START_INFO delayed = {TRUE};
    SERVICE_STATUS status;
    SC_HANDLE service = OpenServiceW(manager, name, SERVICE_ALL_ACCESS);
    if (!wcscmp(verb, L"create")) return create(argc, argv);
    if (!service) return GetLastError();
    if (argc == 3 && !wcscmp(verb, L"query")) return 0;
    if (argc == 3 && !wcscmp(verb, L"delete")) return DeleteService(service) ? 0 : GetLastError();
    if (argc == 5 && !wcscmp(verb, L"config") && !wcscmp(argv[3], L"start=") && !wcscmp(argv[4], L"delayed-auto"))
        return ChangeServiceConfig2W(service, SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed) ? 0 : GetLastError();
    if (argc == 7 && !wcscmp(verb, L"failure") && !wcscmp(argv[3], L"reset=") && !wcscmp(argv[5], L"actions="))
        return set_failure(name, argv[4], argv[6]);
    if (argc != 4) return 1639;
    if (!wcscmp(verb, L"control") && !wcscmp(argv[3], L"paramchange"))
        return ControlService(service, SERVICE_CONTROL_PARAMCHANGE, &status) ? 0 : GetLastError();
    if (!wcscmp(verb, L"description"))
        return ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &text) ? 0 : GetLastError();
    if (!wcscmp(verb, L"failureflag"))
        return set_number(name, L"FailureActionsOnNonCrashFailures", wcstoul(argv[3], NULL, 10));
    if (!wcscmp(verb, L"sidtype") && !wcscmp(argv[3], L"unrestricted")) return set_number(name, L"ServiceSidType", 1);
    if (!wcscmp(verb, L"privs")) return set_list(name, L"RequiredPrivileges", argv[3]);
    return 1639;
}

int wmain(void)
{
    int argc;
    wchar_t **argv = CommandLineToArgvW(GetCommandLineW(), &argc);
    note(argc, argv);
    manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    return argc < 3 ? 1639 : (int)perform(argc, argv);
}
