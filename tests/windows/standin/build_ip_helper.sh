#!/bin/sh
# Inside a Wine session: builds the stand-in iphlpapi.dll into a folder, with Wine's own beside it as
# iphlporig.dll.
#
#   build_ip_helper.sh FOLDER [EXPORT]    without that export, as an older or a broken Windows would have it
set -eu
. /checkout/tests/windows/standin/replace_exports.sh
replace_exports iphlpapi iphlporig "FlushIpNetTable FlushIpNetTable2 CreateIpNetEntry2 \
  DeleteIpNetEntry2 ResolveIpNetEntry2 GetIpNetTable2 FreeMibTable" "${2-}" \
  "GetIpNetTable2 FreeMibTable" "$1"
