# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# The machine by itself, with the kernel's bare interface and no pasidd: the
# devices do what an attachment lets them do and nothing else. Where this fails
# the other tests of DMA prove nothing.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

bind_vfio "$WIDE" "$NARROW"

tap_equal "a number of 20 bits" "done hello
done
done hello
fault no-right
fault no-page
fault no-pasid
fault no-pasid
fault no-pasid
memory WORLD" "$(bare "$WIDE" 1048575 0x1000000 hello sh -c "
        dma $WIDE 1048575 read 0x1000000 5
        dma $WIDE 1048575 write 0x1000000 WORLD
        dma $WIDE 1048575 read 0x1001000 5
        dma $WIDE 1048575 write 0x1001000 x
        dma $WIDE 1048575 read 0x1002000 1
        dma $WIDE 1048574 read 0x1000000 5
        dma $WIDE - read 0x1000000 5
        dma $WIDE2 1048575 read 0x1000000 5 2>&1
")"
tap_equal "after its end" "fault no-pasid" "$(dma "$WIDE" 1048575 read 0x1000000 5)"
tap_equal "a transfer over two pages" 'done \x00\x00he
memory hello' "$(bare "$NARROW" 255 0x7fffff0000 hello dma "$NARROW" 255 read 0x7fffff0ffe 4)"
tap_equal "one that ends where nothing is mapped" "fault no-page
memory x" "$(bare "$WIDE" 5 0x1000000 x dma "$WIDE" 5 read 0x1001fff 2)"
tap_equal "the IOMMU's own table shows both pages" 2 "$(bare "$WIDE" 17 0x1000000 x sh -c "
        . /tests/kit.sh; iommu_table $WIDE 17" | grep -cE '^0x0*100[01] ')"
tap_equal "and shows it no more" "" "$(iommu_table "$WIDE" 17)"
reset_done=no
! echo 1 >"$pci/devices/$WIDE/reset" || reset_done=yes
tap_equal "a reset" yes "$reset_done"
tap_equal "and again" "done hello
memory hello" "$(bare "$WIDE" 17 0x1000000 hello dma "$WIDE" 17 read 0x1000000 5)"
tap_done
