# shellcheck shell=sh
# shellcheck disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# pasidd finds the devices of a real kernel, and says of each that it can't use
# why that is and what would help.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

# NAME ADDRESS PATTERN: it is unusable for a reason like that
refused() {
        tap_equal "$1: unusable" false "$(device_field "$2" usable)"
        reason=$(device_field "$2" reason)
        # shellcheck disable=SC2254
        case $reason in
        $3) tap_ok "$1: says why" ;;
        *) tap_not_ok "$1: says why" "reason: $reason" ;;
        esac
}

bind_vfio $WIDE $NARROW $PLAIN $TWIN_A
echo pci-stub >"$pci/devices/$WIDE2/driver_override"
echo $WIDE2 >"$pci/drivers_probe"
start_pasidd || exit

tap_equal "width 20: usable" true "$(device_field $WIDE usable)"
tap_equal "width 20: largest number" 1048575 "$(device_field $WIDE max_pasid)"
tap_equal "width 20: driver" '"vfio-pci"' "$(device_field $WIDE driver)"
tap_equal "width 20: group" "$(basename "$(readlink "$pci/devices/$WIDE/iommu_group")")" "$(device_field $WIDE iommu_group)"
tap_equal "width 20: width of the IOMMU" 20 "$(device_field $WIDE iommu_width)"
tap_equal "width 8: usable" true "$(device_field $NARROW usable)"
tap_equal "width 8: largest number" 255 "$(device_field $NARROW max_pasid)"
tap_equal "width 8: width of the device" 8 "$(device_field $NARROW pci_width)"
refused "no capability" $PLAIN '*no PASID capability*'
refused "another driver" $WIDE2 '*it is bound to pci-stub*vfio-pci*'
refused "without ACS, so that Linux has not turned PASIDs on" $TWIN_A '*has not turned PASIDs on*ACS*'
refused "without that and without a driver" $TWIN_B '*has not turned PASIDs on*no driver bound*'
tap_equal "a device that the kernel's own driver has: unusable" false "$(device_field 0000:00:03.0 usable)"
tap_equal "one line on stderr: nothing wrong" "" "$(pasidctl devices 2>&1 >/dev/null)"
unbind $WIDE2
has_no_driver() { [ "$(device_field "$WIDE2" driver)" = '""' ]; }
wait_for has_no_driver
refused "no driver" $WIDE2 '*no driver is bound*vfio-pci*'
stop_pasidd
tap_equal "it ends as it should" 0 $?
tap_done
