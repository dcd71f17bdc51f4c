#!/bin/sh
# Inside a Wine session: builds the stand-in iphlpapi.dll into a folder, with Wine's own beside it as
# iphlporig.dll. Of its exports the stand-in has seven of its own, and may call two of Wine's as Orig...; every
# other one is forwarded.
#
#   build_ip_helper.sh FOLDER [EXPORT]    without that export, as an older or a broken Windows would have it
set -eu
folder=$1
lacking=${2-}
own="FlushIpNetTable FlushIpNetTable2 CreateIpNetEntry2 DeleteIpNetEntry2 GetIpNetTable2"
own="$own NotifyIpInterfaceChange NotifyUnicastIpAddressChange"
target=x86_64-w64-mingw32
cd "$(mktemp -d)"

cp /usr/lib/x86_64-linux-gnu/wine/x86_64-windows/iphlpapi.dll iphlporig.dll
{
  echo "LIBRARY iphlpapi"
  echo EXPORTS
  for export in $own; do
    if [ "$export" != "$lacking" ]; then echo "  $export"; fi
  done
  $target-objdump -p iphlporig.dll | sed -n '/\[Ordinal\/Name Pointer\] Table/,/^$/p' |
    awk -v own=" $own " '/\[ *[0-9]+\]/ {
      if (!index(own, " " $NF " ") && $NF ~ /^[A-Za-z]/) print "  " $NF " = iphlporig." $NF }'
} >iphlpapi.def
{
  echo "LIBRARY iphlporig"
  echo EXPORTS
  for export in GetIpNetTable2 ConvertInterfaceIndexToLuid; do echo "  Orig$export == $export"; done
} >iphlporig.def
$target-dlltool -d iphlporig.def -l libiphlporig.a
$target-gcc -shared -O2 -Wall -Wno-unused-parameter -D_WIN32_WINNT=0x0601 -o iphlpapi.dll \
  /checkout/tests/windows/standin/iphlpapi.c iphlpapi.def libiphlporig.a
mkdir "$folder"
cp iphlporig.dll iphlpapi.dll "$folder/"
