# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first
# Two functions of one IOMMU group, and what may not be there at all.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

bind_vfio "$TWIN_A" "$TWIN_B" "$WIDE"

# Functions share a group because they have no ACS, and there Linux does not turn PASIDs on: an attach would do nothing.
start_pasidd || exit
start_tenant a
expect "a function without ACS is not opened" "error EMEDIUMTYPE" a open "$TWIN_A"
expect "nor for a consumer" "error EMEDIUMTYPE" a init vm-a "$TWIN_A"
end_tenant a
stop_pasidd

# What the kernel makes of a group of several is seen as if they were on: bit 0 of the capability's control register.
turn_on() {
        for address; do
                printf '\001' | dd of="$pci/devices/$address/config" bs=1 seek=$((0x126)) conv=notrunc 2>/dev/null
        done
}
turn_on "$TWIN_A" "$TWIN_B"
start_pasidd || exit
start_tenant a
start_tenant b
expect "a opens one function for itself" "ok 1048575" a open "$TWIN_A"
expect "b's consumer on the other" ok b init vm-b "$TWIN_B"
expect "can't attach: the group is somebody else's" "error EBUSY" b alloc 5 5 attach
expect "of which nothing is left" "ok 5" b alloc 5 5
end_tenant a
is_free() { [ "$(device_field "$TWIN_A" held)" = '""' ]; }
wait_for is_free
unbind "$TWIN_A"
is_alone() { [ "$(driver_of "$TWIN_A")" = "" ]; }
wait_for is_alone
expect "when it is gone b attaches" ok b attach 5
expect "b ends" ok b exit
end_tenant b
stop_pasidd

# One consumer on both: a number has to have the same page table there.
bind_vfio "$TWIN_A"
turn_on "$TWIN_A" "$TWIN_B"
start_pasidd || exit
start_tenant a
expect "a consumer on both" ok a init twins "$TWIN_A" "$TWIN_B"
expect "a number on both" "ok 7" a alloc 7 7 attach
expect "memory for it" "ok 0" a memory 4096 0x41
expect "mapped" "ok 0x1000000" a map 7 0 0 4096 0x1000000 7
turn_on "$TWIN_A" "$TWIN_B" # opening them has reset them
transfer "read by the one" "done AAAA" "$TWIN_A" 7 read 0x1000000 4
transfer "and by the other" "done AAAA" "$TWIN_B" 7 read 0x1000000 4
expect "detached" ok a detach 7
transfer "from the one" fault "$TWIN_A" 7 read 0x1000000 4
transfer "and from the other" fault "$TWIN_B" 7 read 0x1000000 4
expect "its end" ok a exit
end_tenant a
stop_pasidd

# No iommufd, as on a kernel without it
mv /dev/iommu /dev/iommu.away
start_pasidd || exit
start_tenant a
ask a init vm "$WIDE"
expect "without /dev/iommu the device can't be used" "error EMEDIUMTYPE" a alloc 6 6 attach
expect "and the number is not held" "ok 6" a alloc 6 6
end_tenant a
stop_pasidd
mv /dev/iommu.away /dev/iommu
start_pasidd || exit
start_tenant a
expect "with it" ok a init vm "$WIDE"
expect "it can" "ok 6" a alloc 6 6 attach

# Quotas, and a tenant that dies between Alloc and Map
expect "memory" "ok 0" a memory 65536 0x41
end_tenant a KILL
nothing_left() { [ "$(pasidctl list --json=short | jq length)" = 0 ] && [ -z "$(iommu_table "$WIDE" 6)" ]; }
wait_for nothing_left
tap_equal "a tenant that dies between Alloc and Map leaves nothing" 0 $?
stop_pasidd
printf '[Limits]\nPinnedBytesPerConsumer=8192\n' >/run/pasidd.conf
start_pasidd --config=/run/pasidd.conf || exit
start_tenant a
expect "a consumer with 8192 bytes to pin" ok a init vm "$WIDE"
expect "a number" "ok 7" a alloc 7 7 attach
expect "memory" "ok 0" a memory 65536 0x41
expect "three pages are too many" "error EDQUOT" a map 7 0 0 12288 0x1000000 7
expect "two are not" "ok 0x1000000" a map 7 0 0 8192 0x1000000 7
expect "one more is" "error EDQUOT" a map 7 0 0 4096 0x2000000 7
expect "one is unmapped as a whole" "ok 8192" a unmap 7 0x1000000 8192
expect "and there is room again" "ok 0x2000000" a map 7 0 0 4096 0x2000000 7
end_tenant a
stop_pasidd
tap_done
