/* Stand-in for arpflush.exe, see service.c: --keygen prints a key file, --probe waits a second for its
 * datagram to come back. It refuses a key file that it can't read. */
#ifndef UNICODE
#define UNICODE
#endif
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>
#include <ntsecapi.h>
#include <stdio.h>

static void keygen(void)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned char bytes[33] = {0};
    RtlGenRandom(bytes, 32);
    printf("# a key\n");
    for (int i = 0; i < 33; i += 3) {
        unsigned value = bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2];
        for (int k = 18; k >= (i == 30 ? 6 : 0); k -= 6) putchar(letters[value >> k & 63]);
    }
    printf("=\n");
}

static int probe(int argc, wchar_t **argv)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    DWORD milliseconds = 1000;
    char bytes[16] = "probe";
    WSADATA data;
    SOCKET client;
    for (int i = 1; i + 1 < argc; i++) {
        if (!wcscmp(argv[i], L"--port")) to.sin_port = htons(_wtoi(argv[i + 1]));
        if (wcscmp(argv[i], L"--key-file")) continue;
        if (GetFileAttributesW(argv[i + 1]) == INVALID_FILE_ATTRIBUTES) {
            fprintf(stderr, "Cannot read key file\n");
            return 2;
        }
    }
    WSAStartup(0x202, &data);
    client = socket(AF_INET, SOCK_DGRAM, 0);
    InetPtonW(AF_INET, argv[argc - 1], &to.sin_addr);
    setsockopt(client, SOL_SOCKET, SO_RCVTIMEO, (char *)&milliseconds, sizeof milliseconds);
    sendto(client, bytes, sizeof bytes, 0, (struct sockaddr *)&to, sizeof to);
    return recv(client, bytes, sizeof bytes, 0) == sizeof bytes ? 0 : 3;
}

int wmain(int argc, wchar_t **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!wcscmp(argv[i], L"--probe")) return probe(argc, argv);
        if (!wcscmp(argv[i], L"--keygen")) return keygen(), 0;
    }
    return 2;
}
