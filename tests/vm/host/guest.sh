# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What goes into the guests: pasidd as a package would install it and the guest's
# test programs. They travel in an initramfs: for the quick guest with busybox
# and the libraries that they need, for the one with systemd to be copied to its
# disk. Read by tests/vm/run, which has set $build and
# $stage.

# Builds pasidd and puts it with its tests into $stage.
make_stage() {
        configure_build "$build" --enable-werror CC="$(cached_compiler gcc)" CXX="$(cached_compiler g++)" CFLAGS="-O2 -g" \
                --prefix=/usr --sysconfdir=/etc --localstatedir=/var
        rm -rf "$stage.new"
        make -s -C "$build" -j"$(nproc)" all
        make -s -C "$build" DESTDIR="$stage.new" install-vm-guest
        # Of no use in a guest, and each byte is unpacked under emulation.
        rm -rf "$stage.new"/usr/{include,lib/*.a,lib/*.la,lib/pkgconfig,share/man,share/doc,share/zsh,share/bash-completion}
        find "$stage.new" -type f -perm /111 -exec strip {} + 2>/dev/null || true
        strip "$stage.new"/usr/lib/libpasid.so.*.*
        rm -rf "$stage"
        mv "$stage.new" "$stage"
}

# ROOT: copies the libraries that programs in there need, and the loader, from this machine
copy_libraries() {
        local root=$1 library

        # Scripts and what is linked statically are an error to ldd.
        { find "$root" -type f -perm /111 -exec env LD_LIBRARY_PATH="$stage/usr/lib" ldd {} + 2>/dev/null || true; } |
                awk '/=> \// { print $3 } $1 ~ /^\// && $2 ~ /^\(0x/ { print $1 }' | sort -u |
                while read -r library; do
                        [[ $library != "$stage"/* ]] || continue
                        mkdir -p "$root${library%/*}"
                        cp -L "$library" "$root$library"
                done
}

# TEST...: if one of them needs packages, they are built into $work/packages
make_packages() {
        local test

        for test; do
                [[ $(test_header "$test" Needs) == packages && ! -e $work/packages ]] || continue
                "$top/tools/packages" "$work/packages/1"
                "$top/tools/packages" --version="$(dpkg-parsechangelog -l "$top/debian/changelog" -S Version)+1" "$work/packages/2"
        done
}

# GUEST LIST FILE: an initramfs that runs the tests in LIST; an empty one makes it a prompt
make_initramfs() {
        local guest=$1 list=$2 file=$3 root name

        root=$(mktemp -d "$work/root.XXXXXX")
        chmod 755 "$root"
        mkdir -p "$root"/{bin,proc,sys,dev,run,tmp,etc,disk,var/lib,usr/lib64,usr/lib,usr/bin,usr/sbin}
        for name in lib lib64; do
                ln -s "usr/$name" "$root/$name"
        done
        cp "$(command -v busybox)" "$root/bin/busybox"
        cp "$top/tests/vm/guest/init" "$root/init"
        chmod 755 "$root/init"
        if [[ $guest == systemd ]]; then
                cp -a "$stage" "$root/stage"
                install_unit "$root/stage" "$([[ -n $list ]] && echo vm-tests || echo vm-shell).service"
                put_tests "$root/stage" "$list"
        else
                put_tests "$root" "$list"
                put_programs "$root"
        fi
        (cd "$root" && find . | cpio -o -H newc -R 0:0 --quiet | gzip -1) >"$file"
        rm -rf "$root"
}

# ROOT LIST
put_tests() {
        mkdir -p "$1/tests"
        cp "$top/tests/tap.sh" "$top"/tests/vm/guest/*.sh "$top"/tests/vm/test-*.sh "$1/tests/"
        [[ ! -e $work/packages ]] || cp -r "$work/packages" "$1/tests/"
        # What a test of packages has to put aside.
        (cd "$stage" && find . -path ./usr/lib/pasidd-tests -prune -o ! -type d -print) >"$1/tests/stage.list"
        [[ -z $2 ]] || printf '%s\n' "$2" >"$1/tests/list"
}

# ROOT: for the guest that has nothing else
put_programs() {
        local root=$1

        cp "$stage/usr/sbin/pasidd" "$root/usr/sbin/"
        cp -r "$stage/usr/lib/pasidd-tests" "$root/usr/lib/"
        cp "$stage/usr/bin/pasidctl" "$(command -v jq)" "$root/usr/bin/"
        cp -P "$stage"/usr/lib/libpasid.so.* "$root/usr/lib/"
        copy_libraries "$root"
        printf 'root:x:0:0:root:/root:/bin/sh\npasid:x:900:900:pasid:/:/bin/false\nnobody:x:65534:65534:nobody:/:/bin/false\n' \
                >"$root/etc/passwd"
        printf 'root:x:0:\npasid:x:900:\nnogroup:x:65534:\n' >"$root/etc/group"
}

# ROOT UNIT: to be started at boot
install_unit() {
        mkdir -p "$1/etc/systemd/system/multi-user.target.wants"
        cp "$top/tests/vm/guest/$2" "$1/etc/systemd/system/"
        ln -s "../$2" "$1/etc/systemd/system/multi-user.target.wants/$2"
}
