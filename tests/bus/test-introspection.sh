#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the daemon says of its objects is what dbus/org.pasidd1.xml says: members,
# signatures, names of arguments, access and annotations.
set -u
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"

compare=$top_srcdir/tests/bus/compare-introspection.py
contract=$top_srcdir/dbus/org.pasidd1.xml

if [ "${1-}" != inside ]; then
        for program in busctl python3; do
                if ! command -v $program >/dev/null; then
                        echo "1..0 # SKIP $program is not installed"
                        exit 0
                fi
        done
        exec "$top_builddir/tests/bus/with-daemon" --devices sh "$0" inside
fi

call() {
        busctl --address="$PASIDD_ADDRESS" "$@"
}

# NAME PATH INTERFACE
check() {
        live=$PASIDD_DIR/live.xml
        if ! call introspect --xml-interface org.pasidd1 "$2" >"$live" 2>"$PASIDD_DIR/error"; then
                tap_not_ok "$1" "$(cat "$PASIDD_DIR/error")"
                return
        fi
        tap_none "$1" "$(python3 "$compare" "$contract" "$live" "$3" 2>&1)"
}

# busctl's own connection would end what it made
call call org.pasidd1 /org/pasidd1 org.pasidd1.Manager Init 'sa{sv}' vm-1 1 hold s boot >/dev/null
uid=$(id -u)
consumer=/org/pasidd1/consumer/$uid/vm_2d1

check "manager" /org/pasidd1 org.pasidd1.Manager
check "consumer" "$consumer" org.pasidd1.Consumer
check "device" /org/pasidd1/device/_30000_3a01_3a00_2e0 org.pasidd1.Device

# the comparison itself can fail
sed 's|name="Alloc"|name="Allot"|' "$contract" >"$PASIDD_DIR/other.xml"
call introspect --xml-interface org.pasidd1 "$consumer" >"$PASIDD_DIR/live.xml"
if python3 "$compare" "$PASIDD_DIR/other.xml" "$PASIDD_DIR/live.xml" org.pasidd1.Consumer >"$PASIDD_DIR/out" 2>&1; then
        tap_not_ok "a difference is found" "none was"
else
        tap_ok "a difference is found"
fi

managed=$(call tree --list org.pasidd1 2>&1)
for path in /org/pasidd1 "$consumer" /org/pasidd1/device/_30000_3a02_3a00_2e0; do
        if printf '%s\n' "$managed" | grep -qxF "$path"; then
                tap_ok "$path is in the tree"
        else
                tap_not_ok "$path is in the tree" "$managed"
        fi
done
tap_done
