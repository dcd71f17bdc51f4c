# packaging/arpflush.service under systemd as it boots, in a container. This script's network namespace
# is the router.
#
# $1: the folder for routers and hosts.
set -eu
packed=$1
. "${0%/*}/container.sh"
(umask 077; "$packed/arpflush" --keygen >/run/key; "$packed/arpflush" --keygen >/run/new-key)
public() { "$packed/arpflush" --public-key -k "$1"; }
echo "RouterKeys = ['$(public /run/key)']" >/run/tree/etc/arpflush/arpflush.toml
ip link set lo up

boot web1
machine ip -batch - <<'IP'
addr add 192.0.2.100/24 dev host0
link set host0 up
IP
ip -batch - <<'IP'
addr add 192.0.2.2/24 dev ve-web1
addr add 192.0.2.1/24 dev ve-web1
link set ve-web1 up
IP

unit() { machine systemctl show --value -p "$1" arpflush; }
ask() { "$packed/arpflush" -k "${key:-/run/key}" -a -A 192.0.2.1 --expect 1 -c 1 -w 3s "$@" | tail -n 1; }
say() { echo "--- $*"; }

say started
machine install -m 644 /opt/arpflush/arpflush.service /etc/systemd/system/
machine systemctl enable -q --now arpflush
machine systemctl is-enabled arpflush
machine systemctl is-active arpflush
machine grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$(unit MainPID)/status"
machine stat -c '%a %U %n' /var/lib/arpflush /var/lib/arpflush/host-key
host_key=$(machine /opt/arpflush/arpflush-service --host-key)

say healed
machine ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev host0
ask

say reloaded with a new key and metrics
machine tee /etc/arpflush/arpflush.toml >/dev/null <<TOML
RouterKeys = ['$(public /run/key)', '$(public /run/new-key)']
MetricsFile = "/run/arpflush/arpflush.prom"
TOML
machine systemctl reload arpflush
key=/run/new-key ask
sleep 1.2
machine stat -c '%a %n' /run/arpflush/arpflush.prom

say kept the old settings
machine cp /etc/arpflush/arpflush.toml /run/good.toml
echo 'Port = 0' | machine tee /etc/arpflush/arpflush.toml >/dev/null
machine systemctl reload arpflush
machine systemctl is-active arpflush
machine journalctl -u arpflush -o cat --no-pager | grep -o 'the old ones stay: .*'
ask --probe
machine cp /run/good.toml /etc/arpflush/arpflush.toml

say killed
machine systemctl kill -s KILL arpflush
until [ "$(unit NRestarts)" = 1 ] && [ "$(unit ActiveState)" = active ]; do sleep 0.1; done
ask --probe --pins | grep -qF "$host_key" && echo 'the same key'

say stopped
machine systemctl stop arpflush
unit ActiveState
unit ExecMainStatus

say not started again with settings that others can change
machine chmod 666 /etc/arpflush/arpflush.toml
machine systemctl start arpflush 2>/dev/null || echo 'refused'
unit ActiveState
unit ExecMainStatus
unit NRestarts
