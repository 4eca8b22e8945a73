#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Every test that doc/security.md names is there, and every attack in it names
# one. Each check is first tried on a copy with a planted fault.
# shellcheck disable=SC2016 # the page's backquotes
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
page=$top_srcdir/doc/security.md

# PAGE: names of tests that there are not; a program's cases are written `program/case`, a script by its path
missing() {
        grep -oE '`((test|stress)-[a-z-]+/[a-z0-9_]+|tests/[a-z/-]+\.sh)`' "$1" | tr -d '`' | sort -u | while read -r name; do
                case $name in
                tests/*) [ -f "$top_srcdir/$name" ] || echo "$name" ;;
                *)
                        grep -qsE "^START_TEST\(${name#*/}\)" "$top_srcdir/tests/bus/${name%%/*}.c" \
                                "$top_srcdir/tests/unit/${name%%/*}.c" || echo "$name"
                        ;;
                esac
        done
}

# PAGE: attacks without a test. A paragraph of the chapter that begins in bold is one.
untried() {
        awk -v RS= '
        /^## / { inside = /^## Attacks/ }
        inside && /^\*\*/ && !/`(test|stress)-[a-z-]+\/[a-z0-9_]+`|`tests\/[a-z\/-]+\.sh`/ { print substr($0, 1, 60) }
        ' "$1"
}

sed 's/`test-bus-attacks\/guessed_paths`/`test-bus-attacks\/no_such_test`/; s/`tests\/check-policy\.sh`/`tests\/check-none.sh`/' \
        "$page" >"$scratch/renamed"
tap_equal "a test that is not there is found" "$(printf 'test-bus-attacks/no_such_test\ntests/check-none.sh')" \
        "$(missing "$scratch/renamed")"
sed 's/`test-bus-attacks\/user_namespace`//' "$page" >"$scratch/without"
tap_equal "an attack without a test is found" 1 "$(untried "$scratch/without" | wc -l)"
tap_none "every test that is named is there" "$(missing "$page")"
tap_none "every attack has a test" "$(untried "$page")"
tap_done
