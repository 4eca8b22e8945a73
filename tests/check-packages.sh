#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What packages repeat of the tree: its version, the name of its library and the
# nodes of its symbols, and for Debian the list of its own files; where libvirt
# finds its hook, and which package an example is in.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

debian=$top_srcdir/debian
spec=$top_srcdir/packaging/rpm/pasidd.spec

# NAME: of configure.ac's AC_SUBST([NAME], [VALUE])
value() {
        sed -n "s/^AC_SUBST(\[$1\], \[\(.*\)\])/\1/p" "$top_srcdir/configure.ac"
}

version=$(sed -n 's/^AC_INIT(\[pasidd\], \[\(.*\)\])/\1/p' "$top_srcdir/configure.ac")
tap_equal "debian/changelog has the version" "$version" "$(sed -n '1s/^pasidd (\([^-)]*\).*/\1/p' "$debian/changelog")"
tap_equal "so has the spec" "$version" "$(sed -n 's/^Version: *//p' "$spec")"
tap_equal "and its changelog" "$version" "$(sed -n '/^%changelog/,$s/^\* .* - \(.*\)-[0-9]*$/\1/p' "$spec" | head -n 1)"
tap_equal "and NEWS.md" "## $version" "$(grep -m1 '^## ' "$top_srcdir/NEWS.md")"

soname=libpasid.so.$(($(value LIBPASID_CURRENT) - $(value LIBPASID_AGE)))
tap_equal "debian's symbols are of the library" "$soname" "$(sed -n '1s/ .*//p' "$debian/libpasid1.symbols")"
tap_equal "which has the package's name" "libpasid${soname##*.}" "$(sed -n 's/^Package: \(libpasid[0-9].*\)/\1/p' "$debian/control")"
tap_equal "the spec has it, too" 1 "$(grep -cF "%{_libdir}/$soname*" "$spec")"
tap_equal "debian's symbols have each node" "$(sed -n 's/^\(LIBPASID_[0-9._]*\) {.*/\1/p' "$top_srcdir/client/lib/libpasid.sym")" \
        "$(sed -n 's/^ (symver)\([^ ]*\) .*/\1/p' "$debian/libpasid1.symbols")"

# Each package has files to install, and what is there is of a package.
tap_equal "each package has its list" "$(sed -n 's/^Package: //p' "$debian/control" | sort)" \
        "$(cd "$debian" && printf '%s\n' *.install | sed 's/\.install$//' | sort)"

# SECTION: what a section of the spec has
section() { sed -n "/^%files$1\$/,/^%[a-z]* *\(-n \)\{0,1\}[a-z]*\$/{/^%files/d;p}" "$spec"; }
link=$(sed -n 's|.*\(/etc/libvirt/hooks/[a-z.]*/[a-z]*\).*|\1|p' "$top_srcdir/client/libvirt/main.c" | head -n 1)
tap_equal "libvirt finds its hook" "usr/sbin/pasid-libvirt-hook ${link#/}" "$(cat "$debian/pasidd-libvirt.links")"
tap_equal "with the spec, too" 1 "$(section " libvirt" | grep -cxF "%{_sysconfdir}${link#/etc}")"

# Patterns on standard input: the examples that they are for
of_examples() {
        sed -n 's|.*/examples/||p' | while read -r pattern; do
                # shellcheck disable=SC2254
                for name in $examples; do case $name in $pattern) echo "$name" ;; esac; done
        done | sort | paste -sd' '
}
examples=$(grep -o 'doc/examples/[a-z-]*[.][a-z]*' "$top_srcdir/doc/Makemodule.am" | sed 's|.*/||' | sort -u)
units=$(printf '%s\n' "$examples" | grep '[.]service$\|[.]timer$' | paste -sd' ')
others=$(printf '%s\n' "$examples" | grep -v '[.]service$\|[.]timer$' | paste -sd' ')
tap_equal "examples of units come with the daemon" "$units" "$(of_examples <"$debian/pasidd.examples")"
tap_equal "programs with the library" "$others" "$(of_examples <"$debian/libpasid-dev.examples")"
tap_equal "the spec has those units there, too" "$units" "$(section "" | of_examples)"
tap_equal "and those programs" "$others" "$(section " -n libpasid-devel" | of_examples)"
tap_done
