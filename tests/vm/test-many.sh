# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# Limit: 900
# Many attachments at once, and many one after the other: nothing grows. With
# second-stage tables, where two processors get in each other's way, fewer. More:
# PASIDD_VM_APPEND=cycles=100000 tests/vm/run many
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

CYCLES=$(boot_parameter cycles)
case $(boot_parameter pasidd.machine) in
first) : "${CYCLES:=10000}" ;;
*) : "${CYCLES:=500}" ;;
esac
ATTACHED=1000

bind_vfio "$WIDE"
# The history grows by what it is there for, in the table, in tmpfs; up to its limit.
printf '[Limits]\nHistoryEntries=100\n' >/run/pasidd.conf
start_pasidd --config=/run/pasidd.conf || exit
start_tenant a
expect "a consumer" ok a init many "$WIDE"

# COUNT: attaches as many more; false if one failed
attach_more() {
        attach_left=$1
        while [ "$attach_left" -gt 0 ]; do
                ask a alloc 0 0 attach
                case $answer in
                ok*) ;;
                *)
                        echo "# $answer"
                        return 1
                        ;;
                esac
                attach_left=$((attach_left - 1))
        done
}
tables() {
        find "/sys/kernel/debug/iommu/intel/$WIDE" -mindepth 2 -name domain_translation_struct | wc -l
}
attach_more $ATTACHED
tap_equal "$ATTACHED numbers attached" 0 $?
tap_equal "all of them in the IOMMU's table" $ATTACHED "$(tables)"
tap_equal "as pasidd has it" "$AGREES" "$(pasidctl check 2>&1)"
expect "Exit with all of them attached" ok a exit
tap_equal "none left in the IOMMU's table" 0 "$(tables)"

# File descriptors and memory, of pasidd and of the kernel, before and after the rest
descriptors() {
        find "/proc/$pasidd/fd" -type l | wc -l
}
resident() {
        awk '$1 == "VmRSS:" { print $2 }' "/proc/$pasidd/status"
}
free_memory() {
        sync
        echo 3 >/proc/sys/vm/drop_caches
        awk '$1 == "MemFree:" { print $2 }' /proc/meminfo
}
expect "a consumer again" ok a init many "$WIDE"
expect "memory" "ok 0" a memory 65536 0x41
expect "cycles to warm up" ok a cycle $((CYCLES / 20)) 0
before_id=$(next-id "$pasidd") before_descriptors=$(descriptors) before_resident=$(resident) before_free=$(free_memory)
expect "$CYCLES cycles of alloc, attach, map, detach, free" ok a cycle "$CYCLES" 0
tap_equal "no more objects of the kernel's: the next has the same id" "$before_id" "$(next-id "$pasidd")"
tap_equal "no more file descriptors" "$before_descriptors" "$(descriptors)"
after_resident=$(resident) after_free=$(free_memory)
echo "# pasidd: $before_resident KiB before, $after_resident KiB after; free in the kernel: $before_free KiB, $after_free KiB"
grown=$((after_resident - before_resident))
tap_equal "memory has not grown by half a MiB" yes "$([ "$grown" -lt 512 ] && echo yes)"
# The smallest object of the kernel's that a cycle makes, an IOAS, has some hundred bytes; a page table has a page.
lost=$((before_free - after_free))
tap_equal "the kernel has not lost 128 bytes a cycle, and 256 KiB" yes "$([ "$lost" -lt $((CYCLES / 8 + 256)) ] && echo yes)"
expect "Exit" ok a exit
tap_equal "nothing left in the IOMMU's table" 0 "$(tables)"
tap_equal "check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
end_tenant a
stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
tap_done
