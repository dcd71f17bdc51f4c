# The README's six steps, as written, on two machines: "router" is this process with its network,
# mount and process namespaces, "sql01" are others. They have /etc, /opt and /run of their own; ssh
# and systemctl are stand-ins, because neither machine has been booted.
#
# $1: a folder with the commands of steps 2 to 6, one file each; $2: the line for notify_master.
set -eu
steps=$1

# A machine's own /run, /opt and /etc.
own_folders='
  mount -n -t tmpfs tmpfs /run
  mkdir -p /run/over /run/work
  mount -n -t overlay -o lowerdir=/etc,upperdir=/run/over,workdir=/run/work overlay /etc
  mkdir -p /etc/systemd/system
  mount -n -t tmpfs -o mode=755 tmpfs /opt'

unshare --net --uts --mount sh -euc "$own_folders
  hostname sql01
  ip link set lo up
  exec sleep 100" &
other=$!
sh -euc "$own_folders"
hostname router
ip link set lo up

on_other() { nsenter --target "$other" --net --uts --mount "$@"; }
until [ "$(on_other hostname)" = sql01 ]; do sleep 0.05; done
ip link add name e0 type veth peer name e0 netns "$other"
ip addr add 192.0.2.2/24 dev e0
ip addr add 192.0.2.1/32 dev e0
ip link set e0 up
on_other sh -euc '
  ip addr add 192.0.2.10/24 dev e0
  ip link set e0 up'

# Stand-in: straight into the machine that is named.
ssh() {
  if [ "$1" = root@router ]; then sh -c "$2"; else on_other sh -c "$2"; fi
}
# Stand-in: starts what systemd would by the unit file that is installed, and waits until it is ready.
systemctl='systemctl() {
  $(sed -n "s/^ExecStart=//p" "/etc/systemd/system/$3.service") 2>/run/log &
  until grep -q "Started version" /run/log; do sleep 0.05; done
}'

for HOST in router sql01; do . "$steps/2"; done
HOST=sql01
. "$steps/3"
on_other sh -euc "$systemctl; . '$steps/4'"
# The service flushed when it started: only now can something be stuck.
on_other ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev e0
. "$steps/5" || [ $? = 3 ]
. "$steps/6"

echo "--- as keepalived would"
env -i setpriv --reuid "$(id -u keepalived_script)" --regid "$(id -g keepalived_script)" \
  --clear-groups sh -c "$2 --expect 1"
on_other ip neigh show 192.0.2.1
ip -brief link show e0
