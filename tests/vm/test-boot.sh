# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# The kernel of the guest has what pasidd stands on, and the devices are what
# tests/vm/run says: without this no other test means anything.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

# ADDRESS: the width of its PASIDs by its PASID capability, read beside pasidd; 0 if it has none
capability_width() {
        od -A n -t u2 -v -j $((0x120)) -N 6 "$pci/devices/$1/config" | awk '{ print $1 == 27 ? int($3 / 256) : 0 }'
}

group_of() {
        basename "$(readlink "$pci/devices/$1/iommu_group")"
}

tap_none "/dev/iommu is there" "$([ -c /dev/iommu ] || echo "no such device node")"
tap_equal "the IOMMU has PASIDs of 20 bits" "1 19" "$(
        ecap=0x$(cat /sys/class/iommu/dmar0/intel-iommu/ecap)
        echo "$((ecap >> 40 & 1)) $((ecap >> 35 & 31))")"
tap_equal "the devices have the widths that they should" "20 8 0 20 20 20" "$(
        for address in $DEVICES; do capability_width "$address"; done | paste -s -d ' ')"

bind_vfio $WIDE
tap_equal "vfio-pci takes the device" "vfio-pci" "$(driver_of $WIDE)"
tap_none "vfio has a character device for it" "$(
        node=/dev/vfio/devices/$(ls "$pci/devices/$WIDE/vfio-dev")
        [ -c "$node" ] || echo "no $node")"
tap_equal "the other wide device is in a group of its own" "1" "$(
        for address in $DEVICES; do group_of "$address"; done | grep -cx "$(group_of $WIDE2)")"
tap_equal "the twins share a group" "$(group_of $TWIN_A)" "$(group_of $TWIN_B)"
tap_equal "the IOMMU stops a device with nothing attached" "fault no-pasid" "$(dma $WIDE 17 read 0x1000 4)"
tap_equal "a number beyond the device's width is no request" "pasid-too-wide" "$(
        bind_vfio $NARROW && dma $NARROW 256 read 0x1000 4)"
tap_equal "a device without the capability sends no PASID" "pasid-disabled" "$(
        bind_vfio $PLAIN && dma $PLAIN 1 read 0x1000 4)"
tap_none "the kernel has nothing to complain about" "$(dmesg -r | grep -E '^<[0-3]>' || true)"
tap_done
