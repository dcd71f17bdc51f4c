#!/bin/sh
# Inside a Wine session: builds the stand-ins for the programs into a folder; without a console, as
# the doubles.
#
#   build.sh FOLDER VERSION [-DBROKEN | -DBROKEN_START]
set -eu
folder=$1
version=$2
shift 2
here=/checkout/tests/windows/powershell/programs
compile="x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -D_WIN32_WINNT=0x0601 -municode -mwindows"
mkdir "$folder"
$compile -DVERSION="\"$version\"" "$@" -o "$folder/arpflush-service.exe" "$here/service.c" \
  -lws2_32 -ladvapi32
$compile -o "$folder/arpflush.exe" "$here/sender.c" -lws2_32 -ladvapi32
