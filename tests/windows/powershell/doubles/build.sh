#!/bin/sh
# Inside a Wine session: builds the doubles into a folder. They have no console: for each program that
# has one Wine starts another program, which takes a third of all the time that runs of them take.
#
#   build.sh FOLDER
set -eu
folder=$1
here=/checkout/tests/windows/powershell/doubles
mkdir "$folder"
for name in sc netsh icacls wevtutil; do
  x86_64-w64-mingw32-gcc -O1 -Wall -Wextra -Wno-unused-function -D_WIN32_WINNT=0x0601 -municode \
    -mwindows -o "$folder/$name.exe" "$here/$name.c" -ladvapi32 -lshell32
done
