#!/bin/sh
# Inside a Wine session: builds the doubles and puts them in the place of Wine's own programs.
set -eu
here=/checkout/tests/windows/powershell/doubles
system32=/prefix/drive_c/windows/system32
for name in sc netsh icacls wevtutil; do
  x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Wno-unused-function -D_WIN32_WINNT=0x0601 -municode \
    -o "$system32/$name.exe" "$here/$name.c" -ladvapi32 -lshell32
done
