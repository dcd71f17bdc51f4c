/* Double of arpflush-service.exe where a test is about install.ps1 and needs it a hundred times: a real
 * service that binds the port of the registry, and does so again when its settings are reloaded. It has
 * --version, --check and --host-key. BROKEN: it ends at once when the service control manager starts it. Its
 * process stays so many ms after the service has stopped as SOFTWARE\Double says in Linger. */
#ifndef UNICODE
#define UNICODE
#endif
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>

static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_START_PENDING,
                                SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PARAMCHANGE, 0, 0, 0, 0};
static SERVICE_STATUS_HANDLE handle;
static SOCKET server = INVALID_SOCKET;
static HANDLE stopping;

static DWORD value_of(const wchar_t *key, const wchar_t *name, DWORD fallback)
{
    DWORD value, size = sizeof value;
    LSTATUS status = RegGetValueW(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_DWORD, NULL, &value, &size);
    /* Of another type: as bad as too large. */
    return status == ERROR_UNSUPPORTED_TYPE ? (DWORD)-1 : status ? fallback : value;
}

static DWORD setting(const wchar_t *name, DWORD fallback)
{
    return value_of(L"SOFTWARE\\NPSL\\ArpFlush", name, fallback);
}

static int listen_again(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    SOCKET old = server;
    server = socket(AF_INET, SOCK_DGRAM, 0);
    address.sin_port = htons(setting(L"Port", 27735));
    closesocket(old);
    return bind(server, (struct sockaddr *)&address, sizeof address);
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type, (void)data, (void)context;
    if (control == SERVICE_CONTROL_STOP) {
        status.dwCurrentState = SERVICE_STOP_PENDING;
        SetServiceStatus(handle, &status);
        SetEvent(stopping);
        return 0;
    }
    if (control == SERVICE_CONTROL_PARAMCHANGE) return listen_again() ? 1 : 0;
    return control == SERVICE_CONTROL_INTERROGATE ? 0 : ERROR_CALL_NOT_IMPLEMENTED;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    WSADATA data;
    (void)argc, (void)argv;
    stopping = CreateEventW(NULL, TRUE, FALSE, NULL);
    handle = RegisterServiceCtrlHandlerExW(L"ArpFlush", on_control, NULL);
    WSAStartup(0x202, &data);
    if (listen_again()) {
        status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
        status.dwServiceSpecificExitCode = 44;
    } else {
        status.dwCurrentState = SERVICE_RUNNING;
        SetServiceStatus(handle, &status);
        WaitForSingleObject(stopping, INFINITE);
    }
    status.dwCurrentState = SERVICE_STOPPED;
    SetServiceStatus(handle, &status);
}

int wmain(int argc, wchar_t **argv)
{
    SERVICE_TABLE_ENTRYW table[] = {{L"ArpFlush", service_main}, {NULL, NULL}};
    if (argc > 1 && !wcscmp(argv[1], L"--version")) return printf("arpflush-service %s\n", VERSION), 0;
    if (argc > 1 && !wcscmp(argv[1], L"--host-key")) return printf("arpflush-host-of-this-stand-in\n"), 0;
    if (argc > 1 && !wcscmp(argv[1], L"--check")) {
        DWORD hold = setting(L"HoldDownSeconds", 10), port = setting(L"Port", 0);
        if (hold >= 1 && hold <= 10 && port <= 65535) return 0;
        if (hold < 1 || hold > 10) fprintf(stderr, "HoldDownSeconds: %lu is not a whole number from 1 to 10\n", hold);
        if (port > 65535) fprintf(stderr, "Port: this is not a whole number from 1 to 65535\n");
        return 2;
    }
#ifdef BROKEN
    return 1;
#endif
    if (!StartServiceCtrlDispatcherW(table)) return (int)GetLastError();
    Sleep(value_of(L"SOFTWARE\\Double", L"Linger", 0));
    return 0;
}
