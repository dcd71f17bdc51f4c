# packaging/arpflush-router.service under systemd as it boots, in a container, which is the router. This
# script's network namespace is a host. The setup is arpflush-router(8)'s.
#
# $1: the folder for routers and hosts.
set -eu
packed=$1
. "${0%/*}/container.sh"
hostname host
boot r1
"$packed/arpflush" --keygen | (umask 077; cat >/run/tree/etc/arpflush/key)
echo "RouterKeys = ['$("$packed/arpflush" --public-key -k /run/tree/etc/arpflush/key)']" >/run/host.toml
ip link set lo up
machine ip -batch - <<'IP'
addr add 192.0.2.2/24 dev host0
link set host0 up
IP
ip -batch - <<'IP'
addr add 192.0.2.100/24 dev ve-r1
link set ve-r1 up
IP
export STATE_DIRECTORY=/run/host-state
"$packed/arpflush-service" --config /run/host.toml 2>/run/service &
service=$!
until grep -qs Started /run/service; do sleep 0.1; done

unit() { machine systemctl show --value -p "$1" arpflush-router; }
logged() { machine journalctl -u arpflush-router -o cat --no-pager; }
# Waits for the Nth line that matches.
await() {
  for try in $(seq 300); do
    [ "$(logged | grep -c "$2")" -ge "$1" ] && return
    sleep 0.1
  done
  logged
  exit 1
}
# All namespaces of the machine share one limit of neighbor entries, and others may be at it.
stale() {
  for try in $(seq 50); do
    ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev ve-r1 && return
    sleep 0.2
  done
  exit 1
}
say() { echo "--- $*"; }

say set up
machine sh -e <<'END'
sed -n '/^\.SH SETUP/,/^\.fi/p' /opt/arpflush/arpflush-router.8 | sed '/^\./d; s/\\-/-/g' >/run/setup
. /run/setup
END
machine systemctl is-active arpflush-router
machine stat -c '%a %U %n' /run/arpflush /run/arpflush/notify.fifo /run/arpflush-router \
  /run/arpflush-router/follow.sock
# CAP_NET_RAW is capability 13; filters of system calls are mode 2.
machine grep -E '^(CapEff|CapBnd|CapAmb|NoNewPrivs|Seccomp):' "/proc/$(unit MainPID)/status"
machine ps -o user:20= -p "$(unit MainPID)"

say healed
await 1 'Probe: '
stale
machine ip addr add 192.0.2.1 dev host0
machine sh -c 'echo "INSTANCE \"lan\" MASTER 100" >/run/arpflush/notify.fifo'
await 1 'Flush: .*1 healed'
logged | grep -o 'INSTANCE lan is MASTER.*'
machine grep -o 'run="[a-z]*"' /var/lib/arpflush-router/arpflush-router.prom | sort -u

say drilled
machine sh -e <<'END'
echo host >/etc/arpflush/hosts
install -m 644 /opt/arpflush/arpflush-drill.service /opt/arpflush/arpflush-drill.timer /etc/systemd/system
systemctl daemon-reload
systemctl enable -q --now arpflush-drill.timer
systemctl start arpflush-drill
/opt/arpflush/arpflush history | sed 's/^[^ ]* [^ ]* *//; s/[0-9.]*  1 /S  1 /' | sort -u
grep -E '^arpflush_(run_exit|router_heart)' /var/lib/arpflush-router/arpflush-router.prom | cut -d' ' -f1
stat -c '%a %U' /var/lib/arpflush-router/arpflush-router.prom /var/lib/arpflush-router/history.jsonl
END
machine systemctl is-active arpflush-drill.timer

say killed
from=$(date +%s%3N)
machine systemctl kill -s KILL arpflush-router
stale
await 2 'Following '
# 100 ms, and its own start.
[ $(($(date +%s%3N) - from)) -lt 3000 ] && echo 'back at once'
await 2 'Flush: .*1 healed'
logged | grep -o 'At the start .*'

say hung
machine systemctl kill -s STOP arpflush-router
await 3 'Following '
unit NRestarts

say a script beside it, and without it
script() { machine runuser -u arpflush-router -- /opt/arpflush/arpflush -a -c 1 -w 2s -k /run/key --unless-following; }
machine install -o arpflush-router -m 400 /etc/arpflush/key /run/key
script 2>&1
machine systemctl stop arpflush-router
stale
script | sed -n '$p'
machine systemctl start arpflush-router

say asked, without a service
kill $service
machine sh -e <<'END'
mkdir /etc/systemd/system/arpflush-router.service.d
sed -n 's/^ExecStart=.*/[Service]\nExecStart=\n& --ask --pace 1000/p' \
  /etc/systemd/system/arpflush-router.service >/etc/systemd/system/arpflush-router.service.d/ask.conf
systemctl daemon-reload
END
stale
machine systemctl restart arpflush-router
await 1 '1 host was asked: 1 healed'
logged | grep -o '1 host was asked: 1 healed'
machine grep -o '^192.0.2.100 .* host0' /var/lib/arpflush-router/hosts | cut -d' ' -f1,3
machine stat -c '%a %U' /var/lib/arpflush-router/hosts

say a key that can not be used
machine chmod 644 /etc/arpflush/key
machine sh -c 'echo nonsense >/etc/arpflush/key'
machine systemctl restart arpflush-router 2>/dev/null || echo refused
machine systemctl is-active arpflush-router || :
