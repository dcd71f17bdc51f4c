# Boots systemd in a container over this machine's own root, all of whose writing goes to memory:
# sourced by the scripts that test units. $packed is the folder for routers and hosts.
mount -n -t tmpfs -o size=1g,mode=755 tmpfs /run
touch /run/began
mkdir /run/upper /run/work /run/tree
mount -n -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/tree
# Whatever the machine has of these is none of this one's.
rm -rf /run/tree/etc/arpflush /run/tree/opt/arpflush /run/tree/etc/systemd/system/*
mkdir -p /run/tree/opt /run/tree/etc/arpflush
cp -r "$packed" /run/tree/opt/arpflush
chown -R root:root /run/tree/opt/arpflush

# Boots it under a name; nothing of the machine's own is started, no more than the basic system.
boot() {
  systemd-nspawn --quiet --directory /run/tree --machine "$1" --register=no --keep-unit \
    --link-journal=no --network-veth --console=pipe --boot -- systemd.unit=basic.target \
    </dev/null >/run/boot 2>&1 &
  nspawn=$!
  trap end EXIT
  until init=$(pgrep -P $nspawn) && nsenter -at "$init" systemctl is-active -q basic.target; do
    kill -0 $nspawn || { cat /run/boot; exit 1; }
    sleep 0.1
  done 2>/dev/null
}
end() {
  kill -TERM $nspawn 2>/dev/null && wait $nspawn || :
  # The container's control groups stay behind, empty.
  find /sys/fs/cgroup -depth -type d -newer /run/began \
    \( -path '*/payload/*' -o -name payload -o -name supervisor \) -exec rmdir {} + 2>/dev/null || :
}
machine() { nsenter -at "$init" env PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
