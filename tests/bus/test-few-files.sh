#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A start with ever more file descriptors until they are enough: it ends with
# a sentence, and nothing in the tables is lost or half done. And settings that
# can't be read for want of one.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"

work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
daemon=

cleanup() {
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

# LIMIT: a daemon that may have so many files open
start_with() {
        : >"$work/log"
        # A sanitizer that looks for leaks wants files of its own.
        ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" sh -c 'ulimit -n "$0" && exec "$@"' "$1" "$top_builddir/pasidd" --bus=none --listen="$PASIDD_ADDRESS" \
                --runtime-dir="$work/run" --state-dir="$work/state" --config="$work/pasidd.conf" \
                --sysfs="$work/machine/sys" --procfs="$work/machine/proc" --log-level=info 2>"$work/log" &
        daemon=$!
}
stop() {
        kill "$daemon"
        status=0
        wait "$daemon" || status=$?
        daemon=
}
# It answers, has ended, or has none left for a connection.
is_settled() { ! kill -0 "$daemon" 2>/dev/null || timeout 5 "$ctl" status >/dev/null 2>&1 || is_out; }
is_out() { grep -q "could not be accepted: Too many open files" "$work/log"; }
numbers() { "$ctl" list --json=short; }

printf '[Daemon]\nReuseDelaySec=0\n' >"$work/pasidd.conf"
start_daemon
"$ctl" init stays --hold=persistent
"$ctl" init goes --hold=boot
"$ctl" alloc stays --min=10 --count=3 --private=abc >/dev/null
"$ctl" alloc goes --min=20 --count=3 >/dev/null
numbers >"$work/wanted"
stop

limit=4 n_refused=0 complaints=
while :; do
        start_with $limit
        await is_settled || complaints="$complaints $limit: neither works nor ends;"
        if kill -0 "$daemon" 2>/dev/null; then
                if ! is_out && numbers >"$work/got"; then
                        break
                fi
                stop
                [ $status -eq 0 ] || complaints="$complaints $limit: ended with $status;"
        else
                status=0
                wait "$daemon" || status=$?
                daemon=
                if [ $status -eq 1 ] && tail -n 1 "$work/log" | grep -q '^pasidd: .*oo many open files'; then
                        n_refused=$((n_refused + 1))
                elif [ $status -ne 127 ]; then # too few for its libraries
                        complaints="$complaints $limit: status $status, $(tail -n 1 "$work/log");"
                fi
        fi
        limit=$((limit + 1))
        [ $limit -lt 100 ] || break
done
tap_none "each start that can't be ends with a sentence" "$complaints"
tap_equal "there were such starts" yes "$([ $n_refused -gt 5 ] && echo yes)"
echo "# $n_refused starts were refused; $limit files are enough for one client"
tap_equal "nothing in the tables has changed" "$(cat "$work/wanted")" "$(cat "$work/got")"
stop

start_with 1024
await answers || true
"$ctl" alloc goes --min=700 --max=700 >/dev/null
printf '[Daemon]\nReuseDelaySec=3600\n' >"$work/pasidd.conf"
prlimit --pid="$daemon" --nofile=3:1024 # none below that is free
kill -HUP "$daemon"
is_refused() { grep -q "oo many open files" "$work/log"; }
await is_refused || true
tap_equal "a reload without a file descriptor says so" 1 "$(grep -c "oo many open files" "$work/log")"
prlimit --pid="$daemon" --nofile=1024:1024
"$ctl" free goes 700
tap_equal "and the settings are as they were" 700 "$("$ctl" alloc goes --min=700 --max=700 2>&1)"
kill -HUP "$daemon"
is_reloaded() { grep -q "Settings reloaded" "$work/log"; }
await is_reloaded || true
"$ctl" free goes 700
tap_equal "with one they are read" 1 "$("$ctl" alloc goes --min=700 --max=700 2>&1 | grep -c 'cool')"
stop
tap_equal "it ends as it should" 0 "$status"
tap_done
