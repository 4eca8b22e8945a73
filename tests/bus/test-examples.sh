#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples in other languages, as they are installed, on a message bus of
# their own. Those in C are in test-examples-c.sh, and vm-manager in
# test-ctl-run.sh.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"

if [ "${1-}" != inside ]; then
        status=0
        "$top_builddir/tests/bus/with-daemon" --bus=dbus-daemon --devices --config="[Daemon]
ReuseDelaySec=0
[Limits]
PasidsPerConsumer=50" sh "$0" inside || status=$?
        if [ $status -eq 77 ]; then
                tap_skip "examples" "no dbus-daemon"
                tap_done
        fi
        exit $status
fi

export DBUS_SYSTEM_BUS_ADDRESS="$PASIDD_BUS_ADDRESS"
ctl=$(program pasidctl)
work=$PASIDD_DIR
mkfifo "$work/input"

numbers() { "$ctl" list --no-legend | awk '{ print $1 }' | xargs; }
one_went_back() { [ "$(wc -l <"$work/out")" -eq 3 ] && [ "$(numbers | wc -w)" -eq 2 ]; }
has_begun() { [ -n "$("$ctl" list)" ]; }
is_over() { [ "$("$ctl" consumers)" = "" ]; }
# WHAT-THERE-IS SENTENCE COMMAND...: prints nothing, and one line has the sentence
fails_without() {
        there_is=$1 sentence=$2 status=0
        shift 2
        timeout 60 "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
        tap_equal "$name: $there_is" "1  1 0" "$status $(cat "$work/out") $(grep -c "$sentence" "$work/err") $(grep -c Traceback "$work/err")"
}
stranger="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ "$(id -u)" -eq 0 ] && $stranger test -r "$top_srcdir/doc/examples/take-numbers.py" 2>/dev/null; then
        chmod 755 "$work"
else
        stranger=
fi
# NAME FORMAT COMMAND...: takes three numbers, prints such a line for each, gives one back, and the rest at its end
try() {
        name=$1 format=$2
        shift 2
        "$@" 3 0000:01:00.0 <"$work/input" >"$work/out" 2>"$work/err" &
        command=$!
        exec 3>"$work/input"
        await one_went_back || true
        read -r first _ <"$work/out" || first=0
        tap_equal "$name: one of three went back" "$((first + 1)) $((first + 2))" "$(numbers)"
        # shellcheck disable=SC2059
        tap_equal "$name: what it prints" "$(printf "$format\n" "$first" $((first + 1)) $((first + 2)))" "$(sed 's/ a{sv}.*//; s/ 4 ".*//' "$work/out")"
        tap_equal "$name: its device" 0000:01:00.0 "$("$ctl" consumers --no-legend | awk '{ print $NF }')"
        exec 3>&-
        status=0
        wait $command || status=$?
        await is_over || true
        tap_equal "$name: nothing is left" "0 " "$status $(cat "$work/err")$("$ctl" consumers)"

        "$@" 3 0000:01:00.0 <"$work/input" >/dev/null 2>&1 &
        command=$!
        exec 3>"$work/input"
        await has_begun || true
        kill -KILL $command
        wait $command 2>/dev/null || true
        exec 3>&-
        await is_over || true
        tap_equal "$name: killed" "" "$("$ctl" consumers)"

        status=0
        "$@" 3 0000:77:00.0 </dev/null >"$work/out" 2>"$work/err" || status=$?
        tap_equal "$name: a refusal is told" "1 1" "$status $(grep -c 0000:77:00.0 "$work/err")"
        status=0
        "$@" </dev/null >"$work/out" 2>"$work/err" || status=$?
        tap_equal "$name: how to call it" "yes 1" "$([ $status -ne 0 ] && echo yes) $(grep -c "COUNT \[DEVICE\]" "$work/err")"

        fails_without "more than its quota" "QuotaExceeded\|51 more PASIDs were asked.*its quota of 50" "$@" 51
        await is_over || true
        tap_equal "$name: which leaves nothing" "" "$("$ctl" consumers)"
        if [ -n "$stranger" ]; then
                # busctl has words of its own for it
                # shellcheck disable=SC2086
                fails_without "no permission" "uid 65534, which is neither root nor in group\|Call failed: Access denied" $stranger "$@" 3
        else
                tap_skip "$name: no permission" "not root, only root can read this tree, or there is no setpriv"
        fi
        fails_without "no message bus" "Failed to connect" env DBUS_SYSTEM_BUS_ADDRESS="unix:path=$work/none" "$@" 3
        if command -v dbus-run-session >/dev/null; then
                # shellcheck disable=SC2016
                fails_without "nobody on the message bus" "org.pasidd1 was not provided" dbus-run-session -- \
                        sh -c 'DBUS_SYSTEM_BUS_ADDRESS=$DBUS_SESSION_BUS_ADDRESS exec "$@"' sh "$@" 3
        else
                tap_skip "$name: nobody on the message bus" "no dbus-run-session"
        fi
}

python=
for candidate in python3 /usr/bin/python3; do
        [ -n "$python" ] || ! "$candidate" -c 'import dbus; dbus.SystemBus' 2>/dev/null || python=$candidate
done
if [ -n "$python" ]; then
        try "Python" "%d allocated 'of an example', held by 1" "$python" "$top_srcdir/doc/examples/take-numbers.py"
else
        tap_skip "Python" "no python3-dbus"
fi
if command -v busctl >/dev/null; then
        try "busctl" "%d aya{sv} 2 104 105" sh "$top_srcdir/doc/examples/take-numbers.sh"
else
        tap_skip "busctl" "it is not installed"
fi
tap_done
