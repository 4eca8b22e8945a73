# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# Pasidd is killed, stopped and replaced by another program while two devices
# read memory through numbers that it attached: none of the transfers fails,
# and afterwards all goes on as before. Without the file descriptors that
# somebody kept for it meanwhile nothing is attached any more.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

PAGE=4096
RW=3 FIXED=4
KILLS=25

printf '[Daemon]\nDeviceReleaseSec=2\n' >/run/pasidd.conf
keeper() { fd-keeper pasidd --config=/run/pasidd.conf --bus=none --listen=unix:path=/run/pasidd/pasidd.sock 2>>"$PASIDD_LOG"; }

# KILLED HOW [PROGRAM]: one pasidd ends, the next begins, and tenant a comes back
replace() {
        replace_how=$1
        shift
        ask c end "$replace_how"
        [ "${answer%% *}" = ok ] || return 1
        ask c start "$@"
        [ "${answer%% *}" = ok ] || return 1
        ask a reconnect
        [ "$answer" = ok ]
}

# NUMBER DEVICE PASID: a process that has the device read and read
start_reading() {
        mkfifo "/run/read.$1.in"
        dma "$2" "$3" repeat 0x1000000 64 <"/run/read.$1.in" >"/run/read.$1.out" 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
        eval "reader_$1=$!"
        # Open for as long as it is to read, by a process of its own: a shell's file descriptors end with 9.
        sleep 100000 >"/run/read.$1.in" 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
        eval "stopper_$1=$!"
}

has_begun() { grep -q begun "/run/read.$1.out"; }

# WHAT NUMBER
stop_reading() {
        eval "kill \$stopper_$2; wait \$reader_$2" 2>/dev/null
        stop_result=$(tail -n 1 "/run/read.$2.out")
        echo "# $1: $stop_result"
        tap_equal "$1: transfers that failed" "0 failed" "${stop_result#* done, }"
        tap_equal "$1: transfers were done" no "$([ "${stop_result%% done*}" -gt 100 ] && echo no || echo too few)"
        rm "/run/read.$2.in" "/run/read.$2.out"
}

restored() { pasidctl status --json=short | jq -c '[.[0] | .restored_kept, .restored_detached, .restored_lost]'; }

states() { pasidctl list --json=short | jq -c '[.[] | .state] | unique'; }

bind_vfio "$WIDE" "$NARROW" "$WIDE2"
mkdir -p /run/pasidd /var/lib/pasidd
start_tenant c keeper
ask c start
tap_equal "pasidd is ready" ok "${answer%% *}"
start_tenant a

expect "a consumer on two devices" ok a init vm "$WIDE" "$NARROW"
expect "a number for it, attached" "ok 100" a alloc 100 100 attach
expect "its memory" "ok 0" a memory 1048576 0x41
expect "mapped" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
expect "one that is allocated only" "ok 101" a alloc 101 101
expect "the file descriptors are kept" "ok device-0000-00-05.0 device-0000-00-06.0 iommufd" c fds
transfer "before" "done AAAA" "$WIDE" 100 read 0x1000000 4

start_reading 1 "$WIDE" 100
start_reading 2 "$NARROW" 100
wait_for has_begun 1 && wait_for has_begun 2
tap_equal "the devices read" 0 $?

killed=0
while [ $killed -lt $KILLS ] && replace KILL; do
        killed=$((killed + 1))
done
tap_equal "killed and started again" $KILLS $killed
tap_equal "pasidctl status says what was restored" "[1,0,0]" "$(restored)"
expect "the same file descriptors are kept" "ok device-0000-00-05.0 device-0000-00-06.0 iommufd" c fds
stopped=0
while [ $stopped -lt 5 ] && replace TERM; do
        stopped=$((stopped + 1))
done
tap_equal "stopped and started again" 5 $stopped
cp "$(command -v pasidd)" /run/pasidd.upgraded
replace TERM /run/pasidd.upgraded
tap_equal "another program in its place" 0 $?
ask c end TERM
tap_equal "it ends as it should" "ok 0" "$answer"
ask c start
tap_equal "and is started" ok "${answer%% *}"
expect "the client comes back" ok a reconnect

