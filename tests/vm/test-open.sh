# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# Advisory mode: a tenant gets the device itself, alone, and attaches with
# libpasid's help; its death gives the device back.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

bind_vfio "$WIDE" "$TWIN_A"
start_pasidd || exit
start_tenant a
start_tenant b
expect "a opens the device" "ok 1048575" a open "$WIDE"
tap_equal "which is known" '"tenant"' "$(device_field "$WIDE" held)"
expect "b can't" "error EBUSY" b open "$WIDE"
expect "b's mediated consumer" ok b init vm-b "$WIDE"
expect "can't attach there either" "error EBUSY" b alloc 300 300 attach
expect "an address space" "ok 2" a ioas
expect "attach" ok a vfio-attach 77 2
in_iommu "the IOMMU has it" "$WIDE" 77 yes
expect "no silent replacement" "error EADDRINUSE" a vfio-attach 77 2
expect "no PASID 0" "error EDOM" a vfio-attach 0 2
expect "nothing beyond 20 bits" "error EDOM" a vfio-attach 1048576 2
expect "no unknown address space" "error EINVAL" a vfio-attach 78 9999
in_iommu "of which nothing is left" "$WIDE" 78 no
expect "no detach of what is not attached" "error ENOLINK" a vfio-detach 78
expect "detach" ok a vfio-detach 77
in_iommu "the IOMMU has it no more" "$WIDE" 77 no
expect "attach again" ok a vfio-attach 77 2
end_tenant a KILL
is_free() { [ "$(device_field "$WIDE" held)" = '""' ]; }
wait_for is_free
tap_equal "the death of a gives the device back" 0 $?
in_iommu "and took its number out of the IOMMU" "$WIDE" 77 no
expect "now b attaches" "ok 300" b alloc 300 300 attach
in_iommu "the IOMMU has b's" "$WIDE" 300 yes
expect "b exits" ok b exit
expect "b opens it" "ok 1048575" b open "$WIDE"
expect "twice is once too often" "error EBUSY" b open "$WIDE"
end_tenant b

start_tenant c
expect "a device without the capability" "error EMEDIUMTYPE" c open "$PLAIN"
expect "one that is not there" "error ENODEV" c open 0000:00:1f.7
expect "no address" "error EINVAL" c open nonsense
end_tenant c
stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
tap_done
