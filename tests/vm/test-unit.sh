# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# pasidd as its unit runs it: under systemd, on the real system bus, in the
# sandbox, where it must still see and reach the devices.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

has_owner() {
        busctl --system status org.pasidd1 >/dev/null 2>&1
}

tap_equal "systemd has nothing to complain about" "" "$(systemctl --failed --no-legend --plain)"
bind_vfio "$WIDE"
systemctl start pasidd.socket
tap_equal "the socket listens" active "$(systemctl is-active pasidd.socket)"
tap_equal "and has started nothing yet" inactive "$(systemctl is-active pasidd.service)"
tap_equal "the first client starts pasidd" 0 "$(pasidctl status >/dev/null 2>/run/why; echo $?; cat /run/why)"
tap_equal "it runs" active "$(systemctl is-active pasidd.service)"
wait_for has_owner
tap_equal "it has its name on the bus" 0 $?
tap_equal "a wide device is usable in the sandbox" true "$(device_field "$WIDE" usable)"
tap_equal "its width is known" 20 "$(device_field "$WIDE" pci_width)"
tap_equal "a device with another driver is not" false "$(device_field 0000:00:03.0 usable)"
tap_equal "a consumer by the bus" "" "$(pasidctl --address=system init vm --device "$WIDE" 2>&1)"
tap_equal "a number" 1 "$(pasidctl alloc vm | wc -l)"
systemctl restart pasidd.service
tap_equal "a restart keeps it" 1 "$(pasidctl list vm --no-legend | wc -l)"
systemctl kill --signal=KILL pasidd.service
wait_for has_owner
tap_equal "so does a crash" 1 "$(pasidctl list vm --no-legend | wc -l)"
systemctl stop pasidd.service pasidd.socket
tap_equal "it stops as it should" success "$(systemctl show --value --property=Result pasidd.service)"
tap_none "nothing went wrong on the way" "$(journalctl --boot --unit=pasidd.service --priority=err --output=cat --no-pager --quiet |
        grep -v 'SIGKILL\|killed' || true)"
tap_done
