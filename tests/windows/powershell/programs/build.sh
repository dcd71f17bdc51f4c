#!/bin/sh
# Inside a Wine session: makes a folder to install from, with stand-ins for the programs.
#
#   build.sh FOLDER VERSION [-DBROKEN | -DBROKEN_START]
set -eu
folder=$1
version=$2
shift 2
here=/checkout/tests/windows/powershell/programs
compile="x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -D_WIN32_WINNT=0x0601 -municode"
mkdir -p "$folder"
$compile -DVERSION="\"$version\"" "$@" -o "$folder/arpflush-service.exe" "$here/service.c" \
  -lws2_32 -ladvapi32
$compile -o "$folder/arpflush.exe" "$here/sender.c" -lws2_32 -ladvapi32
cp /checkout/install.ps1 "$folder/"
cd "$folder"
sha256sum arpflush-service.exe arpflush.exe install.ps1 >SHA256SUMS
