# shellcheck shell=sh disable=SC2086,SC3045
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first
# Disk: qemu
# Limit: 20
# A real QEMU, started by somebody without privileges, with a device that only
# pasidd may open: by pasidctl run --open, and by the example vm-manager. No
# guest runs in it: the device is realised, the monitor tells, and all comes
# back when QEMU ends, or is killed.
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/tap.sh
. /tests/tap.sh

disk=/run/qemu
mkdir "$disk" /run/user
mount -t ext4 -o ro /dev/vda "$disk"
qemu="$disk/lib/ld.so --library-path $disk/lib $disk/qemu-system-x86_64 -L $disk/share -no-user-config -nodefaults -display none
        -machine q35 -accel tcg -m 16 -S -monitor stdio"
device="vfio-pci,iommufd=iommufd0,fd=%{device},id=passed" # without an id QEMU 11.1 crashes
ids=$(sed 's/^0x//' "$pci/devices/$WIDE/vendor"):$(sed 's/^0x//' "$pci/devices/$WIDE/device")

# COMMAND...: in place of this shell, as nobody, who is in group pasid then, and may lock as much memory as the machine has
as_nobody() {
        nobody_command=$(command -v "$1")
        shift
        ulimit -l 65536
        exec start-stop-daemon -S -n none -c nobody:pasid -a "$nobody_command" -- "$@"
}
# What of the device this kernel or this device can't is a warning.
complaints() { grep -v ': warning: ' /run/err; }
is_free() { [ "$(device_field "$WIDE" held)" = '""' ]; }
nobody_is_left() { [ "$(pasidctl consumers)" = "" ]; }

bind_vfio "$WIDE"
printf '[Device %s]\nAllowUsers=nobody\n' "$WIDE" >/run/pasidd.conf
start_pasidd --config=/run/pasidd.conf || exit

tap_equal "who may use it has no way to it by himself" "Permission denied" \
        "$(as_nobody cat "$(device_field "$WIDE" cdev | tr -d '"')" 2>&1 | sed 's/.*: //')"
printf 'info pci\nqom-get passed id\nquit\n' |
        as_nobody pasidctl run --open "$WIDE" -- $qemu -object 'iommufd,id=iommufd0,fd=%{iommufd}' -device "$device" >/run/out 2>/run/err
tap_equal "QEMU ends as its monitor was told to" "0 " "$? $(complaints)"
tap_equal "and had the device" 1 "$(grep -c "PCI device $ids" /run/out)"
wait_for nobody_is_left
tap_equal "of which nothing is left" '0 ""' "$? $(device_field "$WIDE" held)"

mkfifo /run/monitor
as_nobody pasidctl run --name vm --open "$WIDE" -- $qemu -object 'iommufd,id=iommufd0,fd=%{iommufd}' -device "$device" \
        </run/monitor >/run/out 2>&1 &
machine=$!
exec 3>/run/monitor
echo 'info pci' >&3
has_device() { grep -q "PCI device $ids" /run/out; }
wait_for has_device
tap_equal "a second machine has it" 0 $?
tap_equal "it runs as nobody, and is no child of pasidctl's" "nobody vm process" \
        "$(stat -c %U "/proc/$machine") $(pasidctl consumers --no-legend | awk '{ print $1, $7 }')"
tap_equal "the device is its own" '"tenant"' "$(device_field "$WIDE" held)"
tap_equal "nobody else gets it" "125 1" "$(pasidctl run --open "$WIDE" true 2>/run/err; echo $? "$(grep -c 'was given to another' /run/err)")"
stop_pasidd KILL
start_pasidd --config=/run/pasidd.conf || exit
tap_equal "a new pasidd knows of the machine" vm "$(pasidctl consumers --no-legend | awk '{ print $1 }')"
tap_equal "and the kernel of its device" "125 1" "$(pasidctl run --open "$WIDE" true 2>/run/err; echo $? "$(grep -c "$WIDE" /run/err)")"
kill -KILL "$machine"
wait "$machine"
exec 3>&-
wait_for nobody_is_left
tap_equal "SIGKILL gives all back" '0 ""' "$? $(device_field "$WIDE" held)"
tap_equal "and somebody else gets it" "" "$(pasidctl run --open "$WIDE" true 2>&1)"

# Fds that are none: QEMU says so, and it is over.
(as_nobody pasidctl run --open "$WIDE" -- $qemu -object 'iommufd,id=iommufd0,fd=%{device}' -device "$device") </dev/null >/run/out 2>&1
tap_equal "what QEMU refuses ends with its own status" "1 1" "$? $(grep -c 'vfio\|iommufd' /run/out | sed 's/^[1-9].*/1/')"
wait_for nobody_is_left
tap_equal "and leaves nothing" '0 ""' "$? $(device_field "$WIDE" held)"

printf 'info pci\nquit\n' | as_nobody vm-manager "$WIDE" $qemu >/run/out 2>/run/err
tap_equal "the example does the same by hand" "0 1 " "$? $(grep -c "PCI device $ids" /run/out) $(complaints)"
wait_for is_free
tap_equal "and the device is back" 0 $?

stop_pasidd
tap_equal "pasidd ends as it should" 0 $?
umount "$disk"
tap_done
