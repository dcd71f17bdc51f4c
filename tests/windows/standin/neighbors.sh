#!/bin/sh
# The Unix side of the stand-in iphlpapi.dll: does one thing to the kernel's neighbor table and
# answers in a file: a Win32 error number, and rows if rows were asked for.
#
#   neighbors.sh ANSWER flush FAMILY INDEX | table6 | create|delete|resolve ADDRESS INDEX LLADDR
answer=$1
action=$2
PATH=/usr/sbin:/usr/bin:/sbin:/bin

not_found=1168
bad_net_name=67
gen_failure=31
object_exists=5010

# The name of the interface with an index.
device() {
  ip -o link show | awk -F'[:@ ]+' -v index_wanted="$1" '$1 == index_wanted { print $2 }'
}

flush() {
  options=
  [ "$2" = 0 ] || options="dev $(device "$2")"
  case $1 in
    0) ip neigh flush all $options ;;
    2) ip -4 neigh flush all $options ;;
    23) ip -6 neigh flush all $options ;;
  esac >/dev/null 2>&1 && echo 0 || echo $gen_failure
}

# address in 32 hex digits, interface index, link-layer address, NL_NEIGHBOR_STATE
table6() {
  echo 0
  ip -o link show >"$answer.links"
  ip -6 neigh show | awk -v links="$answer.links" '
    BEGIN {
      while ((getline line < links) > 0) { split(line, w, /[:@ ]+/); number[w[2]] = w[1] }
      state["INCOMPLETE"] = 1; state["PROBE"] = 2; state["DELAY"] = 3; state["STALE"] = 4
      state["REACHABLE"] = 5; state["PERMANENT"] = 6; state["FAILED"] = 0
    }
    {
      address = $1; device = ""; lladdr = "00:00:00:00:00:00"
      for (i = 2; i < NF; i++) {
        if ($i == "dev") device = $(i + 1)
        if ($i == "lladdr") lladdr = $(i + 1)
      }
      groups = split(address, group, ":"); digits = ""
      for (i = 1; i <= groups; i++) {
        if (group[i] != "") digits = digits substr("0000" group[i], length(group[i]) + 1)
        else if (digits !~ /x/) digits = digits "x"
      }
      zeros = ""
      while (length(digits) - (digits ~ /x/) + length(zeros) < 32) zeros = zeros "0"
      sub(/x/, zeros, digits)
      print digits, number[device], lladdr, state[$NF] + 0
    }'
  rm -f "$answer.links"
}

has_row() {
  [ -n "$(ip neigh show to "$1" dev "$2")" ]
}

resolve() {
  ip neigh del "$1" dev "$2" >/dev/null 2>&1
  ip neigh replace "$1" dev "$2" use >/dev/null 2>&1 || { echo $gen_failure; return; }
  tries=0
  while [ $tries -lt 60 ]; do
    case $(ip neigh show to "$1" dev "$2") in
      *lladdr*) echo 0; return ;;
      *FAILED*) break ;;
    esac
    tries=$((tries + 1))
    sleep 0.05
  done
  echo $bad_net_name
}

{
  case $action in
    flush) flush "$3" "$4" ;;
    table6) table6 ;;
    *)
      dev=$(device "$4")
      if [ -z "$dev" ]; then
        echo 2
      elif [ "$action" = resolve ]; then
        resolve "$3" "$dev"
      elif [ "$action" = delete ]; then
        if ! has_row "$3" "$dev"; then echo $not_found
        elif ip neigh del "$3" dev "$dev" >/dev/null 2>&1; then echo 0
        else echo $gen_failure; fi
      elif [ "$action" = create ]; then
        if has_row "$3" "$dev"; then echo $object_exists
        elif ip neigh add "$3" lladdr "$5" dev "$dev" nud permanent >/dev/null 2>&1; then echo 0
        else echo $gen_failure; fi
      fi
      ;;
  esac
} >"$answer.part"
mv "$answer.part" "$answer"
