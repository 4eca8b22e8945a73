#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# libpasid as it is built against the ABI of its last release: functions may be
# added, structs that are passed with their size may grow at their end, and
# nothing else may change.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

library=$top_builddir/.libs/libpasid.so
dump=$top_srcdir/client/lib/libpasid.abi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

why_not() {
        command -v abidiff >/dev/null || { echo "no abidiff (Debian: abigail-tools)"; return; }
        [ -e "$library" ] || { echo "no shared library is built"; return; }
        # Another compiler's is described in other words.
        case ${CC-gcc} in
        *clang*) echo "the dump is of gcc's"; return ;;
        esac
        readelf -S "$library" 2>/dev/null | grep -q '\.debug_info' || echo "the library has no debug information"
}

# OLD NEW: the new dump with its sized structs cut to what the old one has of them
without_growth() {
        awk -v quote="'" '
                function value(key,  rest) {
                        rest = substr($0, index($0, " " key "=" quote) + length(key) + 3)
                        return substr(rest, 1, index(rest, quote) - 1)
                }
                FNR == 1 { file++ }
                /<class-decl / { name = /\/>$/ ? "" : value("name"); members = skip = 0 }
                file == 1 && /<class-decl / && name != "" { size[name] = value("size-in-bits") }
                file == 1 && name != "" && /<data-member / { count[name]++ }
                file == 1 && count[name] == 1 && /<var-decl / { is_sized[name] = value("name") == "size" }
                file == 1 { next }
                is_sized[name] && /<class-decl / { sub("size-in-bits=.[0-9]*.", "size-in-bits=" quote size[name] quote) }
                is_sized[name] && /<data-member / { skip = ++members > count[name] }
                /<\/class-decl>/ { skip = 0 }
                !skip' "$1" "$2"
}

# DUMP: what abidiff has against what is built, if that was the last release
incompatible() {
        without_growth "$1" "$scratch/built.abi" >"$scratch/cut.abi"
        # A summary is printed of what is fine, too.
        abidiff --no-architecture --no-added-syms "$1" "$scratch/cut.abi" >"$scratch/out" 2>&1 || cat "$scratch/out"
}

# NAME SED-PROGRAM: a last release that differs from ours so is told apart
differs() {
        sed "$2" "$scratch/built.abi" >"$scratch/planted.abi"
        if cmp -s "$scratch/built.abi" "$scratch/planted.abi"; then
                tap_not_ok "$1" "nothing was changed by: $2"
        elif [ -n "$(incompatible "$scratch/planted.abi")" ]; then
                tap_ok "$1"
        else
                tap_not_ok "$1" "abidiff has nothing against it"
        fi
}

# NAME AWK-PROGRAM: of such a last release ours is a compatible successor
succeeds() {
        awk "$2" "$scratch/built.abi" >"$scratch/planted.abi"
        if cmp -s "$scratch/built.abi" "$scratch/planted.abi"; then
                tap_not_ok "$1" "nothing was changed by: $2"
        else
                tap_none "$1" "$(incompatible "$scratch/planted.abi")"
        fi
}

why=$(why_not)
if [ -n "$why" ]; then
        tap_skip "the ABI of libpasid" "$why"
        tap_done
fi
sh "$top_srcdir/tools/abi-dump" "$library" >"$scratch/built.abi"
tap_none "the library keeps the ABI of its last release" "$(incompatible "$dump")"
differs "a function that went is found" 's/pasid_unmap/pasid_gone/g'
differs "another soname is found" "s/soname='libpasid.so.[0-9]*'/soname='libpasid.so.99'/"
differs "another type of an argument is found" "/<function-decl name='pasid_map'/,/<\/function-decl>/{
        s/type-id='[0-9a-z]*' name='length'/type-id='planted' name='length'/
        }
        0,/<type-decl /s/<type-decl /<type-decl name='short' size-in-bits='16' id='planted'\/>\n&/"
info="<class-decl name='pasid_info'"
differs "a member that moved is found" "/$info/,/<\/class-decl>/s/layout-offset-in-bits='64'/layout-offset-in-bits='96'/"
differs "a member that came in between is found" "/$info/,/<\/class-decl>/{
        /layout-offset-in-bits='96'/,/<\/data-member>/d
        }"
succeeds "a function may be added" "/<function-decl name='pasid_unmap'/, /<\/function-decl>/ { next } /elf-symbol name='pasid_unmap'/ { next } 1"
# Its last member away
succeeds "a sized struct may grow at its end" "
        /$info/ { sub(\"size-in-bits='320'\", \"size-in-bits='256'\"); inside = 1 }
        inside && /layout-offset-in-bits='256'/ { skip = 3 }
        /<\/class-decl>/ { inside = 0 }
        skip > 0 { skip--; next } 1"
tap_done
