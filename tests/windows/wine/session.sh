#!/bin/bash
# Process 1 of a Wine session (session.ts): in mount and process namespaces of its own it lays a
# throw-away layer over the Wine tree, so that nothing a test does outlives it. Prints the session's
# root when Wine runs. SHARED is /shared there.
#
#   unshare --mount --pid --fork --kill-child --propagation private session.sh CACHE/wine CHECKOUT DENO_DIR SHARED
set -euo pipefail
cache=$1
checkout=$2
deno_dir=$3
shared=$4

mount -t proc proc /proc

# Without a network of the test's own: a link to one neighbor, in a namespace of its own.
if [ "${ARPFLUSH_OWN_NETWORK-}" = 1 ]; then
  unshare --net sleep infinity &
  neighbor=$!
  ours=$(readlink /proc/self/ns/net)
  while [ "$(readlink "/proc/$neighbor/ns/net")" = "$ours" ]; do sleep 0.01; done
  ip link add e0 address 02:00:00:00:00:05 type veth \
    peer name e1 address 02:00:00:00:00:01 netns "$neighbor"
  ip link set lo up
  ip addr add 192.0.2.5/24 broadcast + dev e0
  ip addr add 2001:db8::5/64 dev e0 nodad
  ip link set e0 up
  ip route add default via 192.0.2.1
  nsenter -t "$neighbor" -n ip addr add 192.0.2.1/24 dev e1
  nsenter -t "$neighbor" -n ip addr add 2001:db8::1/64 dev e1 nodad
  nsenter -t "$neighbor" -n ip link set e1 up
fi

layer=$cache/layer
mkdir -p "$layer"
mount -t tmpfs arpflush-wine "$layer"
mkdir "$layer/upper" "$layer/work" "$layer/root"
root=$layer/root
mount -t overlay arpflush-wine \
  -o "lowerdir=$cache/root,upperdir=$layer/upper,workdir=$layer/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /dev "$root/dev"
mkdir -p "$root/checkout" "$root/npm" "$root/shared" "$root/pwsh" "$root/analyzer"
mount --bind "$shared" "$root/shared"
mount --bind "$checkout" "$root/checkout"
mount --bind "$cache/npm/node_modules" "$root/npm"
if [ -d "$cache/pwsh" ]; then mount --bind "$cache/pwsh" "$root/pwsh"; fi
if [ -d "$cache/analyzer" ]; then mount --bind "$cache/analyzer" "$root/analyzer"; fi
# The packages that this machine's Deno has, for deno.exe; what it adds is thrown away.
mkdir "$layer/deno-upper" "$layer/deno-work" "$root/deno-dir"
mount -t overlay arpflush-deno \
  -o "lowerdir=$deno_dir,upperdir=$layer/deno-upper,workdir=$layer/deno-work" "$root/deno-dir"

# Wine asks for this machine's own name as it starts: it is answered here, no name server is waited for.
# They may be links, which would lead out of this root.
rm -f "$root/etc/hosts" "$root/etc/resolv.conf"
echo "127.0.0.1 localhost $(cat /proc/sys/kernel/hostname)" >"$root/etc/hosts"
: >"$root/etc/resolv.conf"

# One program that never ends keeps Wine's services alive. What they write to the event log arrives
# in /shared/wine.log, by Wine's own channel for it: Wine keeps no log that could be read back. Whichever
# program comes first starts the services and gives them its stderr.
chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 \
  WINEPREFIX=/prefix WINEDEBUG=-all,+eventlog,fixme+advapi XDG_RUNTIME_DIR=/tmp \
  'DENO_DIR=Z:\deno-dir' \
  sh -c 'tail -f /dev/null | wine cmd >/dev/null 2>>/shared/wine.log &
    until wine sc query eventlog >/dev/null 2>>/shared/wine.log; do sleep 0.1; done' </dev/null
echo "$root"
# Everything ends with process 1, and that with the test, however it ends.
cat >/dev/null
