#!/bin/sh
# Inside a Wine session: builds the double of sc.exe, and stand-ins for the service's program in the versions
# that the tests need, into a folder. sc.exe has no console: for each program that has one Wine starts another.
#
#   build.sh FOLDER
set -eu
folder=$1
here=/checkout/tests/windows/powershell/doubles
compile="x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -D_WIN32_WINNT=0x0601 -municode"
mkdir "$folder"
$compile -mwindows -o "$folder/sc.exe" "$here/sc.c" -ladvapi32 -lshell32
service() { $compile "$@" "$here/service.c" -lws2_32 -ladvapi32; }
service -DVERSION='"0.1.0"' -o "$folder/first.exe"
service -DVERSION='"0.2.0"' -o "$folder/second.exe"
service -DVERSION='"0.3.0"' -DBROKEN -o "$folder/broken.exe"
