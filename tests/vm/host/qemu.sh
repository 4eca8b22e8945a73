# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# QEMU with vfio-user and an IOMMU that knows PASIDs, from Debian's backports:
# its packages are extracted, never installed, and run with the libraries that
# they bring. Read by tests/vm/run, after host/apt.sh and host/store.sh.

# STATE DIRECTORY
build_qemu() {
        local dir=$2 name

        extract_packages "$1" "$dir" -t trixie-backports qemu-system-x86
        # No maintainer script ran that would have merged these into /usr.
        for name in lib lib64; do
                [[ -e $dir/$name ]] || ln -s "usr/$name" "$dir/$name"
        done
        run_qemu "$dir" --version
        run_qemu "$dir" -device help | grep -q '"vfio-user-pci"' || die "this QEMU has no vfio-user-pci"
}

# DIRECTORY ARGUMENT...: runs it in place of this shell's process, to die with its parent
qemu_command() {
        local root=$1 libraries=$1/usr/lib/x86_64-linux-gnu

        shift
        qemu_run=(env QEMU_MODULE_DIR="$libraries/qemu" "$root/usr/lib64/ld-linux-x86-64.so.2"
                --library-path "$libraries" "$root/usr/bin/qemu-system-x86_64"
                -L "$root/usr/share/qemu" -L "$root/usr/share/seabios" "$@")
}

# DIRECTORY ARGUMENT...
run_qemu() {
        local -a qemu_run

        qemu_command "$@"
        "${qemu_run[@]}"
}

# Prints the directory that has it.
qemu_root() {
        local state version

        state=$(apt_state trixie trixie-backports)
        version=$(suite_packages "$state" trixie-backports '^qemu-system-x86$' | sort -k 2,2V | tail -n 1)
        [[ -n $version ]] || die "trixie-backports has no qemu-system-x86"
        stored qemu "$(hash_of "$version" "$top/tests/vm/host/qemu.sh")" build_qemu "$state"
}
