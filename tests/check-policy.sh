#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The bus policy as dbus-daemon reads it: a bus of our own with that policy,
# the real daemon on it, and calls of somebody who is not root.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

needs() {
        [ "$(id -u)" -eq 0 ] || { echo "root owns the name"; return; }
        for tool in dbus-daemon dbus-send busctl setpriv timeout; do
                command -v "$tool" >/dev/null || { echo "no $tool"; return; }
        done
        [ -x "$top_builddir/pasidd" ] || echo "pasidd is not built"
}
why=$(needs)
if [ -n "$why" ]; then
        tap_skip "bus policy" "$why"
        tap_done
fi

scratch=$(mktemp -d)
bus_pid=
daemon_pid=
cleanup() {
        for pid in $daemon_pid $bus_pid; do
                kill "$pid" 2>/dev/null || true
                wait "$pid" 2>/dev/null || true
        done
        rm -rf "$scratch"
}
trap cleanup EXIT
chmod 755 "$scratch"
mkdir "$scratch/run" "$scratch/state"

# As the system's own bus: nothing is owned, called or heard of unless a policy says so.
cat >"$scratch/bus.conf" <<CONF
<busconfig>
  <type>system</type>
  <listen>unix:path=$scratch/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <deny own="*"/>
    <deny send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="org.freedesktop.DBus"/>
  </policy>
  <include>$top_srcdir/dbus/org.pasidd1.conf</include>
</busconfig>
CONF
dbus-daemon --config-file="$scratch/bus.conf" --nofork --print-address >"$scratch/address" 2>"$scratch/bus.log" &
bus_pid=$!
# shellcheck disable=SC2016 # for the inner shell
timeout 20 sh -c 'until grep -q . "$1"; do :; done' _ "$scratch/address"
address=$(cat "$scratch/address")
"$top_builddir/pasidd" --bus="$address" --listen="unix:path=$scratch/pasidd.sock" --runtime-dir="$scratch/run" \
        --state-dir="$scratch/state" --config=/dev/null 2>"$scratch/log" &
daemon_pid=$!

# DESTINATION PATH MEMBER ARGUMENT...: a call of somebody else
call() {
        setpriv --reuid=65534 --regid=65534 --clear-groups \
                dbus-send --bus="$address" --print-reply --dest="$1" "$2" "$3" ${4+"$4"} ${5+"$5"} ${6+"$6"} 2>&1 || true
}

# shellcheck disable=SC2016
timeout 20 sh -c 'until dbus-send --bus="$1" --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner string:org.pasidd1 >/dev/null 2>&1; do :; done' _ "$address" || {
        tap_not_ok "root may own the name" "$(cat "$scratch/log" "$scratch/bus.log")"
        tap_done
}
tap_ok "root may own the name"

got=$(call org.freedesktop.DBus /org/freedesktop/DBus org.freedesktop.DBus.RequestName string:org.pasidd1 uint32:0)
case $got in
*"not allowed to own"*) tap_ok "nobody else may own it" ;;
*) tap_not_ok "nobody else may own it" "$got" ;;
esac

# Each method of the contract gets through to the daemon: whatever it answers, the bus did not refuse it.
bus_refused() {
        case $1 in
        *"Rejected send message"*) return 0 ;;
        esac
        return 1
}
refused=
# shellcheck disable=SC2013 # names have no blanks
for member in $(awk -F'"' '/<interface /{ iface = $2 } /<method /{ print iface "." $2 }' "$top_srcdir/dbus/org.pasidd1.xml"); do
        got=$(call org.pasidd1 /org/pasidd1 "$member")
        if bus_refused "$got"; then
                refused="$refused $member"
        fi
done
tap_none "everybody may call each method of the interface" "$refused"
for member in org.freedesktop.DBus.Peer.Ping org.freedesktop.DBus.Introspectable.Introspect \
        org.freedesktop.DBus.ObjectManager.GetManagedObjects; do
        got=$(call org.pasidd1 /org/pasidd1 "$member")
        if bus_refused "$got"; then
                tap_not_ok "everybody may call $member" "$got"
        else
                tap_ok "everybody may call $member"
        fi
done
tap_equal "everybody may read a property" 'u 0' "$(setpriv --reuid=65534 --regid=65534 --clear-groups \
        busctl --address="$address" get-property org.pasidd1 /org/pasidd1 org.pasidd1.Manager Pasids 2>&1)"

got=$(call org.pasidd1 /org/pasidd1 org.freedesktop.DBus.Properties.Set string:org.pasidd1.Manager string:Version variant:string:x)
if bus_refused "$got"; then
        tap_ok "what is not listed is refused by the bus"
else
        tap_not_ok "what is not listed is refused by the bus" "$got"
fi
tap_done
