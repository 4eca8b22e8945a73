# shellcheck shell=sh
# shellcheck disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: legacy
# An IOMMU without scalable mode: the kernel lets every attach of a PASID
# "succeed" there and do nothing, so pasidd must refuse the device.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

bind_vfio $WIDE
start_pasidd || exit
tap_equal "unusable" false "$(device_field $WIDE usable)"
reason=$(device_field $WIDE reason)
case $reason in
*"scalable mode"*"sm_on"*) tap_ok "says why, and what would help" ;;
*) tap_not_ok "says why, and what would help" "reason: $reason" ;;
esac
tap_equal "no number is left to give" 0 "$(device_field $WIDE max_pasid)"
start_tenant a
expect "no consumer there" "error EMEDIUMTYPE" a init vm "$WIDE"
expect "nor does anybody get it" "error EMEDIUMTYPE" a open "$WIDE"
end_tenant a
tap_done
