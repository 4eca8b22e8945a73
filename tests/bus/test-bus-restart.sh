#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The real daemon on a kernel of the test's own, and somebody who keeps its
# file descriptors as a service manager does: killed, stopped, started on none
# of them, on some of them. What was attached stays attached, without a word to
# the kernel, or is allocated only.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"

ctl=$(program pasidctl)
work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
export LC_ALL=C.UTF-8
keeper=
first=0000:01:00.0 second=0000:02:00.0

cleanup() {
        exec 3>&- 4<&-
        [ -z "$keeper" ] || wait "$keeper" || true
        rm -rf "$work"
}
trap cleanup EXIT

# COMMAND...: to the keeper; prints its answer
ask() {
        echo "$*" >&3
        read -r answer <&4 || answer="error EPIPE"
        echo "$answer"
}

# WHAT EXPECTED COMMAND...
expect() {
        expect_what=$1 expect_wanted=$2
        shift 2
        tap_equal "$expect_what" "$expect_wanted" "$("$@" 2>&1)"
}

# HOW: one ends, and what is said to the kernel from then on is in $work/fake/log
end() {
        ask end "$1" >/dev/null
        : >"$work/fake/log"
}

start() { ask start | cut -d' ' -f1; }
states() { "$ctl" list --no-legend | awk '{ printf "%s%s", sep, $4; sep = " " }'; }
restored() { "$ctl" status | sed -n 's/^restored: *//p'; }
said() { sort "$work/fake/log" | xargs; }

chmod 755 "$work"
mkdir "$work/fake"
printf '0000:01:00.0 1 vfio-pci\n0000:02:00.0 2 vfio-pci\n' >"$work/fake/devices"
printf '[Daemon]\nReuseDelaySec=3600\n' >"$work/pasidd.conf"
mkfifo "$work/in" "$work/out"
"$top_builddir/tests/vm/guest/fd-keeper" "$top_builddir/tests/bus/pasidd-fake" --bus=none --listen="$PASIDD_ADDRESS" \
        --runtime-dir="$work/run" --state-dir="$work/state" --config="$work/pasidd.conf" --sysfs="$work/fake" \
        <"$work/in" >"$work/out" 2>"$work/log" &
keeper=$!
exec 3>"$work/in" 4<"$work/out"

expect "the daemon starts" ok start
expect "nothing is kept, and nothing was restored" "0 kept, 0 detached, 0 lost" restored
"$ctl" init one --mode mediated --device 0000:01:00.0
"$ctl" init both --mode mediated --device 0000:01:00.0 --device 0000:02:00.0
"$ctl" alloc one --min 10 --max 10 >/dev/null
"$ctl" alloc one --min 11 --max 11 >/dev/null
"$ctl" alloc both --min 20 --max 20 >/dev/null
"$ctl" attach one 10
"$ctl" attach both 20
expect "attached, and one is not" "attached allocated attached" states
expect "the file descriptors are kept" "ok device-0000-01-00.0 device-0000-02-00.0 iommufd" ask fds

for how in KILL KILL TERM KILL; do
        end "$how"
        expect "SIG$how, and it starts again" ok start
        expect "all are restored" "2 kept, 0 detached, 0 lost" restored
        expect "and are as before" "attached allocated attached" states
        # An attach to the page table that a number has does nothing; nothing was attached of the one that is allocated.
        expect "nothing is opened anew or detached" "adopt $first adopt $second adopt iommufd attach 10 $first \
attach 20 $first attach 20 $second detach 11 $first" said
        expect "the same are kept" "ok device-0000-01-00.0 device-0000-02-00.0 iommufd" ask fds
done

end KILL
mv "$work/pasidd.conf" "$work/aside"
expect "a start that fails" error start
mv "$work/aside" "$work/pasidd.conf"
expect "drops nothing" "ok device-0000-01-00.0 device-0000-02-00.0 iommufd" ask fds
expect "so the next one" ok start
expect "restores it all" "2 kept, 0 detached, 0 lost" restored

end KILL
ask lose device-0000-02-00.0 >/dev/null
expect "without one of the devices" ok start
expect "what was on both is detached" "1 kept, 1 detached, 0 lost" restored
expect "on the one that is left, too" "adopt $first adopt iommufd attach 10 $first detach 11 $first detach 20 $first \
detach 20 $first" said
expect "and allocated only" "attached allocated allocated" states
"$ctl" attach both 20
expect "it can be attached again" "attached allocated attached" states
expect "and all are kept again" "ok device-0000-01-00.0 device-0000-02-00.0 iommufd" ask fds

end KILL
printf '0000:01:00.0 1 vfio-pci\n' >"$work/fake/devices"
expect "with a device that is gone" ok start
expect "what was there is lost" "1 kept, 0 detached, 1 lost" restored
expect "for good" "attached allocated lost" states
expect "its file descriptor is dropped" "ok device-0000-01-00.0 iommufd" ask fds

end TERM
ask lose >/dev/null
expect "without any" ok start
expect "all are allocated only" "0 kept, 1 detached, 0 lost" restored
expect "and nothing is taken over" "" said
"$ctl" exit one
"$ctl" exit both
expect "it ends as it should" "ok 0" ask end TERM
tap_done
