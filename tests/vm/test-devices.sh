# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# A device's life under pasidd: reset, unbind while numbers are attached,
# a new driver, a new consumer; and whoever waits for it waits not for ever.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

PAGE=4096
RW=3 FIXED=4

printf '[Daemon]\nDeviceReleaseSec=5\n' >/run/pasidd.conf
start_pasidd --config=/run/pasidd.conf || exit
tap_equal "without a driver it is unusable" false "$(device_field "$WIDE" usable)"
bind_vfio "$WIDE" "$WIDE2"
is_usable() { [ "$(device_field "$WIDE" usable)" = true ]; }
wait_for is_usable
tap_equal "pasidd hears of the new driver" 0 $?

start_tenant a
expect "a consumer" ok a init vm "$WIDE"
expect "a number, attached" "ok 10" a alloc 10 10 attach
expect "memory" "ok 0" a memory 65536 0x41
expect "mapped" "ok 0x1000000" a map 10 0 0 65536 0x1000000 $((RW | FIXED))
transfer "DMA" "done AAAA" "$WIDE" 10 read 0x1000000 4
tap_equal "the device is held" '"mediated"' "$(device_field "$WIDE" held)"

reset_device() { echo 1 >"$pci/devices/$WIDE/reset"; }
reset_device
tap_equal "a reset" 0 $?
transfer "keeps the attachment" "done AAAA" "$WIDE" 10 read 0x1000000 4

# Unbind: the owner is told, has its time, and then the device goes.
start_monitor
begin=$(date +%s)
unbind "$WIDE" &
unbinder=$!
is_requested() { grep -q requested /run/news; }
wait_for is_requested
tap_equal "the owner is told" 0 $?
transfer "until the time is over its DMA works" "done AAAA" "$WIDE" 10 read 0x1000000 4
wait "$unbinder"
tap_equal "the unbind comes to its end" 0 $?
took=$(($(date +%s) - begin))
echo "# unbind waited $took s of the 5 s that were set"
tap_equal "after the time that was set" yes "$([ "$took" -ge 4 ] && [ "$took" -lt 25 ] && echo yes)"
is_lost() { [ "$(pasidctl list --json=short | jq -r '.[0].state')" = lost ]; }
wait_for is_lost
tap_equal "the number is lost" 0 $?
has_news() { grep -q lost /run/news; }
wait_for has_news
tap_equal "and that is told" 0 $?
stop_monitor
tap_equal "no driver is left" "" "$(driver_of "$WIDE")"

bind_vfio "$WIDE"
wait_for is_usable
tap_equal "bound again it is usable" 0 $?
transfer "nothing is revived" fault "$WIDE" 10 read 0x1000000 4
expect "not by Attach either" "error ENXIO" a attach 10
expect "nor by a new number" "error ENXIO" a alloc 11 11
start_tenant b
expect "a new consumer" ok b init vm-b "$WIDE"
expect "the lost number is not given to it" "error EADDRINUSE" b alloc 10 10
expect "another is" "ok 12" b alloc 12 12 attach
expect "the lost one is freed" ok a free 10
expect "and cools: nobody has proven it detached" "error EAGAIN" b alloc 10 10

# Who lets go at once is not waited for, however long they may take.
printf '[Daemon]\nDeviceReleaseSec=10min\n' >/run/pasidd.conf
kill -HUP "$pasidd"
is_reloaded() { grep -q "Settings reloaded" "$PASIDD_LOG"; }
wait_for is_reloaded
tap_equal "another time is set" 0 $?
expect "memory of b" "ok 0" b memory "$PAGE" 0x42
expect "mapped" "ok 0x1000000" b map 12 0 0 "$PAGE" 0x1000000 $((RW | FIXED))
start_monitor
unbind "$WIDE" &
unbinder=$!
wait_for is_requested
stop_monitor
expect "b detaches" ok b detach 12
is_unbound() { [ -z "$(driver_of "$WIDE")" ]; }
wait_for is_unbound
tap_equal "the unbind ends with the last attachment" 0 $?
wait "$unbinder"
bind_vfio "$WIDE"

# Nothing attached: nobody to wait for. And a device that is pulled out and put back.
expect "another consumer" ok b init vm-c "$WIDE2"
expect "with a number" "ok 30" b alloc 30 30
remove_device() { echo 1 >"$pci/devices/$WIDE2/remove"; }
remove_device
tap_equal "a device is removed" 0 $?
is_gone() { pasidctl list --json=short | jq -e '.[] | select(.pasid == 30 and .state == "lost")' >/dev/null; }
wait_for is_gone
tap_equal "its number is lost" 0 $?
echo 1 >"$pci/rescan"
bind_vfio "$WIDE2"
is_back() { [ "$(device_field "$WIDE2" usable)" = true ]; }
wait_for is_back
tap_equal "it is back" 0 $?
tap_equal "its number is lost still" '"lost"' "$(pasidctl list --json=short | jq -c '.[] | select(.pasid == 30) | .state')"
end_tenant a
end_tenant b
stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
tap_done
