#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The sessions in README.md: each command is given as it stands there, and has
# to print what stands under it.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"

uid=$(id -u)
work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
export LC_ALL=C.UTF-8 TZ=UTC0
unset NO_COLOR PAGER LESS
daemon=

cleanup() {
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

pasidctl() { "$ctl" "$@"; }

# The blocks whose first line is a command
sessions() {
        awk '/^```/ { is_inside = !is_inside; is_first = is_inside; is_session = 0; next }
             is_first { is_session = /^\$ pasidctl /; is_first = 0 }
             is_session' "$top_srcdir/README.md"
}
# Commands on standard input; a sentence of an error goes with failure, and nothing else does.
run() {
        while read -r prompt command; do
                [ "$prompt" = "$" ] || continue
                printf '$ %s\n' "$command"
                status=0
                eval "$command" >"$work/said" 2>&1 </dev/null || status=$?
                cat "$work/said"
                case "$status $(head -c 10 "$work/said")" in
                "1 pasidctl: " | "0 "*) ;;
                *) echo "exit status $status" ;;
                esac
        done
}
# What differs from run to run: times, what is left of a delay, the uid, columns as wide as the uid
alike() {
        sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00/SECONDS/' -e 's/cools for (30|2[0-9]) s/cools for N s/' \
                -e "s/^(uid: +)($1)\$/\1UID/" -e "s/ uid ($1) / uid UID /" -e "s/ ($1) (allocated) /UID \2/" -e 's/ +/ /g' -e 's/^ //'
}

machine=$work/description
cat >"$machine" <<'END'
kernel 6.18.0 quiet intel_iommu=on,sm_on
iommufd
iommu dmar0 intel 99800f050df
device 0000:01:00.0 id=0bad:0001 class=088000 pasid=20 driver=vfio-pci group=2 iommu=dmar0 cdev=0
device 0000:04:00.0 id=0bad:0004 class=020000 driver=vfio-pci group=5 iommu=dmar0 cdev=2
END
: >"$work/pasidd.conf"
start_daemon

sessions >"$work/readme"
tap_equal "the sessions are found" "1 1" "$(grep -c '^\$ pasidctl init vm-1$' "$work/readme") $(grep -c '^\$ pasidctl devices$' "$work/readme")"
tap_equal "they go as README.md says" "$(alike 0 <"$work/readme")" "$(run <"$work/readme" | alike "$uid")"
tap_done
