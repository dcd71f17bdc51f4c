/* Double of wevtutil.exe: Wine has no event log that could be read. Prints the file that
 * ARPFLUSH_EVENTS names, else an empty list. */
#include "double.h"
#include <fcntl.h>
#include <io.h>

int wmain(int argc, wchar_t **argv)
{
    char path[1024], buffer[4096];
    FILE *file = NULL;
    size_t length;
    begin("wevtutil", argc, argv);
    if (GetEnvironmentVariableA("ARPFLUSH_EVENTS", path, sizeof path)) file = fopen(path, "rb");
    if (!file) {
        printf("<Events></Events>\n");
        return 0;
    }
    _setmode(_fileno(stdout), _O_BINARY);
    while ((length = fread(buffer, 1, sizeof buffer, file)) > 0) fwrite(buffer, 1, length, stdout);
    fclose(file);
    return 0;
}