stop_reading "the wide device" 1
stop_reading "the narrow device" 2
tap_equal "the numbers are as before" '["allocated","attached"]' "$(states)"
tap_equal "pasidctl check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
transfer "after" "done AAAA" "$NARROW" 100 read 0x1000000 4
expect "what was mapped is unmapped" "ok 1048576" a unmap 100 0x1000000 1048576
transfer "after Unmap" fault "$WIDE" 100 read 0x1000000 4
expect "mapped again" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
transfer "and read" "done AAAA" "$WIDE" 100 read 0x1000000 4

# Killed in the midst of requests, at another moment each time
expect "a consumer for requests" ok a init busy "$WIDE2"
expect "memory for them" "ok 1" a memory "$PAGE" 0x42
start_reading 1 "$WIDE" 100
wait_for has_begun 1
killed=0 unknown=0
while [ $killed -lt $KILLS ]; do
        echo "cycle 1000000 1" >&5
        sleep "0.0$((killed * 37 % 90 + 10))"
        ask c end KILL
        read -r answer <&6
        [ "${answer#error}" = "$answer" ] || unknown=$((unknown + 1))
        ask c start
        ask a reconnect
        [ "$answer" = ok ] || break
        drift=$(pasidctl check 2>&1)
        if [ "$drift" != "$AGREES" ]; then
                echo "# after kill $killed: $drift"
                break
        fi
        killed=$((killed + 1))
done
tap_equal "killed in the midst of requests, and no drift" $KILLS $killed
tap_equal "each of which ended with it" $KILLS $unknown
stop_reading "meanwhile" 1
expect "its end" ok a exit
tap_equal "nothing of the requests is left" "[100,101]" "$(pasidctl list --json=short | jq -c '[.[] | select(.state != "cooling") | .pasid]')"
tap_equal "pasidctl check" "$AGREES" "$(pasidctl check 2>&1)"
tap_equal "the third device is closed" "ok device-0000-00-05.0 device-0000-00-06.0 iommufd" "$(ask c fds; echo "$answer")"

# Without what was kept
ask c lose
replace KILL
tap_equal "without the file descriptors it starts, too" 0 $?
tap_equal "pasidctl status says what was not" "[0,1,0]" "$(restored)"
tap_equal "numbers stay whose they are" '["allocated"]' "$(states)"
transfer "and reach nothing" fault "$WIDE" 100 read 0x1000000 4
in_iommu "not in the IOMMU's table" "$WIDE" 100 no
tap_equal "pasidctl check agrees" "$AGREES" "$(pasidctl check 2>&1)"

# What somebody else has detached is found.
expect "another consumer" ok a init other "$WIDE"
expect "a number, attached" "ok 200" a alloc 200 200 attach
expect "detached behind pasidd's back" ok c detach device-0000-00-05.0 200
pasidctl check >/run/drift 2>&1
tap_equal "pasidctl check ends with 1" 1 $?
tap_equal "and names the number" 1 "$(grep -c 200 /run/drift)"
sed 's/^/# /' /run/drift
expect "the number is freed" ok a free 200
tap_equal "and all agrees" "$AGREES" "$(pasidctl check 2>&1)"

# An unbind waits for every file descriptor of the device, those that are kept too.
expect "a consumer on the third device" ok a init late "$WIDE2"
expect "a number, attached" "ok 300" a alloc 300 300 attach
tap_equal "the device is kept" 1 "$(ask c fds; echo "$answer" | grep -c device-0000-00-08.0)"
unbind "$WIDE2" &
unbinder=$!
is_unbound() { [ -z "$(driver_of "$WIDE2")" ]; }
wait_for is_unbound
tap_equal "an unbind comes to its end" 0 $?
wait "$unbinder"
tap_equal "and the device is kept no more" 0 "$(ask c fds; echo "$answer" | grep -c device-0000-00-08.0)"

end_tenant a
nothing_held() { [ "$(pasidctl devices --json=short | jq -c '[.[] | select(.held != "")] | length')" = 0 ]; }
wait_for nothing_held
tap_equal "no device is held at the end" 0 $?
end_tenant c
tap_done
