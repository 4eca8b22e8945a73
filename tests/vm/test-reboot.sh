# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# The machine starts anew: persistent consumers have their numbers, reserved and
# attached nowhere; all others are gone.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

states() { pasidctl list "$1" --json=short | jq -c '[.[] | [.pasid, .state]]'; }

bind_vfio "$WIDE"
systemctl start pasidd.socket
if [ -z "$RESTARTED" ]; then
        tap_equal "a persistent consumer" "" "$(pasidctl init kept --hold=persistent --mode=mediated --device "$WIDE" 2>&1)"
        tap_equal "a number, attached" 1000 "$(pasidctl alloc kept --min=1000 --max=1000 --attach 2>&1)"
        tap_equal "in the IOMMU, too" yes "$([ -n "$(iommu_table "$WIDE" 1000)" ] && echo yes)"
        tap_equal "one with private data" 1001 "$(pasidctl alloc kept --min=1001 --max=1001 --private=rack-7 2>&1)"
        tap_equal "one of another consumer, until the machine ends" 2000 \
                "$(pasidctl init gone --hold=boot --mode=mediated --device "$WIDE" && pasidctl alloc gone --min=2000 --max=2000 --attach 2>&1)"
        restart_machine
fi
tap_equal "after the reboot both are reserved" '[[1000,"reserved"],[1001,"reserved"]]' "$(states kept)"
tap_equal "with what is private" 1 "$(pasidctl find 1001 | grep -c rack-7)"
tap_equal "attached nowhere" "" "$(iommu_table "$WIDE" 1000)"
tap_equal "the other consumer is gone" kept "$(pasidctl consumers --no-legend | awk '{ print $1 }')"
tap_equal "and its number can be had" 2000 "$(pasidctl init new --device "$WIDE" && pasidctl alloc new --min=2000 --max=2000 2>&1)"
pasidctl exit new
tap_equal "it can be attached again" "" "$(pasidctl attach kept 1000 2>&1)"
tap_equal "and is" '[[1000,"attached"],[1001,"reserved"]]' "$(states kept)"
tap_equal "in the IOMMU, too" yes "$([ -n "$(iommu_table "$WIDE" 1000)" ] && echo yes)"
tap_equal "pasidctl check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
tap_equal "its end" "" "$(pasidctl exit kept 2>&1)"
tap_equal "takes it out of the IOMMU" "" "$(iommu_table "$WIDE" 1000)"
systemctl stop pasidd.socket pasidd.service
tap_done
