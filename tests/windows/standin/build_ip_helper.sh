#!/bin/sh
# Inside a Wine session: builds the stand-in iphlpapi.dll into a folder, with Wine's own beside it as
# iphlporig.dll. Every export of Wine's own that the stand-in lacks is forwarded.
#
#   build.sh FOLDER [EXPORT]    without that export, as an older or a broken Windows would have it
set -eu
folder=$1
lacking=${2-}
here=/checkout/tests/windows/standin
target=x86_64-w64-mingw32
build=$(mktemp -d)
cd "$build"

cp /usr/lib/x86_64-linux-gnu/wine/x86_64-windows/iphlpapi.dll iphlporig.dll
own="FlushIpNetTable FlushIpNetTable2 CreateIpNetEntry2 DeleteIpNetEntry2 ResolveIpNetEntry2 GetIpNetTable2 FreeMibTable"
{
  echo "LIBRARY iphlpapi"
  echo EXPORTS
  for name in $own; do
    if [ "$name" != "$lacking" ]; then echo "  $name"; fi
  done
  $target-objdump -p iphlporig.dll | sed -n '/\[Ordinal\/Name Pointer\] Table/,/^$/p' |
    awk -v own=" $own " '/\[ *[0-9]+\]/ { name = $NF; if (!index(own, " " name " ") && name ~ /^[A-Za-z]/)
      print "  " name " = iphlporig." name }'
} >iphlpapi.def
cat >iphlporig.def <<'DEF'
LIBRARY iphlporig
EXPORTS
  OrigGetIpNetTable2 == GetIpNetTable2
  OrigFreeMibTable == FreeMibTable
DEF
$target-dlltool -d iphlporig.def -l libiphlporig.a
$target-gcc -shared -O2 -Wall -Wno-unused-parameter -D_WIN32_WINNT=0x0601 -o iphlpapi.dll \
  "$here/iphlpapi.c" iphlpapi.def libiphlporig.a
mkdir "$folder"
cp iphlporig.dll iphlpapi.dll "$folder/"
