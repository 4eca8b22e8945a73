#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The units, group and directories as systemd itself reads them.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
units=$scratch/units
mkdir -p "$units"

# UNIT: what systemd has against it. What newer ones know is no mistake: an older one says so and goes on.
complaints() {
        SYSTEMD_UNIT_PATH=$units: systemd-analyze verify --man=no --recursive-errors=no "$units/$1" 2>&1 |
                grep -v "Unknown key.*'FileDescriptorStorePreserve'" || true
}

# The command is not installed while we test; what is installed is in the unit as made.
fill() {
        sed "s|^ExecStart=.*|ExecStart=$(command -v true)|" "$top_builddir/systemd/pasidd.service" >"$units/pasidd.service"
        cp "$top_srcdir/systemd/pasidd.socket" "$units/"
}

tap_none "no variable is left in pasidd.service" "$(grep -n '@[a-zA-Z_]*@' "$top_builddir/systemd/pasidd.service" || true)"
if command -v systemd-analyze >/dev/null; then
        fill
        echo 'NoSuchSetting=yes' >>"$units/pasidd.socket"
        if [ -n "$(complaints pasidd.socket)" ]; then
                tap_ok "a planted mistake is found"
                fill
                tap_none "pasidd.service is sound" "$(complaints pasidd.service)"
                tap_none "pasidd.socket is sound" "$(complaints pasidd.socket)"
        else
                tap_skip "units are sound" "systemd-analyze verify does not work here"
        fi
else
        tap_skip "units are sound" "no systemd-analyze"
fi

# What systemd makes of the sandbox, in tenths from 0 to 100; more than this is a way out that somebody left open.
exposure_limit=15
# FILE: whether it is within the limit; what is said against it is in $scratch/exposure
is_closed() {
        systemd-analyze security --offline=true --no-pager --threshold="$exposure_limit" "$1" >"$scratch/exposure" 2>&1
}

if ! command -v systemd-analyze >/dev/null; then
        tap_skip "the sandbox is closed" "no systemd-analyze"
else
        sed '/^User=/d' "$units/pasidd.service" >"$scratch/pasidd.service"
        if is_closed "$scratch/pasidd.service"; then
                tap_not_ok "a unit that runs as root is found" "$(tail -n 1 "$scratch/exposure")"
        else
                tap_ok "a unit that runs as root is found"
        fi
        if is_closed "$units/pasidd.service"; then
                tap_ok "the sandbox is closed"
        else
                tap_not_ok "the sandbox is closed" "$(grep '✗\|→' "$scratch/exposure")"
        fi
        tail -n 1 "$scratch/exposure" | sed 's/^[^A-Za-z]*/# /; s/ [^ -~]*$//'
fi

if systemd-sysusers --dry-run --root="$scratch" "$top_srcdir/systemd/sysusers.d/pasidd.conf" >"$scratch/sysusers" 2>&1; then
        if grep -q "group 'pasid'" "$scratch/sysusers" && grep -q "user 'pasidd'" "$scratch/sysusers"; then
                tap_ok "sysusers makes group and user"
        else
                tap_not_ok "sysusers makes group and user" "$(cat "$scratch/sysusers")"
        fi
else
        tap_skip "sysusers makes group and user" "systemd-sysusers can't be tried here"
fi

# Unit, user, bus policy, polkit's actions and udev's rules must mean the same user.
user=$(sed -n 's/^User=//p' "$top_srcdir/systemd/pasidd.service.in")
tap_equal "the user is sysusers' own" "$user:pasid" \
        "$(awk '$1 == "u" { print $2 substr($3, 2) }' "$top_srcdir/systemd/sysusers.d/pasidd.conf")"
tap_equal "the bus lets it have the name" "$user" \
        "$(sed -n 's/.*<policy user="\(.*\)">/\1/p' "$top_srcdir/dbus/org.pasidd1.conf" | grep -vx root)"
tap_equal "polkit answers it for each action" "unix-user:$user unix-user:$user" \
        "$(sed -n 's|.*policykit.owner">\(.*\)</annotate>.*|\1|p' "$top_srcdir/systemd/org.pasidd1.policy" | paste -sd' ')"
tap_equal "udev gives it the devices" "$user $user" \
        "$(sed -n 's/.*OWNER="\([a-z]*\)".*/\1/p' "$top_srcdir/systemd/udev/60-pasidd.rules" | paste -sd' ')"

# The daemon, the unit and the manual page must mean the same socket.
socket=$(sed -n 's/^ListenStream=//p' "$top_srcdir/systemd/pasidd.socket")
dir=$(sed -n 's/^#define PASIDD_RUNTIME_DIR "\(.*\)"/\1/p' "$top_srcdir/include/internal/contract.h")
name=$(sed -n 's/^#define PASIDD_SOCKET_NAME "\(.*\)"/\1/p' "$top_srcdir/include/internal/contract.h")
tap_equal "pasidd.socket listens where clients look" "$dir/$name" "$socket"
bus_name=$(sed -n 's/^#define PASIDD_BUS_NAME "\(.*\)"/\1/p' "$top_srcdir/include/internal/contract.h")
tap_equal "the bus starts pasidd.service for its name" "$bus_name pasidd.service" \
        "$(sed -n -e 's/^Name=//p' -e 's/^SystemdService=//p' "$top_srcdir/dbus/org.pasidd1.service" | paste -sd' ')"
tap_done
