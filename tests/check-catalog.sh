#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The message catalogue: each id of daemon/log-ids.h has an entry and is used,
# and journalctl can read them all.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
catalog=$top_srcdir/systemd/pasidd.catalog

sed -n 's/^#define MESSAGE_\([A-Z_]*\) *"\([0-9a-f]\{32\}\)"$/\1 \2/p' "$top_srcdir/daemon/log-ids.h" >"$scratch/ids"
tap_equal "each line of log-ids.h is an id" "$(grep -c '^#define' "$top_srcdir/daemon/log-ids.h")" "$(wc -l <"$scratch/ids")"
cut -d' ' -f2 "$scratch/ids" | sort >"$scratch/wanted"
tap_none "no id is given twice" "$(uniq -d "$scratch/wanted")"
sed -n 's/^-- //p' "$catalog" | sort >"$scratch/have"
tap_equal "the catalogue has an entry for each" "$(cat "$scratch/wanted")" "$(cat "$scratch/have")"
unused=$(while read -r name _; do
        grep -rq --include='*.c' "MESSAGE_$name\b" "$top_srcdir/daemon" || echo "MESSAGE_$name"
done <"$scratch/ids")
tap_none "each is used" "$unused"
fields=$(grep -o '@[A-Z_]*@' "$catalog" | tr -d @ | sort -u)
tap_none "entries name only fields that pasidd writes" "$(for field in $fields; do
        grep -q "\"$field=%" "$top_srcdir/daemon/log.c" || echo "$field"
done)"

mkdir -p "$scratch/root/usr/lib/systemd/catalog" "$scratch/root/var/lib/systemd/catalog"
cp "$catalog" "$scratch/root/usr/lib/systemd/catalog/"
if ! command -v journalctl >/dev/null; then
        tap_skip "journalctl reads it" "no journalctl"
elif journalctl --root="$scratch/root" --update-catalog >"$scratch/out" 2>&1; then
        tap_none "journalctl has nothing against it" "$(cat "$scratch/out")"
        journalctl --root="$scratch/root" --list-catalog >"$scratch/list" 2>"$scratch/out" || true
        tap_equal "journalctl reads it" "$(cat "$scratch/wanted")" "$(sed -n 's/^\([0-9a-f]\{32\}\) pasidd: ..*/\1/p' "$scratch/list" | sort)"
else
        tap_not_ok "journalctl reads it" "$(cat "$scratch/out")"
fi
tap_done
