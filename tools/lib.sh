# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tools/demo and tools/check share: the Debian packages that each needs,
# where builds go, and how a build is configured. Read by bash scripts that
# have set $top, the root of the tree.
# shellcheck disable=SC2034

# Debian 12 and 13. To build and run:
packages_build=(gcc g++ libc6-dev make autoconf automake libtool pkgconf
        libsystemd-dev libsqlite3-dev libjson-c-dev libpci-dev libinih-dev libsmartcols-dev libxml2-dev pci.ids scdoc)
# To test as well:
packages_test=(check libsubunit-dev dbus dbus-broker libglib2.0-bin systemd sqlite3 libxml2-utils python3 python3-dbus xz-utils
        abigail-tools crun busybox-static jq strace)
# shellcheck disable=SC2034
# To test with every tool:
packages_tools=(ccache clang libclang-rt-dev clang-tidy cppcheck shellcheck valgrind)
# shellcheck disable=SC2034
# To test in a virtual machine (tests/vm/run), for which it builds a kernel, too:
packages_vm=(flex bison bc libelf-dev cpio xz-utils busybox-static jq e2fsprogs debian-archive-keyring)
# shellcheck disable=SC2034
# Its guest with systemd:
packages_vm_system=(mmdebstrap fakeroot)
# shellcheck disable=SC2034
# To build packages (tools/packages), of which one of those tests is, too:
packages_deb=(dpkg-dev debhelper)
# shellcheck disable=SC2034
packages_rpm=(rpm)

say() {
        printf '%s\n' "$*"
}

die() {
        printf '%s: %s\n' "${0##*/}" "$*" >&2
        exit 1
}

# Sets $cache: where this clone's builds are kept, outside of its tree.
make_cache() {
        local base=${XDG_CACHE_HOME:-} mode=700

        if [[ -n $base ]]; then
                :
        elif [[ $(id -u) -eq 0 ]]; then
                # Not in /root: tests run what is built as other users too.
                base=/var/cache mode=755
        elif [[ -n ${HOME:-} && -w $HOME ]]; then
                base=$HOME/.cache
        else
                base=${TMPDIR:-/tmp}/cache-$(id -u)
        fi
        (umask 077 && mkdir -p "$base")
        # A directory under /tmp could have been made by somebody else.
        [[ -O $base ]] || die "$base belongs to another user; set XDG_CACHE_HOME"
        cache=$base/pasidd/$(cksum <<<"$top" | cut -d' ' -f1)
        # Paths below the clone are made relative, so that clones share what was compiled.
        export CCACHE_DIR=$base/pasidd/ccache CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=2G
        mkdir -p "$cache"
        chmod "$mode" "$base/pasidd" "$cache"
}

# PACKAGE...: prints those that are not installed
missing_packages() {
        local package

        for package; do
                [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || say "$package"
        done
}

# PACKAGE...: installs what is missing, or says what root has to do
install_packages() {
        local missing log

        if ! command -v dpkg-query >/dev/null; then
                say "packages: not a Debian; what is needed is taken to be there"
                return
        fi
        mapfile -t missing < <(missing_packages "$@")
        if [[ ${#missing[@]} -eq 0 ]]; then
                say "packages: all there"
                return
        fi
        [[ $(id -u) -eq 0 ]] || die "as root, please: apt-get install --no-install-recommends ${missing[*]}"
        say "packages: installing ${missing[*]}"
        log=$cache/apt.log
        if ! { DEBIAN_FRONTEND=noninteractive apt-get -q update &&
                DEBIAN_FRONTEND=noninteractive apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}"; } \
                </dev/null >"$log" 2>&1; then
                tail -n 30 "$log" >&2
                die "apt-get could not install them; all it said is in $log"
        fi
}

# Makes ./configure unless it is there and newer than what it is made from.
make_configure() {
        if [[ -x $top/configure && -z $(find "$top/configure.ac" "$top/Makefile.am" \
                "$top"/{client,daemon,dbus,debian,doc,include,man,systemd,tests} -name .git -prune -o \
                \( -name configure.ac -o -name 'Make*.am' \) -newer "$top/Makefile.in" -print 2>/dev/null) ]]; then
                return
        fi
        "$top/autogen.sh"
}

# COMPILER: prints how to call it: through ccache if that is there, since several builds
# compile the same files, and a new clone those of an old one. Needs make_cache.
cached_compiler() {
        if command -v ccache >/dev/null; then
                say "ccache $1"
        else
                say "$1"
        fi
}

# DIRECTORY ARGUMENT...: configures there, unless that was done with the same arguments
configure_build() {
        local dir=$1

        shift
        if [[ -x $dir/config.status && $(<"$dir/.arguments") == "$*" ]]; then
                return
        fi
        rm -rf "$dir"
        mkdir -p "$dir"
        (cd "$dir" && "$top/configure" --quiet "$@")
        say "$*" >"$dir/.arguments"
}
