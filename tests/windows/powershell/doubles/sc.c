/* Double of sc.exe. Wine's own lacks failureflag, sidtype, privs and lists of options behind depend=.
 * This one asks Wine's real service control manager for what it can do; what Wine's doesn't keep is
 * put into the registry where Windows' service control manager keeps it. Exit codes are the errors,
 * as with Windows' sc.exe. */
#include "double.h"
#include <winsvc.h>

static SC_HANDLE manager;

static int complain(const wchar_t *verb, DWORD error)
{
    printf("[SC] %ls FAILED %lu:\n", verb, error);
    return error;
}

static LSTATUS set_value(const wchar_t *service, const wchar_t *name, DWORD type, const void *data,
                         DWORD size)
{
    wchar_t path[512];
    HKEY key;
    LSTATUS status;
    swprintf(path, 512, L"SYSTEM\\CurrentControlSet\\Services\\%ls", service);
    status = RegOpenKeyExW(HKEY_LOCAL_MACHINE, path, 0, KEY_SET_VALUE, &key);
    if (status) return status;
    status = RegSetValueExW(key, name, 0, type, data, size);
    RegCloseKey(key);
    return status;
}

/* "a/b" to a list as the API and the registry have it; gives its size in bytes. */
static DWORD to_list(const wchar_t *text, wchar_t *list)
{
    wchar_t *to = list;
    while (*text) {
        const wchar_t *end = wcschr(text, L'/');
        size_t length = end ? (size_t)(end - text) : wcslen(text);
        if (length) {
            wmemcpy(to, text, length);
            to += length;
            *to++ = 0;
        }
        text += length + (end ? 1 : 0);
    }
    *to++ = 0;
    return (to - list) * sizeof *list;
}

struct options {
    const wchar_t *binary, *account, *display, *depend;
    DWORD start, error;
    int delayed;
};

/* Pairs "name=" value; 0 if all are known. */
static int parse(int argc, wchar_t **argv, struct options *options)
{
    for (int i = 3; i + 1 < argc; i += 2) {
        const wchar_t *name = argv[i], *value = argv[i + 1];
        if (!wcscmp(name, L"binPath=")) options->binary = value;
        else if (!wcscmp(name, L"obj=")) options->account = value;
        else if (!wcscmp(name, L"DisplayName=")) options->display = value;
        else if (!wcscmp(name, L"depend=")) options->depend = value;
        else if (!wcscmp(name, L"type=") && !wcscmp(value, L"own")) continue;
        else if (!wcscmp(name, L"error=") && !wcscmp(value, L"normal")) continue;
        else if (!wcscmp(name, L"start=")) {
            options->delayed = !wcscmp(value, L"delayed-auto");
            if (!wcscmp(value, L"auto") || options->delayed) options->start = SERVICE_AUTO_START;
            else if (!wcscmp(value, L"demand")) options->start = SERVICE_DEMAND_START;
            else if (!wcscmp(value, L"disabled")) options->start = SERVICE_DISABLED;
            else return 1639;
        } else return 1639;
    }
    return (argc - 3) % 2 ? 1639 : 0;
}

static int create_or_config(int argc, wchar_t **argv, int create)
{
    struct options o = {NULL, NULL, NULL, NULL, SERVICE_DEMAND_START, SERVICE_ERROR_NORMAL, 0};
    wchar_t depend[1024];
    SC_HANDLE service;
    DWORD delayed, size;
    int bad = parse(argc, argv, &o);
    if (bad) return complain(L"ParseCommandLine", bad);
    size = to_list(o.depend ? o.depend : L"", depend);
    if (create) {
        service = CreateServiceW(manager, argv[2], o.display, SERVICE_ALL_ACCESS,
                                 SERVICE_WIN32_OWN_PROCESS, o.start, o.error, o.binary, NULL, NULL,
                                 depend, o.account, NULL);
        if (!service) return complain(L"CreateService", GetLastError());
    } else {
        service = OpenServiceW(manager, argv[2], SERVICE_ALL_ACCESS);
        if (!service) return complain(L"OpenService", GetLastError());
        if (!ChangeServiceConfigW(service, SERVICE_WIN32_OWN_PROCESS, o.start, o.error, o.binary, NULL,
                                  NULL, depend, o.account, NULL, o.display))
            return complain(L"ChangeServiceConfig", GetLastError());
        /* Wine's keeps the old list. */
        set_value(argv[2], L"DependOnService", REG_MULTI_SZ, depend, size);
    }
    delayed = o.delayed;
    if (delayed) set_value(argv[2], L"DelayedAutostart", REG_DWORD, &delayed, sizeof delayed);
    CloseServiceHandle(service);
    return 0;
}

static int description(wchar_t **argv)
{
    SERVICE_DESCRIPTIONW info = {argv[3]};
    SC_HANDLE service = OpenServiceW(manager, argv[2], SERVICE_CHANGE_CONFIG);
    if (!service) return complain(L"OpenService", GetLastError());
    if (!ChangeServiceConfig2W(service, SERVICE_CONFIG_DESCRIPTION, &info))
        return complain(L"ChangeServiceConfig2", GetLastError());
    CloseServiceHandle(service);
    return 0;
}

/* SERVICE_FAILURE_ACTIONS as Windows stores it: reset period, two pointers, count, a pointer to the
 * pairs behind it. */
