# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU for the guests, on a disk of its own: the one that runs the machine, with
# its loader and libraries, and of its firmware what a machine without devices
# needs. For tests with a line "# Disk: qemu" in their head. Read by
# tests/vm/run, after host/qemu.sh and host/store.sh.

# DIRECTORY
build_qemu_disk() {
        local dir=$1 root=$1/root libraries=$qemu/usr/lib/x86_64-linux-gnu

        mkdir -p "$root"/{lib,share}
        cp "$qemu/usr/bin/qemu-system-x86_64" "$root/"
        cp -L "$qemu/usr/lib64/ld-linux-x86-64.so.2" "$root/lib/ld.so"
        "$qemu/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libraries" --list "$root/qemu-system-x86_64" |
                awk '$2 == "=>" { print $3 }' | xargs -r cp -L -t "$root/lib/"
        cp -L "$qemu/usr/share/seabios/bios-256k.bin" "$qemu/usr/share/qemu/kvmvapic.bin" "$qemu/usr/share/qemu/linuxboot_dma.bin" \
                "$root/share/"
        truncate -s "$(($(du -sm "$root" | cut -f1) + 16))M" "$dir/disk"
        mke2fs -q -F -t ext4 -O ^has_journal -m 0 -E root_owner=0:0 -d "$root" "$dir/disk"
        rm -rf "$root"
}

# Prints the disk's file.
qemu_disk() {
        local dir

        dir=$(stored guest-qemu "$(hash_of "${qemu##*/}" "$top/tests/vm/host/qemu-disk.sh")" build_qemu_disk)
        printf '%s\n' "$dir/disk"
}
