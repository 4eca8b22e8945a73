#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What holds for the text of every file: a licence line, one responsibility's
# worth of lines, no place of the machine it was written on; and that the
# tarball has it.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# What dpkg-buildpackage leaves in debian/
debian_products() {
        echo '(\.debhelper|tmp|pasidd|libpasid1|libpasid-dev|pasidd-libvirt|pasidd-oci|pasidd-tools)/|files$|.*\.(substvars|debhelper|debhelper\.log)$|debhelper-build-stamp$|autoreconf\.'
}

# ROOT: the project's own files, not what is built from them
own_files() {
        (
                cd "$1"
                find . \( -name .git -o -name .deps -o -name .libs -o -name __pycache__ -o -name autom4te.cache \
                        -o -path ./build-aux -o -path ./m4 \) -prune -o -type f -print |
                        sed 's|^\./||' |
                        grep -E '^(\.ci|client|daemon|dbus|debian|doc|include|man|packaging|systemd|tests|tools)/|^[^/]*\.(ac|am|md|sh)$' |
                        grep -vE "^debian/($(debian_products))" |
                        grep -vE '\.(o|lo|la|a|so|pyc|log|trs|tmp|gcda|gcno|[1-8])$|\.dirstamp$|~$|^systemd/pasidd\.service$|^client/lib/libpasid\.pc$|^doc/examples/first\.c$' |
                        sort
        )
}

# ROOT: source files without a licence line among the first five
without_licence() {
        own_files "$1" | grep -E '\.(c|h|cc|sh|py|am|ac|xml|service|socket|policy|rules|spec|service\.in|postinst|prerm|postrm)$|^tools/(abi-dump|check|demo|packages)$|^debian/rules$|^\.ci/' |
                grep -vE '^tests/(.*/)?(data|trees|golden)/|^systemd/pasidd\.conf$' | while read -r file; do
                head -n 5 "$1/$file" | grep -q 'SPDX-License-Identifier: ' || echo "$file"
        done
}

# ROOT: source files of more than 600 lines. The public header is one for its users' sake, and mostly its manual.
too_long() {
        own_files "$1" | grep -vx include/pasid/pasid.h | grep -E '\.(c|h|cc|sh|py)$|^tools/|^\.ci/' | while read -r file; do
                lines=$(wc -l <"$1/$file")
                [ "$lines" -le 600 ] || echo "$file: $lines lines"
        done
}

# ROOT: lines that name somebody's own directories
machine_paths() {
        own_files "$1" | while read -r file; do
                grep -nHIE '(^|[^A-Za-z0-9_.$}])/(home|root|work|Users|srv|mnt)/' "$1/$file" || true
        done | sed "s|^$1/||"
}

tree=$scratch/tree
mkdir -p "$tree/daemon"
{
        echo 'int x;'
        # written in two parts, or this file would be found too
        printf 'char *place = "/%s/me/x";\n' home
        yes '' | head -n 600
} >"$tree/daemon/bad.c"
printf '/* SPDX-License-Identifier: GPL-2.0-or-later */\nchar *place = "/run/x";\n' >"$tree/daemon/good.c"
tap_equal "a missing licence line is found" "daemon/bad.c" "$(without_licence "$tree")"
tap_equal "a long file is found" "daemon/bad.c: 602 lines" "$(too_long "$tree")"
tap_equal "a place of the machine is found" "daemon/bad.c:2" "$(machine_paths "$tree" | cut -d: -f1,2)"

tap_none "each source file has its licence" "$(without_licence "$top_srcdir")"
tap_none "no source file has more than 600 lines" "$(too_long "$top_srcdir")"
tap_none "no file names a place of one machine" "$(machine_paths "$top_srcdir")"

# A directory in the list stands for all in it.
if [ -f "$top_builddir/Makefile" ]; then
        MAKEFLAGS='' make -s -C "$top_builddir" print-distfiles | tr ' ' '\n' |
                sed 's|^\./||' | sort -u >"$scratch/dist"
        tap_none "the tarball has every file" "$(own_files "$top_srcdir" | awk '
                FILENAME == ARGV[1] { dist[$0] = 1; next }
                {
                        path = $0
                        while (!(path in dist) && sub(/\/[^\/]*$/, "", path))
                                continue
                        if (!(path in dist)) print $0
                }' "$scratch/dist" -)"
else
        tap_skip "the tarball has every file" "not configured"
fi
tap_done
