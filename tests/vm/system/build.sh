# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The disk of the guest with systemd: a small Debian trixie. pasidd is not on
# it, but is put there at each boot. Read by tests/vm/run, after host/apt.sh and
# host/store.sh.

system_size=400M # most of which is a hole
system_machine_id=00000000000000000000000000000001

# What a machine without hardware, users and network can do without: under emulation each of these costs time.
system_masked=(console-getty.service e2scrub_all.timer e2scrub_reap.service fstrim.timer getty-static.service getty.target
        getty@tty1.service kmod-static-nodes.service ldconfig.service modprobe@.service serial-getty@ttyS0.service
        dpkg-db-backup.timer systemd-binfmt.service systemd-firstboot.service systemd-fsck-root.service
        systemd-hibernate-clear.service systemd-hostnamed.socket systemd-hwdb-update.service systemd-journal-catalog-update.service systemd-journal-flush.service
        systemd-logind.service systemd-user-sessions.service
        systemd-machine-id-commit.service systemd-modules-load.service systemd-network-generator.service
        systemd-networkd.socket systemd-pcrphase.service systemd-pstore.service systemd-random-seed.service
        systemd-remount-fs.service systemd-sysusers.service systemd-tmpfiles-clean.timer systemd-tpm2-setup-early.service
        systemd-tpm2-setup.service systemd-update-done.service dev-hugepages.mount sys-fs-fuse-connections.mount
        sys-kernel-tracing.mount)
system_generators=(debug fstab getty gpt-auto hibernate-resume rc-local ssh system-update sysv tpm2)

# ROOT: run as root there, or as good as
set_up_system() {
        local root=$1 name

        for name in "${system_masked[@]}"; do
                ln -sf /dev/null "$root/etc/systemd/system/$name"
        done
        mkdir -p "$root"/etc/systemd/{system-generators,journald.conf.d}
        for name in "${system_generators[@]}"; do
                ln -sf /dev/null "$root/etc/systemd/system-generators/systemd-$name-generator"
        done
        # Of udev's rules the ones that tell systemd of devices are enough.
        for name in "$root"/usr/lib/udev/rules.d/*.rules; do
                case ${name##*/} in
                50-udev-default.rules | 60-serial.rules | 99-systemd.rules) ;;
                *) ln -sf /dev/null "$root/etc/udev/rules.d/${name##*/}" ;;
                esac
        done
        printf '[Journal]\nStorage=volatile\n' >"$root/etc/systemd/journald.conf.d/vm.conf"
        echo vm >"$root/etc/hostname"
        echo "$system_machine_id" >"$root/etc/machine-id"
        : >"$root/etc/fstab"
        rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists/*
}

# TAR IMAGE: run as root, or as good as
make_system_disk() {
        local root=$2.root

        mkdir "$root"
        tar -x -p --numeric-owner -C "$root" --exclude='./dev/*' -f "$1"
        set_up_system "$root"
        truncate -s "$system_size" "$2"
        mke2fs -q -F -t ext4 -O ^has_journal -d "$root" "$2"
        rm -rf "$root"
}

# STATE DIRECTORY
build_system() {
        local state=$1 dir=$2 packages
        local -a as_root=()

        packages=$(grep -v '^#' "$top/tests/vm/system/packages" | paste -sd,)
        # Needs user namespaces (and /etc/subuid) where it isn't run as root.
        mmdebstrap --mode=auto --variant=essential --keyring="$debian_keyring" \
                --aptopt='APT::Install-Recommends "false"' --aptopt="$state/acquire.conf" \
                --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
                --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
                --dpkgopt='path-exclude=/usr/lib/cni/*' \
                --include="$packages" trixie "$dir/root.tar" "deb $(debian_mirror) trixie main"
        [[ $(id -u) -eq 0 ]] || as_root=(fakeroot --)
        "${as_root[@]}" bash -c "set -euo pipefail; top='$top'; . '$top/tests/vm/system/build.sh'; make_system_disk '$dir/root.tar' '$dir/disk'"
        rm "$dir/root.tar"
}

# Prints the disk's file.
system_disk() {
        local state version dir

        state=$(apt_state trixie trixie-backports)
        # A new point release is a new system; what changes between them does not matter here.
        version=$(cat "$state"/lists/*_dists_trixie_InRelease | sed -n 's/^Version: //p')
        dir=$(stored system "$(hash_of "$version" "$top/tests/vm/system/packages" "$top/tests/vm/system/build.sh")" \
                build_system "$state")
        printf '%s\n' "$dir/disk"
}
