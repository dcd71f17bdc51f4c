#!/bin/sh
# Inside a Wine session: builds the stand-in advapi32.dll, which keeps events, into a folder, with
# Wine's own beside it as advaporig.dll.
#
#   build_event_log.sh FOLDER
set -eu
. /checkout/tests/windows/standin/replace_exports.sh
replace_exports advapi32 advaporig "RegisterEventSourceW DeregisterEventSource ReportEventW \
  OpenEventLogW CloseEventLog GetNumberOfEventLogRecords ReadEventLogW" "" \
  "RegisterEventSourceW DeregisterEventSource ReportEventW RegGetValueW" "$1"
