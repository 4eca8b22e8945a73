# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests in the guest share, on top of tap.sh: devices and their
# drivers, a pasidd of one's own, the IOMMU's tables.

# The machine's devices, see tests/vm/run.
WIDE=0000:00:05.0
NARROW=0000:00:06.0
PLAIN=0000:00:07.0
WIDE2=0000:00:08.0
TWIN_A=0000:00:09.0
TWIN_B=0000:00:09.1
DEVICES="$WIDE $NARROW $PLAIN $WIDE2 $TWIN_A $TWIN_B"

PASIDD_LOG=/run/pasidd.log
PATIENCE=30 # seconds that an event may take on a busy host

pci=/sys/bus/pci

# COMMAND...: polls until it succeeds; false if it never does
wait_for() {
        wait_end=$(($(date +%s) + PATIENCE))
        until "$@"; do
                [ "$(date +%s)" -lt "$wait_end" ] || return 1
                sleep 0.02
        done
}

# ADDRESS: the driver that is bound to it, or nothing
driver_of() {
        if [ -e "$pci/devices/$1/driver" ]; then
                basename "$(readlink "$pci/devices/$1/driver")"
        fi
}

# ADDRESS...: hands devices to vfio-pci
bind_vfio() {
        for address; do
                echo vfio-pci >"$pci/devices/$address/driver_override"
                echo "$address" >"$pci/drivers_probe"
                [ "$(driver_of "$address")" = vfio-pci ] || return 1
        done
}

# ADDRESS...: takes them away from their driver; blocks while somebody holds them
unbind() {
        for address; do
                [ ! -e "$pci/devices/$address/driver" ] || echo "$address" >"$pci/devices/$address/driver/unbind"
                echo >"$pci/devices/$address/driver_override"
        done
}

# As after boot.
release_all() {
        for address in $DEVICES; do
                [ ! -e "$pci/devices/$address" ] || unbind "$address"
        done
}

pasidd_answers() {
        pasidctl status >/dev/null 2>&1
}

# ARGUMENT...: starts pasidd without a bus and waits until it answers; its process is $pasidd
start_pasidd() {
        mkdir -p /run/pasidd /var/lib/pasidd
        pasidd --bus=none --listen=unix:path=/run/pasidd/pasidd.sock "$@" >>"$PASIDD_LOG" 2>&1 &
        pasidd=$!
        if ! wait_for pasidd_answers; then
                sed 's/^/# pasidd: /' "$PASIDD_LOG"
                return 1
        fi
}

# SIGNAL: TERM unless said otherwise
stop_pasidd() {
        kill -s "${1:-TERM}" "$pasidd"
        wait "$pasidd"
}

# News go to /run/news; returns when they surely do. The process is $monitor
start_monitor() {
        : >/run/news
        pasidctl monitor --json=short >>/run/news &
        monitor=$!
        monitor_hears() {
                pasidctl init probe && pasidctl exit probe && grep -q probe /run/news
        }
        wait_for monitor_hears
}

stop_monitor() {
        kill "$monitor"
        wait "$monitor" 2>/dev/null
        true
}

# ADDRESS FIELD: one field of what pasidd says about a device, as JSON
device_field() {
        pasidctl devices --json=short | jq -c --arg address "$1" --arg field "$2" '.[] | select(.address == $address)[$field]'
}

# ADDRESS PASID: what the IOMMU's own tables have for that number; nothing if there is none
iommu_table() {
        cat "/sys/kernel/debug/iommu/intel/$1/$(printf %x "$2")/domain_translation_struct" 2>/dev/null
}

# In the guest with systemd: the machine starts anew, and this test once more, with $RESTARTED set
restart_machine() {
        echo "$tap_count" >/tests/restarted
        exit
}
tap_count=${RESTARTED:-$tap_count}

# KEY: one value of the kernel's command line
boot_parameter() {
        tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p" | tail -n 1
}
