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
pid=$(systemctl show --value --property=MainPID pasidd.service)
tap_equal "as its own user" pasidd:pasid "$(stat -c %U:%G "/proc/$pid")"
tap_equal "with one capability" "CapEff:0000000000200000" "$(grep CapEff "/proc/$pid/status" | tr -d '[:space:]')"
tap_equal "which can't be exceeded" "CapBnd:0000000000200000" "$(grep CapBnd "/proc/$pid/status" | tr -d '[:space:]')"
tap_equal "its directories are its own" "pasidd:pasid 755 pasidd:pasid 700" \
        "$(stat -c '%U:%G %a' /run/pasidd /var/lib/pasidd | paste -sd' ')"
tap_equal "the socket is for the group" "pasid 660" "$(stat -c '%G %a' /run/pasidd/pasidd.sock)"
tap_equal "udev has given it the devices" "pasidd pasidd" "$(stat -c %U /dev/iommu /dev/vfio/devices/* | paste -sd' ')"
exposure=$(systemd-analyze security --no-pager pasidd.service | tail -n 1)
echo "# $exposure"
systemd-analyze security --no-pager --threshold=15 pasidd.service >/dev/null 2>&1
tap_equal "systemd finds the sandbox closed" 0 $?
wait_for has_owner
tap_equal "it has its name on the bus" 0 $?
tap_equal "a wide device is usable in the sandbox" true "$(device_field "$WIDE" usable)"
tap_equal "its width is known" 20 "$(device_field "$WIDE" pci_width)"
tap_equal "a device with another driver is not" false "$(device_field 0000:00:03.0 usable)"
bind_vfio "$WIDE2"
is_usable() { [ "$(device_field "$WIDE2" usable)" = true ]; }
wait_for is_usable
tap_equal "a device that comes later is noticed" 0 $?
tap_equal "the settings can be read anew" "$pid success" \
        "$(systemctl reload pasidd.service && systemctl show --value --property=MainPID,Result pasidd.service | paste -sd' ')"
tap_equal "a consumer by the bus" "" "$(pasidctl --address=system init vm --device "$WIDE" 2>&1)"
tap_equal "a number" 1 "$(pasidctl alloc vm | wc -l)"
# EVENT FIELD=VALUE...: how many lines of this daemon's have that id of log-ids.h and these fields
logged() {
        event=$1
        shift
        journalctl --sync
        journalctl --boot --unit=pasidd.service --output=json --no-pager --quiet "_PID=$pid" "MESSAGE_ID=$event" "$@" |
                jq -r 'select(.MESSAGE and .PRIORITY) | .MESSAGE' | wc -l
}
made=ab13461f297c44ca89c7aaf52b9e72c8 ended=b3f474bd143b4c349e3204a16466c468
tap_equal "the journal has who was made" 1 "$(logged $made PASIDD_CONSUMER=vm PASIDD_UID=0 "PASIDD_DEVICE=$WIDE")"
pasidctl init short && pasidctl alloc short --min=77 --max=77 --private=secret-of-short >/dev/null && pasidctl exit short
tap_equal "and who ended, and why" 1 "$(logged $ended PASIDD_CONSUMER=short PASIDD_REASON=exit)"
tap_equal "what is known of the number then" '["short",0,"exit"]' \
        "$(pasidctl find 77 --history --json=short | jq -c '.[0] | [.consumer, .uid, .reason]')"
journalctl --update-catalog
tap_equal "the catalogue explains it" 1 \
        "$(journalctl --boot --unit=pasidd.service --catalog --no-pager --quiet "_PID=$pid" "MESSAGE_ID=$ended" | grep -c 'A consumer of PASIDs ended')"
tap_none "private data is in no line" "$(journalctl --boot --output=export --no-pager --quiet | grep -a secret-of-short || true)"
systemctl restart pasidd.service
tap_equal "a restart keeps it" 1 "$(pasidctl list vm --no-legend | wc -l)"
systemctl kill --signal=KILL pasidd.service
wait_for has_owner
tap_equal "so does a crash" 1 "$(pasidctl list vm --no-legend | wc -l)"
pasidctl exit vm

# Without the right to /dev/iommu nothing is attached, and who asked is told whose right that is.
mkdir -p /run/systemd/system/pasidd.service.d
printf '[Service]\nDeviceAllow=\nDeviceAllow=char-vfio-dev rw\n' >/run/systemd/system/pasidd.service.d/barred.conf
systemctl daemon-reload
systemctl restart pasidd.service
pasidctl init barred --mode=mediated --device "$WIDE"
tap_equal "without /dev/iommu nothing is attached" 1 "$(pasidctl alloc barred --attach 2>&1 | grep -c 'DeviceAllow=.*/dev/iommu')"
tap_equal "and no number is held" 0 "$(pasidctl list barred --no-legend | wc -l)"
rm /run/systemd/system/pasidd.service.d/barred.conf
systemctl daemon-reload
systemctl restart pasidd.service
tap_equal "with it one is" 1 "$(pasidctl alloc barred --attach | wc -l)"
pasidctl exit barred
systemctl stop pasidd.service pasidd.socket
tap_equal "a call on the bus starts it again" "0 active" \
        "$(busctl --system call org.pasidd1 /org/pasidd1 org.freedesktop.DBus.Peer Ping >/dev/null; echo "$?" "$(systemctl is-active pasidd.service)")"
systemctl stop pasidd.service pasidd.socket
tap_equal "it stops as it should" success "$(systemctl show --value --property=Result pasidd.service)"
tap_none "nothing went wrong on the way" "$(journalctl --boot --unit=pasidd.service --priority=err --output=cat --no-pager --quiet |
        grep -v 'SIGKILL\|killed\|Watchdog timeout' || true)"
tap_done
