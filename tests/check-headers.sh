#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Each header of the project compiles alone, and may be included twice.
# CC and TEST_CPPFLAGS come from the Makefile; alone it does with what is standard.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
: "${TEST_CPPFLAGS:=-D_GNU_SOURCE -I$top_srcdir/include -I$top_srcdir/daemon}"

# HEADER: what the compiler has against it
complaints() {
        # shellcheck disable=SC2086 # CC and the flags are several words
        printf '#include "%s"\n#include "%s"\n' "$1" "$1" |
                ${CC:-cc} -std=gnu11 ${TEST_CPPFLAGS-} -Wall -Wextra -Wno-unused-parameter -Werror -fsyntax-only -x c - 2>&1 || true
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'struct a { uint32_t b; };' >"$scratch/needy.h"
echo 'struct a { int b; };' >"$scratch/unguarded.h"
for bad in needy unguarded; do
        if [ -n "$(complaints "$scratch/$bad.h")" ]; then
                tap_ok "a planted $bad header is found"
        else
                tap_not_ok "a planted $bad header is found" "${CC:-cc} had nothing against it"
        fi
done

# The tests' own headers need Check, which is optional.
for header in $(cd "$top_srcdir" && find daemon client include -name '*.h' | LC_ALL=C sort); do
        tap_none "$header compiles alone" "$(complaints "$top_srcdir/$header")"
done
tap_done
