# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's kernel: Debian's newest linux-source that has the interface for
# PASIDs in user space, with the configuration beside this file. Read by
# tests/vm/run, after host/apt.sh and host/store.sh.

kernel_oldest=6.15 # VFIO_DEVICE_ATTACH_PASID, IOMMU_HWPT_ALLOC_PASID

# STATE SUITE: prints "package version" of the newest source there that is new enough
newest_kernel_source() {
        suite_packages "$1" "$2" '^linux-source-[0-9]+[.][0-9]+$' | sort -k 2,2V | while read -r name version; do
                ! dpkg --compare-versions "${name#linux-source-}" ge "$kernel_oldest" || printf '%s %s\n' "$name" "$version"
        done | tail -n 1
}

# BUILD: what is asked for and lost would be missed much later, by a test that can't tell why
check_kernel_config() {
        awk -v build="$1/.config" '
                BEGIN { while ((getline line <build) > 0) has[line] = 1 }
                /^CONFIG_[A-Z0-9_]+=/ && before !~ /^# Optional/ && !($0 in has) { print "lost: " $0; bad = 1 }
                /^# CONFIG_[A-Z0-9_]+ is not set$/ { if ($2 "=y" in has) { print "lost: " $0; bad = 1 } }
                { before = $0 }
                END { exit bad }' "$top/tests/vm/kernel/config"
}

# STATE PACKAGE VERSION DIRECTORY
build_kernel() {
        local state=$1 package=$2 version=$3 dir=$4
        local -a options

        mkdir -p "$dir/tmp/build"
        fetch_package "$state" "$dir/tmp" "$package=$version"
        dpkg-deb --fsys-tarfile "$dir/tmp/$package"_*.deb | tar -x -O --wildcards './usr/src/linux-source-*.tar.xz' |
                tar -x -J -C "$dir/tmp"
        rm -f "$dir/tmp/$package"_*.deb
        options=(-C "$dir/tmp/$package" O="$dir/tmp/build"
                KBUILD_BUILD_TIMESTAMP="$version" KBUILD_BUILD_USER=pasidd KBUILD_BUILD_HOST=vm)
        make -s "${options[@]}" KCONFIG_ALLCONFIG="$top/tests/vm/kernel/config" allnoconfig
        check_kernel_config "$dir/tmp/build"
        make "${options[@]}" -j"$(nproc)" bzImage
        cp "$dir/tmp/build/arch/x86/boot/bzImage" "$dir/tmp/build/.config" "$dir/"
        rm -rf "$dir/tmp"
}

# Prints the file to boot.
kernel_image() {
        local state source

        if [[ -n ${PASIDD_VM_KERNEL-} ]]; then
                [[ -r $PASIDD_VM_KERNEL ]] || die "PASIDD_VM_KERNEL=$PASIDD_VM_KERNEL cannot be read"
                realpath "$PASIDD_VM_KERNEL"
                return
        fi
        state=$(apt_state trixie trixie-backports)
        source=$(newest_kernel_source "$state" trixie-backports)
        if [[ -z $source ]]; then
                state=$(apt_state forky)
                source=$(newest_kernel_source "$state" forky)
        fi
        [[ -n $source ]] || die "neither trixie-backports nor forky has a linux-source of $kernel_oldest or newer"
        dir=$(stored kernel "$(hash_of "$source" "$top/tests/vm/kernel/config" "$top/tests/vm/kernel/build.sh")" \
                build_kernel "$state" "${source% *}" "${source#* }")
        printf '%s\n' "$dir/bzImage"
}
