# The README's setup, as written, on two machines.
#
# $1: a folder with the commands of steps 2 to 6, one file each; $2: the line for notify_master.
set -eu
steps=$1
. "${0%/*}/machines.sh" "$steps/stand-ins"

for HOST in router sql01; do . "$steps/2"; done
start_system_log
PUBLIC=$(. "$steps/3")
export PUBLIC
on_other sh -eu "$steps/4"
# The service flushed when it started: only now can something be stuck.
on_other ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev eth0
. "$steps/5" || [ $? = 3 ]
. "$steps/6"

echo "--- as keepalived would"
env -i setpriv --reuid "$(id -u keepalived_script)" --regid "$(id -g keepalived_script)" \
  --clear-groups sh -c "$2 --expect 1"
on_other ip neigh show 192.0.2.1
until [ -s /run/syslog ]; do sleep 0.05; done
cat /run/syslog
ip -brief link show eth0
