# The life of both packages, in a root of its own: all that dpkg and the programs write goes to memory.
#
# $1: a folder with older/ and newer/, which hold both packages each.
set -eu
packages=$1
mount -n -t tmpfs -o size=1g,mode=755 tmpfs /run
mkdir /run/upper /run/work /run/tree
mount -n -t overlay -o lowerdir=/,upperdir=/run/upper,workdir=/run/work overlay /run/tree
mount -n --rbind /proc /run/tree/proc
mount -n --rbind /dev /run/tree/dev
mount -n -t tmpfs tmpfs /run/tree/run
mount -n -t tmpfs tmpfs /run/tree/tmp
mkdir /run/tree/tmp/packages
mount -n --bind "$packages" /run/tree/tmp/packages
# Whatever the machine has of these is none of this root's.
rm -rf /run/tree/etc/arpflush /run/tree/etc/systemd/system/arpflush.service
ip link set lo up

cat >/run/tree/tmp/life <<'END'
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH=/usr/sbin:/usr/bin:/sbin:/bin
wanted=/etc/systemd/system/multi-user.target.wants/arpflush.service
settings=/etc/arpflush/arpflush.toml
dpkg='dpkg --no-triggers --force-unsafe-io --force-confdef --force-confold'
say() { echo "--- $*"; }

say older
$dpkg -i /tmp/packages/older/*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
/usr/bin/arpflush
/usr/sbin/arpflush-service
readlink "$wanted"

say newer
sed -i 's/^#Port = .*/Port = 30000/' "$settings"
rm "$wanted"
$dpkg -i /tmp/packages/newer/*.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
dpkg-query -W -f '${Package} ${Version} ${db:Status-Abbrev}\n' arpflush arpflush-service
arpflush --version | sed -n 1p
arpflush-service --version | sed -n 1p
grep '^Port' "$settings"
dpkg --verify arpflush arpflush-service
[ -e "$wanted" ] || echo 'still disabled'
ls -A /var/cache/arpflush | grep -q . && echo 'cache filled'

say work
(umask 077; arpflush --keygen >/etc/arpflush/key)
echo "RouterKeys = ['$(arpflush --public-key)']" >>"$settings"
$(sed -n 's/^ExecStart=//p' /lib/systemd/system/arpflush.service) 2>/tmp/service &
until grep -qs Started /tmp/service; do
  kill -0 $! || { cat /tmp/service; exit 1; }
  sleep 0.1
done
arpflush --port 30000 --probe --expect 1 --json 127.0.0.1 | grep -o '"state": *"[a-z]*"' | sort -u
kill $!
wait $! && echo 'ended well'

say removed
$dpkg -r arpflush arpflush-service >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' arpflush arpflush-service 2>&1
find /etc/arpflush /var/lib/arpflush -type f | sort
ls -d /usr/lib/arpflush* /usr/bin/arpflush /usr/sbin/arpflush-service /var/cache/arpflush* 2>/dev/null || :

say purged
mkdir -p /var/lib/arpflush-router && touch /var/lib/arpflush-router/history.jsonl
$dpkg -P arpflush arpflush-service >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' arpflush arpflush-service 2>&1 || :
END
chroot /run/tree sh /tmp/life
# All that has been written and is still there.
find /run/upper -path '*arpflush*' \( -type f -o -type l \) -printf 'left /%P\n' | sort
