# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# Two tenants on one device: each one's numbers reach its own memory and
# nothing else, for as long as they are attached, and not a moment longer.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

PAGE=4096
RW=3 READ=1 FIXED=4

bind_vfio "$WIDE" "$NARROW"
start_pasidd || exit
start_tenant a
start_tenant b

expect "a consumer of a" ok a init vm-a "$WIDE"
expect "a consumer of b" ok b init vm-b "$WIDE"
expect "a number for a, attached" "ok 100" a alloc 100 100 attach
expect "a number for b" "ok 200" b alloc 200 200
in_iommu "a's number is in the IOMMU's table" "$WIDE" 100 yes
in_iommu "b's is not, being allocated only" "$WIDE" 200 no
expect "b attaches it" ok b attach 200
in_iommu "and now it is" "$WIDE" 200 yes
expect "once only" "error EADDRINUSE" b attach 200
expect "memory of a" "ok 0" a memory 1048576 0x41
expect "memory of b" "ok 0" b memory 1048576 0x42
expect "mapped for a" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
expect "mapped for b at the same address" "ok 0x1000000" b map 200 0 0 1048576 0x1000000 $((RW | FIXED))
expect "read-only memory of a" "ok 1" a memory "$PAGE" 0x43
expect "mapped read-only" "ok 0x4000000" a map 100 1 0 "$PAGE" 0x4000000 $((READ | FIXED))

page_in_iommu "the IOMMU's table has a's page" "$WIDE" 100 0x1000000 yes
page_in_iommu "and the read-only one" "$WIDE" 100 0x4000000 yes
page_in_iommu "which b's has not" "$WIDE" 200 0x4000000 no
transfer "a's number reads a's memory" "done AAAA" "$WIDE" 100 read 0x1000000 4
transfer "b's number reads b's memory" "done BBBB" "$WIDE" 200 read 0x1000000 4
transfer "a's number writes" "done" "$WIDE" 100 write 0x1000100 xyz
expect "into a's memory" "ok 78" a byte 0 0x100
expect "not into b's" "ok 42" b byte 0 0x100
transfer "b's number writes" "done" "$WIDE" 200 write 0x1000200 xyz
expect "into b's memory" "ok 78" b byte 0 0x200
expect "not into a's" "ok 41" a byte 0 0x200
transfer "a number that nobody has" fault "$WIDE" 101 read 0x1000000 4
transfer "the device without a number" fault "$WIDE" - read 0x1000000 4
transfer "an address that is not mapped" fault "$WIDE" 100 read 0x8000000 4
transfer "an address that only a has" fault "$WIDE" 200 read 0x4000000 4
transfer "read-only memory is read" "done CCCC" "$WIDE" 100 read 0x4000000 4
transfer "read-only memory is not written" fault "$WIDE" 100 write 0x4000000 xyz
expect "and has not changed" "ok 43" a byte 1 0

expect "all of it in one call" "ok 300" b start 300 0 0x1000000
in_iommu "it is in the IOMMU's table" "$WIDE" 300 yes
transfer "and reads b's memory" "done BBBB" "$WIDE" 300 read 0x1000000 4
expect "freed" ok b free 300
transfer "and reaches it no more" fault "$WIDE" 300 read 0x1000000 4
expect "an address that is no page's" "error EINVAL" b start 301 0 0x1000001
in_iommu "leaves nothing in the IOMMU's table" "$WIDE" 301 no
expect "nor a number" "ok 301" b alloc 301 301

expect "unmapped" "ok $PAGE" a unmap 100 0x4000000 "$PAGE"
transfer "after Unmap" fault "$WIDE" 100 read 0x4000000 4
page_in_iommu "the IOMMU's table has that page no more" "$WIDE" 100 0x4000000 no
page_in_iommu "it has the other" "$WIDE" 100 0x1000000 yes
transfer "the rest is still there" "done AAAA" "$WIDE" 100 read 0x1000000 4
expect "detached" ok b detach 200
transfer "after Detach" fault "$WIDE" 200 read 0x1000000 4
in_iommu "after Detach the IOMMU has it no more" "$WIDE" 200 no
expect "detached twice" "error ENOLINK" b detach 200
expect "attached anew" ok b attach 200
transfer "the address space is empty" fault "$WIDE" 200 read 0x1000000 4
page_in_iommu "so the IOMMU's table has it" "$WIDE" 200 0x1000000 no
expect "mapped again" "ok 0x1000000" b map 200 0 0 1048576 0x1000000 $((RW | FIXED))
transfer "and read" "done BBBB" "$WIDE" 200 read 0x1000000 4
expect "an attached number is freed" ok a free 100
transfer "after Free" fault "$WIDE" 100 read 0x1000000 4
in_iommu "after Free" "$WIDE" 100 no
expect "it returns at once: pasidd detached it" "ok 100" a alloc 100 100
end_tenant b KILL
b_is_gone() { [ -z "$(iommu_table "$WIDE" 200)" ]; }
wait_for b_is_gone
tap_equal "a killed tenant's number goes" 0 $?
transfer "after the tenant's death" fault "$WIDE" 200 read 0x1000000 4
# shellcheck disable=SC2016
tap_equal "nothing of it is left" 1 "$(pasidctl list --json=short | jq length)"

# The kernel's address choice, a consumer on two devices, the narrow device's limits
expect "another consumer, on two devices" ok a init both "$WIDE" "$NARROW"
expect "one number for both" "ok 255" a alloc 255 255 attach
expect "memory for it" "ok 2" a memory "$PAGE" 0x44
ask a map 255 2 0 "$PAGE" 0 $RW
iova=${answer#ok }
page_in_iommu "the one's table has it" "$WIDE" 255 "$iova" yes
page_in_iommu "and so has the other's" "$NARROW" 255 "$iova" yes
transfer "on the one" "done DDDD" "$WIDE" 255 read "$iova" 4
transfer "and the other" "done DDDD" "$NARROW" 255 read "$iova" 4
expect "beyond the narrow one" "error ERANGE" a alloc 256 256
expect "its end" ok a exit
in_iommu "neither has the number after Exit" "$WIDE" 255 no
in_iommu "nor the other" "$NARROW" 255 no
transfer "on the one, after Exit" fault "$WIDE" 255 read "$iova" 4
transfer "on the other, after Exit" fault "$NARROW" 255 read "$iova" 4

end_tenant a
nothing_held() { [ "$(pasidctl devices --json=short | jq -c '[.[] | select(.held != "")] | length')" = 0 ]; }
wait_for nothing_held
tap_equal "no device is held at the end" 0 $?
tap_equal "pasidctl check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
tap_done
