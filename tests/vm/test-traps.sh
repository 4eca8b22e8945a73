# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# What the kernel would let pass in silence, and what it refuses, tried
# through pasidd: each has an error of its own, and leaves nothing behind.
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
expect "a consumer" ok a init vm "$WIDE"
expect "PASID 0" "error EDOM" a alloc 0 1
expect "beyond 20 bits" "error EDOM" a alloc 1048576 1048576
expect "attach of what is not allocated" "error ENOENT" a attach 77
expect "attach of PASID 0" "error EDOM" a attach 0
expect "attach beyond 20 bits" "error EDOM" a attach 1048576
expect "attach of the number that stands for none" "error EDOM" a attach 4294967295
expect "detach of PASID 0" "error EDOM" a detach 0
expect "detach beyond 20 bits" "error EDOM" a detach 1048576
expect "detach of what is not allocated" "error ENOENT" a detach 77
expect "a number" "ok 10" a alloc 10 10
expect "memory" "ok 0" a memory 1048576 0x41
expect "map on an unattached number" "error ENOLINK" a map 10 0 0 "$PAGE" 0x1000000 $((RW | FIXED))
expect "unmap on an unattached number" "error ENOLINK" a unmap 10 0x1000000 "$PAGE"
expect "detach of an unattached number" "error ENOLINK" a detach 10
expect "attach" ok a attach 10
expect "a second attach does not replace the first" "error EADDRINUSE" a attach 10

expect "a read-only descriptor" "ok 1" a memory "$PAGE" 0x42 readonly
expect "is not mapped writeable" "error EINVAL" a map 10 1 0 "$PAGE" 0x2000000 $((RW | FIXED))
expect "but for reading" "ok 0x2000000" a map 10 1 0 "$PAGE" 0x2000000 $((READ | FIXED))
expect "write-sealed memory" "ok 2" a memory "$PAGE" 0x43 write-sealed
expect "is not mapped writeable either" "error EINVAL" a map 10 2 0 "$PAGE" 0x3000000 $((RW | FIXED))
expect "but for reading, too" "ok 0x3000000" a map 10 2 0 "$PAGE" 0x3000000 $((READ | FIXED))
transfer "which is all that can be done" fault "$WIDE" 10 write 0x3000000 xyz
expect "memory that could shrink" "ok 3" a memory "$PAGE" 0x44 unsealed
expect "is refused" "error EINVAL" a map 10 3 0 "$PAGE" 0x4000000 $((READ | FIXED))
expect "a file on tmpfs" "ok 4" a memory "$PAGE" 0x45 file:/tmp/memory
expect "is mapped" "ok 0x5000000" a map 10 4 0 "$PAGE" 0x5000000 $((RW | FIXED))
expect "memory that was never written" "ok 5" a memory 65536 0 hole
expect "is mapped" "ok 0x5100000" a map 10 5 0 65536 0x5100000 $((RW | FIXED))
transfer "and reads as zeros" 'done \x00\x00\x00\x00' "$WIDE" 10 read 0x5108000 4
transfer "it is written to" "done" "$WIDE" 10 write 0x5108000 xyz
expect "and has that" "ok 78" a byte 5 0x8000
echo 4 >/proc/sys/vm/nr_hugepages
expect "a huge page" "ok 6" a memory 2097152 0x46 huge
expect "is mapped" "ok 0x5200000" a map 10 6 0 2097152 0x5200000 $((RW | FIXED))
transfer "and read at its end" "done FFFF" "$WIDE" 10 read 0x53ffffc 4
expect "and unmapped" "ok 2097152" a unmap 10 0x5200000 2097152
pinned=$(pasidctl consumers --json=short | jq '.[] | select(.name == "vm") | .pinned_bytes')
expect "a device file" "error EINVAL" a map 10 fd:/dev/zero 0 "$PAGE" 0x6000000 $((READ | FIXED))
expect "a file of the root's ramfs" "error EINVAL" a map 10 fd:/init 0 "$PAGE" 0x6000000 $((READ | FIXED))

expect "no length" "error EINVAL" a map 10 0 0 0 0x6000000 $((READ | FIXED))
expect "part of a page" "error EINVAL" a map 10 0 0 100 0x6000000 $((READ | FIXED))
expect "an offset inside a page" "error EINVAL" a map 10 0 100 "$PAGE" 0x6000000 $((READ | FIXED))
expect "an address inside a page" "error EINVAL" a map 10 0 0 "$PAGE" 0x6000100 $((READ | FIXED))
expect "past the end" "error EINVAL" a map 10 0 1048576 "$PAGE" 0x6000000 $((READ | FIXED))
expect "across the end" "error EINVAL" a map 10 0 1044480 8192 0x6000000 $((READ | FIXED))
expect "neither to read nor to write" "error EINVAL" a map 10 0 0 "$PAGE" 0x6000000 $FIXED
expect "an unknown flag" "error EINVAL" a map 10 0 0 "$PAGE" 0x6000000 $((READ | FIXED | 64))
expect "an address without fixing it" "error EINVAL" a map 10 0 0 "$PAGE" 0x6000000 $READ
expect "an address beyond the width" "error EINVAL" a map 10 0 0 "$PAGE" 0x1000000000000000 $((READ | FIXED))
expect "over what is mapped" "error EADDRINUSE" a map 10 0 0 "$PAGE" 0x5000000 $((READ | FIXED))
tap_equal "nothing of what was refused is pinned" "$pinned" "$(
        pasidctl consumers --json=short | jq '.[] | select(.name == "vm") | .pinned_bytes')"
page_in_iommu "or mapped" "$WIDE" 10 0x6000000 no
expect "two pages" "ok 0x7000000" a map 10 0 0 8192 0x7000000 $((RW | FIXED))
expect "of which one can't go" "error EINVAL" a unmap 10 0x7000000 "$PAGE"
expect "nothing to unmap" "error EINVAL" a unmap 10 0x9000000 "$PAGE"
expect "sealed memory does not shrink" "error EPERM" a truncate 0 0
transfer "and after all that the mapping is whole" "done AAAA" "$WIDE" 10 read 0x7001000 4

# A number of somebody else, and what an advisory consumer may not
start_tenant b
expect "a consumer of b" ok b init vm-b "$WIDE"
expect "the same number for b" "error EADDRINUSE" b alloc 10 10
expect "attaching it" "error ENOENT" b attach 10
expect "freeing it" "error ENOENT" b free 10
pasidctl init advisory --device "$WIDE"
pasidctl alloc advisory --min 20 --max 20 >/dev/null
tap_equal "attach for an advisory consumer" 1 "$(pasidctl attach advisory 20 2>&1 | grep -c advisory)"
pasidctl exit advisory
expect "b ends" ok b exit
end_tenant b

tap_equal "check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
expect "a ends" ok a exit
end_tenant a
stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
tap_done
