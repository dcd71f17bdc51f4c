# Two machines for scripts that source this: "router" is this process with its network, mount and
# process namespaces, "sql01" are others. They have /etc, /opt, /run and /var/lib of their own;
# ssh, systemctl and journalctl are stand-ins, because neither machine has been booted.
#
# $1: an empty folder of this machine, for the stand-ins.
stand_ins=$1

own_folders='
  mount -n -t tmpfs tmpfs /run
  for folder in /etc /var/lib; do
    mkdir -p "/run/own$folder/over" "/run/own$folder/work"
    mount -n -t overlay \
      -o "lowerdir=$folder,upperdir=/run/own$folder/over,workdir=/run/own$folder/work" overlay "$folder"
  done
  mkdir -p /etc/systemd/system
  mount -n -t tmpfs -o mode=755 tmpfs /opt'

unshare --net --uts --mount sh -euc "$own_folders
  hostname sql01
  ip link set lo up
  exec sleep 600" &
other=$!
sh -euc "$own_folders"
hostname router
ip link set lo up

on_other() { nsenter --target "$other" --net --uts --mount "$@"; }
until [ "$(on_other hostname)" = sql01 ]; do sleep 0.05; done
ip link add name eth0 type veth peer name eth0 netns "$other"
ip addr add 192.0.2.2/24 dev eth0
ip addr add 192.0.2.1/32 dev eth0
ip link set eth0 up
on_other sh -euc '
  ip addr add 192.0.2.10/24 dev eth0
  ip link set eth0 up'
echo '192.0.2.10 sql01' >> /etc/hosts

mkdir -p "$stand_ins"
# Straight into the machine that is named.
cat > "$stand_ins/ssh" <<END
#!/bin/sh
if [ "\$1" = root@router ]; then exec sh -c "\$2"; fi
exec nsenter --target $other --net --uts --mount sh -c "\$2"
END
# Starts what systemd would by the unit file that is installed; returns when it is ready.
cat > "$stand_ins/systemctl" <<'END'
#!/bin/sh
touch /run/log
count() { grep -c "$1" /run/log || true; }
wait_for() { while [ "$(count "$1")" = "$2" ]; do sleep 0.05; done; }
is_active() { [ -e /run/pid ] && kill -0 "$(cat /run/pid)" 2>/dev/null; }
start() {
  before=$(count 'Started version')
  $(sed -n 's/^ExecStart=//p' /etc/systemd/system/arpflush.service) </dev/null >/dev/null 2>>/run/log &
  echo $! > /run/pid
  wait_for 'Started version' "$before"
}
stop() {
  kill "$(cat /run/pid)"
  while is_active; do sleep 0.05; done
}
case $1 in
  enable) start ;;
  restart) stop && start ;;
  reload)
    before=$(count Reloaded)
    kill -HUP "$(cat /run/pid)"
    wait_for Reloaded "$before"
    ;;
  is-active) is_active ;;
  status) is_active && echo "Active: active (running)" ;;
  *) exit 2 ;;
esac
END
# The router's system log, as journald has it; needs step 2. What it gets is in /run/syslog.
start_system_log() {
  mkdir -p /run/systemd/journal
  /opt/arpflush/deno eval --unstable-net '
    const path = "/run/systemd/journal/dev-log";
    const socket = Deno.listenDatagram({ transport: "unixpacket", path });
    Deno.chmodSync(path, 0o666);
    for await (const [bytes] of socket) console.log(new TextDecoder().decode(bytes));
  ' </dev/null >/run/syslog &
  until [ -w /run/systemd/journal/dev-log ]; do sleep 0.05; done
}
printf '#!/bin/sh\ntail -n 20 /run/log\n' > "$stand_ins/journalctl"
chmod 755 "$stand_ins"/*
PATH=$stand_ins:$PATH
