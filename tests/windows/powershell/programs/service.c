/* Stand-in for arpflush-service.exe where a test is about install.ps1 and needs it a hundred times:
 * a real service that binds the port of the registry and answers each datagram with its own bytes.
 * It has --version and --check. BROKEN: it ends at once, whatever it is asked; BROKEN_START: when the
 * service control manager starts it. */
#ifndef UNICODE
#define UNICODE
#endif
#include <winsock2.h>
#include <windows.h>
#include <stdio.h>

static SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, SERVICE_START_PENDING,
                                SERVICE_ACCEPT_STOP, 0, 0, 0, 0};
static SERVICE_STATUS_HANDLE handle;
static SOCKET server;

static DWORD setting(const wchar_t *name, DWORD fallback)
{
    DWORD value, size = sizeof value;
    return RegGetValueW(HKEY_LOCAL_MACHINE, L"SOFTWARE\\NPSL\\ArpFlush", name, RRF_RT_REG_DWORD, NULL,
                        &value, &size)
               ? fallback
               : value;
}

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type, (void)data, (void)context;
    if (control == SERVICE_CONTROL_STOP) {
        status.dwCurrentState = SERVICE_STOP_PENDING;
        SetServiceStatus(handle, &status);
        closesocket(server);
        return 0;
    }
    return control == SERVICE_CONTROL_INTERROGATE ? 0 : ERROR_CALL_NOT_IMPLEMENTED;
}

static void WINAPI service_main(DWORD argc, wchar_t **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    WSADATA data;
    (void)argc, (void)argv;
    handle = RegisterServiceCtrlHandlerExW(L"ArpFlush", on_control, NULL);
    SetServiceStatus(handle, &status);
    WSAStartup(0x202, &data);
    server = socket(AF_INET, SOCK_DGRAM, 0);
    address.sin_port = htons(setting(L"Port", 27735));
    if (bind(server, (struct sockaddr *)&address, sizeof address)) {
        status.dwWin32ExitCode = ERROR_SERVICE_SPECIFIC_ERROR;
        status.dwServiceSpecificExitCode = 44;
    } else {
        char bytes[1500];
        int from_length, length;
        struct sockaddr_in from;
        status.dwCurrentState = SERVICE_RUNNING;
        SetServiceStatus(handle, &status);
        for (;;) {
            from_length = sizeof from;
            length = recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &from_length);
            if (length >= 0)
                sendto(server, bytes, length, 0, (struct sockaddr *)&from, from_length);
            else if (status.dwCurrentState == SERVICE_STOP_PENDING) break;
        }
    }
    status.dwCurrentState = SERVICE_STOPPED;
    SetServiceStatus(handle, &status);
}

int wmain(int argc, wchar_t **argv)
{
    SERVICE_TABLE_ENTRYW table[] = {{L"ArpFlush", service_main}, {NULL, NULL}};
#ifdef BROKEN
    return argc ? 1 : (int)(INT_PTR)argv[0];
#endif
    if (argc > 1 && !wcscmp(argv[1], L"--version")) {
        printf("arpflush-service %s\n", VERSION);
        return 0;
    }
    if (argc > 1 && !wcscmp(argv[1], L"--check")) {
        DWORD hold = setting(L"HoldDownSeconds", 10);
        if (hold >= 1 && hold <= 300) return 0;
        fprintf(stderr, "HoldDownSeconds: %lu is not a whole number from 1 to 300\n", hold);
        return 2;
    }
#ifdef BROKEN_START
    return 1;
#endif
    return StartServiceCtrlDispatcherW(table) ? 0 : (int)GetLastError();
}
