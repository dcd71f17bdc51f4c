# The commands of docs/operating.md, as written and in their order, on two machines.
#
# $1: a folder with the README's steps (2, 3, 4, 6), the page's commands (page-NN-router,
# page-NN-host) and its lines for keepalived (notify-N).
set -eu
steps=$1
. "${0%/*}/machines.sh" "$steps/stand-ins"
for HOST in router sql01; do . "$steps/2"; done
start_system_log
PUBLIC=$(. "$steps/3")
OLD=$PUBLIC
export PUBLIC OLD
on_other sh -eu "$steps/4"
. "$steps/6"
on_other ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev eth0
# A host's firewall that lets nobody in.
closed='table inet filter { chain input { type filter hook input priority 0; policy drop;
  iif lo accept; ct state established accept; meta l4proto ipv6-icmp accept; }; }'
on_other sh -c 'exec prometheus-node-exporter --collector.disable-defaults --collector.textfile \
  --web.listen-address=127.0.0.1:9100 </dev/null >/dev/null 2>&1' &
mkdir -p /var/lib/prometheus/node-exporter
on_other mkdir -p /var/lib/prometheus/node-exporter

for file in "$steps"/page-*; do
  echo "--- ${file##*/page-}"
  case $(cat "$file") in
    *tcpdump*) (sleep 2; /opt/arpflush/arpflush -a --probe >/dev/null 2>&1) & ;;
    *"nft insert"*saddr*) on_other nft "$closed" ;;
    *"--ask -A"*) on_other nft delete table inet filter ;;
    *"nft insert"*) nft "$closed" ;;
    *NEW*) NEW=$(/opt/arpflush/arpflush --public-key -k /etc/arpflush/key.new) && export NEW ;;
  esac
  code=0
  case $file in
    *-host) on_other sh -eu "$file" || code=$? ;;
    *) sh -eu "$file" || code=$? ;;
  esac
  echo "exit status $code"
done 2>&1

on_other ip neigh replace 192.0.2.1 lladdr 02:00:00:00:00:99 nud reachable dev eth0
for file in "$steps"/notify-*; do
  echo "--- ${file##*/}"
  code=0
  env -i setpriv --reuid "$(id -u keepalived_script)" --regid "$(id -g keepalived_script)" \
    --clear-groups sh "$file" || code=$?
  echo "exit status $code"
done 2>&1