static int failure(wchar_t **argv)
{
    DWORD stored[5 + 2 * 8] = {0, 0, 0, 0, 20}, count = 0;
    wchar_t *rest = argv[6];
    if (wcscmp(argv[3], L"reset=") || wcscmp(argv[5], L"actions=")) return 1639;
    stored[0] = wcstoul(argv[4], NULL, 10);
    while (*rest && count < 8) {
        wchar_t *end = wcschr(rest, L'/');
        if (!wcsncmp(rest, L"restart/", 8)) stored[5 + 2 * count] = 1;
        else if (!wcsncmp(rest, L"reboot/", 7)) stored[5 + 2 * count] = 2;
        else if (!wcsncmp(rest, L"run/", 4)) stored[5 + 2 * count] = 3;
        else if (*rest != L'/') return 1639;
        stored[6 + 2 * count] = wcstoul(end + 1, &rest, 10);
        count++;
        if (*rest == L'/') rest++;
    }
    stored[3] = count;
    return set_value(argv[2], L"FailureActions", REG_BINARY, stored, 20 + 8 * count);
}

static int set_flag(wchar_t **argv)
{
    DWORD flag = wcstoul(argv[3], NULL, 10);
    return set_value(argv[2], L"FailureActionsOnNonCrashFailures", REG_DWORD, &flag, sizeof flag);
}

static int sid_type(wchar_t **argv)
{
    DWORD type = !wcscmp(argv[3], L"unrestricted") ? 1 : !wcscmp(argv[3], L"restricted") ? 3 : 0;
    if (!type && wcscmp(argv[3], L"none")) return 1639;
    return set_value(argv[2], L"ServiceSidType", REG_DWORD, &type, sizeof type);
}

static int privileges(wchar_t **argv)
{
    wchar_t list[1024];
    return set_value(argv[2], L"RequiredPrivileges", REG_MULTI_SZ, list, to_list(argv[3], list));
}

static int query(wchar_t **argv)
{
    static const wchar_t *const states[] = {L"", L"STOPPED", L"START_PENDING", L"STOP_PENDING",
                                            L"RUNNING", L"CONTINUE_PENDING", L"PAUSE_PENDING",
                                            L"PAUSED"};
    SERVICE_STATUS status;
    char held[8];
    SC_HANDLE service = OpenServiceW(manager, argv[2], SERVICE_QUERY_STATUS);
    DWORD error = service ? 0 : GetLastError();
    /* ARPFLUSH_HELD stands for another program that has the service open: it never goes. */
    if (!service && GetEnvironmentVariableA("ARPFLUSH_HELD", held, sizeof held)) {
        printf("SERVICE_NAME: %ls\n        TYPE : 10\n        STATE : 1  STOPPED\n", argv[2]);
        return 0;
    }
    if (!service) return complain(L"EnumQueryServicesStatus:OpenService", error);
    if (!QueryServiceStatus(service, &status)) return complain(L"QueryServiceStatus", GetLastError());
    printf("\nSERVICE_NAME: %ls \n"
           "        TYPE               : %lx  WIN32_OWN_PROCESS  \n"
           "        STATE              : %lu  %ls \n"
           "        WIN32_EXIT_CODE    : %lu  (0x%lx)\n"
           "        SERVICE_EXIT_CODE  : %lu  (0x%lx)\n"
           "        CHECKPOINT         : 0x%lx\n"
           "        WAIT_HINT          : 0x%lx\n",
           argv[2], status.dwServiceType, status.dwCurrentState, states[status.dwCurrentState & 7],
           status.dwWin32ExitCode, status.dwWin32ExitCode, status.dwServiceSpecificExitCode,
           status.dwServiceSpecificExitCode, status.dwCheckPoint, status.dwWaitHint);
    CloseServiceHandle(service);
    return 0;
}

static int control(wchar_t **argv)
{
    SERVICE_STATUS status;
    SC_HANDLE service = OpenServiceW(manager, argv[2], SERVICE_ALL_ACCESS);
    DWORD error = 0;
    if (!service) return complain(L"OpenService", GetLastError());
    if (!wcscmp(argv[1], L"start")) {
        if (!StartServiceW(service, 0, NULL)) error = GetLastError();
    } else if (!wcscmp(argv[1], L"stop")) {
        if (!ControlService(service, SERVICE_CONTROL_STOP, &status)) error = GetLastError();
    } else if (!DeleteService(service)) error = GetLastError();
    CloseServiceHandle(service);
    return error ? complain(argv[1], error) : 0;
}

int wmain(int argc, wchar_t **argv)
{
    const wchar_t *verb = argc > 2 ? argv[1] : L"";
    begin("sc", argc, argv);
    manager = OpenSCManagerW(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    if (!manager) return complain(L"OpenSCManager", GetLastError());
    if (!wcscmp(verb, L"create")) return create_or_config(argc, argv, 1);
    if (!wcscmp(verb, L"config")) return create_or_config(argc, argv, 0);
    if (!wcscmp(verb, L"query") && argc == 3) return query(argv);
    if ((!wcscmp(verb, L"start") || !wcscmp(verb, L"stop") || !wcscmp(verb, L"delete")) && argc == 3)
        return control(argv);
    if (!wcscmp(verb, L"failure") && argc == 7) return failure(argv);
    if (argc != 4) return complain(L"ParseCommandLine", 1639);
    if (!wcscmp(verb, L"description")) return description(argv);
    if (!wcscmp(verb, L"failureflag")) return set_flag(argv);
    if (!wcscmp(verb, L"sidtype")) return sid_type(argv);
    if (!wcscmp(verb, L"privs")) return privileges(argv);
    return complain(L"ParseCommandLine", 1639);
}
