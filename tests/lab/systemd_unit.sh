# The unit of packaging/ under systemd as it boots: in a container over this machine's own root, all of
# whose writing goes to memory. This script's network namespace is the router.
#
# $1: the folder for routers and hosts.
set -eu
packed=$1
mount -n -t tmpfs -o size=1g,mode=755 tmpfs /run
mkdir /run/upper /run/work /run/tree
mount -n -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/tree
# Whatever the machine has of these is none of this host's.
rm -rf /run/tree/etc/arpflush /run/tree/opt/arpflush /run/tree/etc/systemd/system/*
mkdir -p /run/tree/opt /run/tree/etc/arpflush
cp -r "$packed" /run/tree/opt/arpflush
chown -R root:root /run/tree/opt/arpflush
(umask 077; "$packed/arpflush" --keygen >/run/key; "$packed/arpflush" --keygen >/run/new-key)
public() { "$packed/arpflush" --public-key -k "$1"; }
echo "RouterKeys = ['$(public /run/key)']" >/run/tree/etc/arpflush/arpflush.toml
ip link set lo up

# Nothing of the machine's own is started: no more than the basic system.
systemd-nspawn --quiet --directory /run/tree --machine web1 --register=no --keep-unit \
  --link-journal=no --network-veth --console=pipe --boot -- systemd.unit=basic.target \
  </dev/null >/run/boot 2>&1 &
nspawn=$!
end() {
  kill -TERM $nspawn 2>/dev/null && wait $nspawn || :
  # The container's control groups stay behind, empty.
  find /sys/fs/cgroup -depth -type d -newer /run/key \
    \( -path '*/payload/*' -o -name payload -o -name supervisor \) -exec rmdir {} + 2>/dev/null || :
}
trap end EXIT
until init=$(pgrep -P $nspawn) && nsenter -at "$init" systemctl is-active -q basic.target; do
  kill -0 $nspawn || { cat /run/boot; exit 1; }
  sleep 0.1
done 2>/dev/null
host() { nsenter -at "$init" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
host ip -batch - <<'IP'
addr add 192.0.2.100/24 dev host0
link set host0 up
IP
ip -batch - <<'IP'
addr add 192.0.2.2/24 dev ve-web1
addr add 192.0.2.1/24 dev ve-web1
link set ve-web1 up
IP

unit() { host systemctl show --value -p "$1" arpflush; }
ask() { "$packed/arpflush" -k "${key:-/run/key}" -a -A 192.0.2.1 --expect 1 -c 1 -w 3s "$@" | tail -n 1; }
say() { echo "--- $*"; }

say started
host install -m 644 /opt/arpflush/arpflush.service /etc/systemd/system/
host systemctl enable -q --now arpflush
host systemctl is-enabled arpflush
host systemctl is-active arpflush
host grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(unit MainPID)/status"
host stat -c '%a %U %n' /var/lib/arpflush /var/lib/arpflush/host-key
host_key=$(host /opt/arpflush/arpflush-service --host-key)

say healed
host ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev host0
ask

say reloaded with a new key and metrics
host tee /etc/arpflush/arpflush.toml >/dev/null <<TOML
RouterKeys = ['$(public /run/key)', '$(public /run/new-key)']
MetricsFile = "/run/arpflush/arpflush.prom"
TOML
host systemctl reload arpflush
key=/run/new-key ask
sleep 1.2
host stat -c '%a %n' /run/arpflush/arpflush.prom

say kept the old settings
host cp /etc/arpflush/arpflush.toml /run/good.toml
echo 'Port = 0' | host tee /etc/arpflush/arpflush.toml >/dev/null
host systemctl reload arpflush
host systemctl is-active arpflush
host journalctl -u arpflush -o cat --no-pager | grep -o 'the old ones stay: .*'
ask --probe
host cp /run/good.toml /etc/arpflush/arpflush.toml

say killed
host systemctl kill -s KILL arpflush
until [ "$(unit NRestarts)" = 1 ] && [ "$(unit ActiveState)" = active ]; do sleep 0.1; done
ask --probe --pins | grep -qF "$host_key" && echo 'the same key'

say stopped
host systemctl stop arpflush
unit ActiveState
unit ExecMainStatus

say not started again with settings that others can change
host chmod 666 /etc/arpflush/arpflush.toml
host systemctl start arpflush 2>/dev/null || echo 'refused'
unit ActiveState
unit ExecMainStatus
unit NRestarts
