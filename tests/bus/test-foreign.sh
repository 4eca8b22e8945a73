#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Clients that know nothing of pasidd: busctl and gdbus, on the direct socket
# and on message buses.
set -u
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"

with_daemon=$top_builddir/tests/bus/with-daemon
manager="org.pasidd1 /org/pasidd1 org.pasidd1.Manager"
uid=$(id -u)
consumer=/org/pasidd1/consumer/$uid/vm_2d1

# A command's output, its complaints too, on one line each.
output() {
        "$@" 2>&1
}

# NAME PATTERN OUTPUT: for refusals, whose words are not the matter here
matches() {
        case $3 in
        *$2*) tap_ok "$1" ;;
        *) tap_not_ok "$1" "wanted something with '$2', got: $3" ;;
        esac
}

bus_client() {
        # shellcheck disable=SC2086
        output busctl --address="$address" "$@"
}

try_busctl() {
        # shellcheck disable=SC2086
        set -- $manager
        tap_equal "$way: busctl: Init" "o \"$consumer\"" "$(bus_client call "$@" Init 'sa{sv}' vm-1 2 hold s boot quota u 2)"
        tap_equal "$way: busctl: Alloc" "u 17" \
                "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer Alloc 'uuaya{sv}' 17 17 3 97 98 99 1 token s t)"
        tap_equal "$way: busctl: AllocMany" "au 1 18" \
                "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer AllocMany 'uuuaya{sv}' 1 18 20 0 0)"
        matches "$way: busctl: Find" "aya{sv} 3 97 98 99 4 " "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer Find u 17)"
        matches "$way: busctl: List" "a(ustu)b 2 17 \"allocated\"" "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer List uu 0 0)"
        matches "$way: busctl: refusal" "uota" "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer Alloc 'uuaya{sv}' 0 0 0 0)"
        tap_equal "$way: busctl: property" "u 2" "$(bus_client get-property "$@" Pasids)"
        matches "$way: busctl: introspect" ".AllocMany" "$(bus_client introspect org.pasidd1 "$consumer")"
        matches "$way: busctl: tree" "$consumer" "$(bus_client tree --list org.pasidd1)"
        matches "$way: busctl: objects" "org.pasidd1.Consumer" \
                "$(bus_client call org.pasidd1 /org/pasidd1 org.freedesktop.DBus.ObjectManager GetManagedObjects)"
        tap_equal "$way: busctl: Free" "" "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer Free u 17)"
        tap_equal "$way: busctl: Exit" "" "$(bus_client call org.pasidd1 "$consumer" org.pasidd1.Consumer Exit)"
        tap_equal "$way: busctl: all gone" "u 0" "$(bus_client get-property "$@" Consumers)"
}

# PATH METHOD ARGUMENT...
gdbus_call() {
        gdbus_path=$1 gdbus_method=$2
        shift 2
        output gdbus call --address "$address" --dest org.pasidd1 --object-path "$gdbus_path" \
                --method "org.pasidd1.$gdbus_method" "$@"
}

try_gdbus() {
        tap_equal "$way: gdbus: Init" "(objectpath '$consumer',)" "$(gdbus_call /org/pasidd1 Manager.Init vm-1 "{'hold': <'boot'>}")"
        tap_equal "$way: gdbus: Alloc" "(uint32 33,)" "$(gdbus_call "$consumer" Consumer.Alloc 33 33 "[byte 0x61]" "{}")"
        matches "$way: gdbus: Find" "0x61" "$(gdbus_call "$consumer" Consumer.Find 33)"
        matches "$way: gdbus: List" "33, 'allocated'" "$(gdbus_call "$consumer" Consumer.List 0 0)"
        matches "$way: gdbus: WhoHas" "$consumer" "$(gdbus_call /org/pasidd1 Manager.WhoHas 33)"
        matches "$way: gdbus: refusal" "org.pasidd1.Error.AlreadyAllocated" "$(gdbus_call "$consumer" Consumer.Alloc 33 33 "@ay []" "{}")"
        matches "$way: gdbus: introspect" "AllocMany" \
                "$(output gdbus introspect --address "$address" --dest org.pasidd1 --object-path "$consumer" --xml)"
        tap_equal "$way: gdbus: Free" "()" "$(gdbus_call "$consumer" Consumer.Free 33)"
        tap_equal "$way: gdbus: Exit" "()" "$(gdbus_call "$consumer" Consumer.Exit)"
}

# WAY: inside of with-daemon.
if [ "${1-}" = inside ]; then
        way=$2
        tap_count=$3
        address=$PASIDD_ADDRESS
        [ "$way" = direct ] || address=$PASIDD_BUS_ADDRESS
        if command -v busctl >/dev/null; then
                try_busctl
        else
                tap_skip "$way: busctl" "it is not installed"
        fi
        if command -v gdbus >/dev/null; then
                try_gdbus
        else
                tap_skip "$way: gdbus" "it is not installed"
        fi
        echo "$tap_count $tap_failed" >"$4"
        exit 0
fi

counts=$(mktemp)
trap 'rm -f "$counts"' EXIT
for way in direct dbus-daemon dbus-broker; do
        option=
        [ "$way" = direct ] || option=--bus=$way
        echo "$tap_count 0" >"$counts"
        # shellcheck disable=SC2086
        "$with_daemon" --config="[Daemon]
ReuseDelaySec=0" $option sh "$0" inside "$way" "$tap_count" "$counts"
        status=$?
        read -r tap_count failed <"$counts"
        tap_failed=$((tap_failed + failed))
        if [ $status -eq 77 ]; then
                tap_skip "$way" "it is not installed"
        else
                tap_equal "$way: the daemon came and went well" 0 $status
        fi
done
tap_done
