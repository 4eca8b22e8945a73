# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# One machine: its memory, its devices (a process each) and QEMU. All of them
# die with the shell that started them, whatever ends that. Read by
# tests/vm/run, after host/qemu.sh.

# address in the guest, options of pasid-device, options of vfio-user-pci; 9.0 and 9.1 are one IOMMU group, since
# nothing (ACS) keeps functions of one device apart
guest_devices=(
        "00:05.0|--width=20|"
        "00:06.0|--width=8|"
        "00:07.0|--no-pasid|"
        "00:08.0|--width=20|"
        "00:09.0|--width=20|,\"multifunction\":true"
        "00:09.1|--width=20|"
)

# COMMAND...: in the background, its process in $child; it is killed when this shell ends
start_child() {
        setpriv --pdeathsig KILL "$@" &
        child=$!
        children+=("$child")
}

stop_children() {
        [[ ${#children[@]} -gt 0 ]] || return 0
        kill "${children[@]}" 2>/dev/null || true
        wait "${children[@]}" 2>/dev/null || true
        children=()
}

# SIZE: sets $memory, an empty directory for the guest's memory, which is in memory itself if there is room
make_memory_directory() {
        local base=/dev/shm available name

        # One name for all runs of this machine by this clone, so that what a killed run left is cleared away by the next.
        name=pasidd-vm-$(id -u)-$(cksum <<<"$work" | cut -d' ' -f1)
        rm -rf "/dev/shm/$name" "${TMPDIR:-/tmp}/$name"
        available=$(df --output=avail -B1 /dev/shm 2>/dev/null | tail -n 1 || true)
        if [[ ${available:-0} -lt $(numfmt --from=iec "$1") || ! -w /dev/shm ]]; then
                base=${TMPDIR:-/tmp}
        fi
        memory=$base/$name
        mkdir -m 700 "$memory"
}

# GUEST MACHINE INITRAMFS: starts the devices and sets $qemu_arguments
prepare_machine() {
        local guest=$1 machine=$2 initramfs=$3 size=512M item slot options extra socket iommu processors=1

        [[ $guest == quick ]] || size=768M
        make_memory_directory "$size"
        truncate -s "$size" "$memory/ram"
        case $machine in
        first) iommu=scalable-mode=on,pasid-bits=20,fsts=on ;;
        second) iommu=scalable-mode=on,pasid-bits=20 processors=2 ;;
        legacy) iommu=scalable-mode=off ;;
        *) die "no machine \"$machine\"; there are: $machines" ;;
        esac
        # shellcheck disable=SC2054
        qemu_arguments=(-machine q35,accel=tcg,memory-backend=ram -cpu qemu64,+rdrand -smp "$processors" -m "$size"
                -object "memory-backend-file,id=ram,mem-path=$memory/ram,size=$size,share=on"
                -nodefaults -no-user-config -display none
                -device isa-debug-exit,iobase=0xf4,iosize=1
                -device "intel-iommu,$iommu,caching-mode=on,intremap=on"
                -kernel "$kernel" -initrd "$initramfs"
                -append "console=ttyS0 quiet loglevel=5 panic=-1 systemd.show_status=error pasidd.machine=$machine ${PASIDD_VM_APPEND-}")
        [[ $guest == systemd ]] || qemu_arguments+=(-no-reboot)
        if [[ $guest == systemd ]]; then
                # What the guest writes to its disk is lost with it.
                # shellcheck disable=SC2054
                qemu_arguments+=(-drive "file=$disk,format=raw,if=none,id=disk,snapshot=on,cache=unsafe"
                        -device virtio-blk-pci,drive=disk,addr=4)
        fi
        if [[ -n ${extra_disk-} ]]; then
                # shellcheck disable=SC2054
                qemu_arguments+=(-drive "file=$extra_disk,format=raw,if=none,id=extra,readonly=on"
                        -device virtio-blk-pci,drive=extra,addr=a)
        fi
        for item in "${guest_devices[@]}"; do
                IFS='|' read -r slot options extra <<<"$item"
                socket=$memory/${slot//[:.]/-}
                # shellcheck disable=SC2086
                start_child "$device_program" $options --slot="$slot" --ram="$memory/ram" "$socket" 2>>"$work/devices.log"
                qemu_arguments+=(-device "{\"driver\":\"vfio-user-pci\",\"bus\":\"pcie.0\",\"addr\":\"${slot#*:}\"$extra,\"socket\":{\"type\":\"unix\",\"path\":\"$socket\"}}")
        done
        for item in "${guest_devices[@]}"; do
                slot=${item%%|*}
                wait_for_socket "$memory/${slot//[:.]/-}"
        done
}

wait_for_socket() {
        local end=$((SECONDS + 20))

        until [[ -S $1 ]]; do
                [[ $SECONDS -lt $end ]] || die "a device did not start: $(cat "$work/devices.log")"
                sleep 0.02
        done
}

# After the machine: nothing of it stays.
remove_machine() {
        stop_children
        [[ -z ${memory-} ]] || rm -rf "$memory"
        memory=
}
