#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# libpasid is the same everywhere: functions exported by the built library, in
# its symbol map, in its header, and in the manual pages, with the same
# prototypes and structs. Each comparison is first tried on a planted difference.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
map=$top_srcdir/client/lib/libpasid.sym
shared=$top_builddir/.libs/libpasid.so
static=$top_builddir/.libs/libpasid.a

# C text in, without comments and preprocessor lines, on one line with single blanks, out
plain() {
        grep -v '^#' | tr '\n\t' '  ' | sed -e 's|/\*|\n/*|g' | sed -e 's|^/\*.*\*/||' | tr '\n' ' ' | tr -s ' '
}

# Plain C in; prototypes out, one a line
prototypes() {
        sed -e 's/extern "C" {//' -e 's/struct [a-z_]* {[^}]*};//g' -e 's/enum [a-z_]* {[^}]*};//g' -e 's/;/;\n/g' |
                sed -e 's/^ *//' | grep -v '^typedef' | grep '[ *]pasid_[a-z_]*(.*);$' | sort
}

# Plain C in; structs and enums with their members, and types of callbacks, out
types() {
        sed -e 's/};/};\n/g' -e 's/typedef [^;]*;/\n&\n/g' |
                sed -n -e 's/.*\(\(struct\|enum\) [a-z_]* {[^{}]*};\).*/\1/p' -e 's/^\(typedef [^;]*;\).*/\1/p' | sort
}

# Prototypes in, names out
names() {
        sed -e 's/^.*[ *]\(pasid_[a-z_]*\)(.*/\1/' | sort
}

# MAP: names out
map_names() {
        sed -n 's/^[ \t]*\(pasid_[a-z_]*\);$/\1/p' "$1" | sort
}

# PAGE...: the C text of their synopses
synopses() {
        awk 'FNR == 1 { on = 0; code = 0 } /^# /{ on = ($2 == "SYNOPSIS") } /^```/ { code = !code; print ""; next } on && code' "$@"
}

# PAGE...: the functions of their NAME sections
page_names() {
        for page in "$@"; do
                basename "$page" .3.scd
                sh "$top_srcdir/man/aliases.sh" "$page"
        done | grep '^pasid_' | sort
}

# NAME WANTED GOT: both are files
same() {
        tap_none "$1" "$(diff "$2" "$3" | grep '^[<>]' || true)"
}

differ() {
        if cmp -s "$2" "$3"; then
                tap_not_ok "$1" "no difference seen"
        else
                tap_ok "$1"
        fi
}

# What <pasid/pasid.h> includes of its own is a part of it.
cat "$top_srcdir"/include/pasid/*.h | plain >"$scratch/plain"
prototypes <"$scratch/plain" >"$scratch/prototypes"
types <"$scratch/plain" >"$scratch/types"
names <"$scratch/prototypes" >"$scratch/names"
if [ "$(wc -l <"$scratch/names")" -ge 50 ] && [ "$(wc -l <"$scratch/types")" -ge 21 ]; then
        tap_ok "pasid.h is understood"
else
        tap_not_ok "pasid.h is understood" "$(cat "$scratch/names" "$scratch/types")"
fi

map_names "$map" >"$scratch/map"
sed '/pasid_find;/d' "$map" >"$scratch/planted.sym"
map_names "$scratch/planted.sym" >"$scratch/planted"
differ "a function missing in the symbol map is found" "$scratch/names" "$scratch/planted"
same "the symbol map has the functions of pasid.h" "$scratch/names" "$scratch/map"

if [ -e "$shared" ]; then
        nm -D --defined-only "$shared" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort >"$scratch/exported"
        same "the shared library exports the functions of pasid.h" "$scratch/names" "$scratch/exported"
else
        tap_skip "the shared library exports the functions of pasid.h" "no shared library"
fi
# A static library has no symbol map: what is internal must not clash either. Sanitizers add names with __.
if [ -e "$static" ]; then
        tap_none "the static library takes no names but pasid_* and lp_*" \
                "$(nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 && $3 !~ /^(pasid_|lp_|__)/ { print $3 }')"
        nm -g --defined-only "$static" 2>/dev/null | awk 'NF == 3 && $3 ~ /^pasid_/ { print $3 }' | sort >"$scratch/static"
        same "the static library has the functions of pasid.h" "$scratch/names" "$scratch/static"
else
        tap_skip "the static library takes no names but pasid_* and lp_*" "no static library"
        tap_skip "the static library has the functions of pasid.h" "no static library"
fi

set -- "$top_srcdir"/man/libpasid.3.scd "$top_srcdir"/man/pasid_*.3.scd
page_names "$@" >"$scratch/page-names"
same "the manual pages describe the functions of pasid.h" "$scratch/names" "$scratch/page-names"

synopses "$@" | plain >"$scratch/synopses"
sed 's/size_t n_pasids/int n_pasids/' "$scratch/synopses" | prototypes >"$scratch/planted"
differ "a wrong prototype in a manual page is found" "$scratch/prototypes" "$scratch/planted"
prototypes <"$scratch/synopses" >"$scratch/page-prototypes"
same "the manual pages have the prototypes of pasid.h" "$scratch/prototypes" "$scratch/page-prototypes"
sed 's/uint32_t quota;/uint64_t quota;/' "$scratch/synopses" | types >"$scratch/planted"
differ "a wrong struct in a manual page is found" "$scratch/types" "$scratch/planted"
types <"$scratch/synopses" >"$scratch/page-types"
same "the manual pages have the types of pasid.h" "$scratch/types" "$scratch/page-types"
tap_done
