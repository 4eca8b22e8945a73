#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The examples in C and the program in README.md, run: what each prints, how it
# ends, that it leaves nothing behind, and what it says without a daemon. That
# advisory attaches needs a kernel that does; here it meets one that can't.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"

work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
export LC_ALL=C.UTF-8
examples=$top_builddir/doc/examples
daemon=
watcher=
device=0000:01:00.0

cleanup() {
        exec 3>&-
        [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || true
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

is_over() { [ -z "$("$ctl" consumers --no-legend)" ]; }
# The first PASID as N, the one after it as N+1
by_n() {
        awk 'function by_n(pasid) { if (n == "") n = pasid; return pasid == n ? "N" : "N+" (pasid - n) }
                match($0, /(PASID |got |^)[0-9]+/) {
                        pasid = word = substr($0, RSTART, RLENGTH); sub(/.* /, "", pasid); sub(/[0-9]+/, by_n(pasid), word)
                        $0 = substr($0, 1, RSTART - 1) word substr($0, RSTART + RLENGTH)
                } { print }'
}
# WHAT STATUS OUTPUT COMPLAINT EXAMPLE [ARGUMENT...]: output as of by_n; the complaint is a pattern for its only line
run() {
        what=$1 status=$2 output=$3 complaint=$4 example=$5
        shift 5
        got=0
        timeout 20 "$examples/$example" "$@" </dev/null >"$work/out" 2>"$work/err" || got=$?
        tap_equal "$what" "$status $output" "$got $(by_n <"$work/out")"
        if [ -z "$complaint" ]; then
                tap_none "$what: without a complaint" "$(cat "$work/err")"
        else
                tap_equal "$what: what it complains of" "1 1" "$(wc -l <"$work/err") $(grep -c -e "$complaint" "$work/err")"
        fi
}
nothing_is_left() {
        await is_over || true
        tap_none "of it nothing is left" "$("$ctl" consumers --no-legend)"
}

printf '[Daemon]\nReuseDelaySec=0\n' >"$work/pasidd.conf"
start_daemon

run "README.md" 0 "PASID N" "" first
nothing_is_left
run "alloc" 0 "got N; here it would be attached to a device
N was for queue 0
N is allocated" "" alloc
run "alloc on a device" 0 "got N; here it would be attached to a device
N was for queue 0
N is allocated" "" alloc $device
run "alloc on what is no device" 1 "" "0000:77:00.0" alloc 0000:77:00.0
nothing_is_left
"$ctl" init other
"$ctl" alloc other >/dev/null
run "range of three" 0 "virtual function 0: PASID N
virtual function 1: PASID N+1
virtual function 2: PASID N+2" "" range 3
tap_equal "which a mask of two bits matches" 0 $(($(sed -n '1s/.* //p' "$work/out") % 4))
run "range of the usual count" 0 "virtual function 0: PASID N
$(for i in 1 2 3 4 5 6 7; do echo "virtual function $i: PASID N+$i"; done)" "" range
run "range of too many" 1 "" "1..1048575" range 1048576
run "range of more than are free" 1 "" "1048575" range 1048575
"$ctl" exit other
run "retry" 0 "got N" "" retry
nothing_is_left

mkfifo "$work/input"
"$examples/events" <"$work/input" >"$work/events" 2>"$work/err" &
watcher=$!
exec 3>"$work/input"
sees() { "$ctl" run --count 0 --name early true && [ -s "$work/events" ]; }
await sees || true
"$ctl" init vm
"$ctl" alloc vm --min 7 --max 8 --count 2 >/dev/null
"$ctl" free vm 7
"$ctl" exit vm
vm_went() { grep -q '^vm went$' "$work/events"; }
await vm_went || true
echo >&3
exec 3>&-
got=0
wait $watcher || got=$?
watcher=
tap_equal "events" "0 vm came
vm got 7
vm got 8
vm gave up 7: freed
vm gave up 8: exit
vm went" "$got $(grep '^vm ' "$work/events")"
tap_none "events: without a complaint" "$(cat "$work/err")"

kill "$daemon"
wait "$daemon" || true
daemon=
for example in advisory alloc events mediated range retry; do
        case $example in
        advisory | mediated) run "$example without a daemon" 1 "" "^No pasidd: ." $example $device ;;
        *) run "$example without a daemon" 1 "" "^No pasidd: ." $example ;;
        esac
done
run "README.md without a daemon" 1 "" . first
for example in advisory mediated; do
        run "how to call $example" 1 "" "^Usage: .*$example PCI-ADDRESS" $example
done

# With a kernel of the test's own, where a device is needed
rm -rf "$work/run" "$work/state"
mkdir "$work/fake"
echo "$device 1 vfio-pci" >"$work/fake/devices"
"$top_builddir/tests/bus/pasidd-fake" --bus=none --listen="$PASIDD_ADDRESS" --runtime-dir="$work/run" --state-dir="$work/state" \
        --config="$work/pasidd.conf" --sysfs="$work/fake" --log-level=err 2>"$work/log" &
daemon=$!
if ! await answers; then
        tap_not_ok "the daemon starts" "$(cat "$work/log")"
        tap_done
fi
run "mediated" 0 "PASID N: 1048576 bytes at 0x100000" "" mediated $device
tap_equal "attached, mapped, and detached" "attach map detach" "$(grep -oE '^(attach|map|detach)' "$work/fake/log" | xargs)"
run "mediated on what is no device" 1 "" "0000:77:00.0" mediated 0000:77:00.0
run "advisory" 1 "" "^The device cannot be used: ." advisory $device
tap_equal "which was given to it" "tenant $device" "$(grep '^tenant' "$work/fake/log")"
run "advisory on what is no device" 1 "" "0000:77:00.0" advisory 0000:77:00.0
nothing_is_left
tap_done
