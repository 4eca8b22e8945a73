# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the tests of the hook for containers share, on top of tap.sh: a daemon
# on a kernel that attaches whatever it is asked to, and bundles. Read before
# anything is started; sets $work, which is gone at the end.

# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"
ctl=$(program pasidctl)
# shellcheck disable=SC2034
hook=$(program pasid-oci-hook)
work=$(mktemp -d)
chmod 755 "$work"
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
export LC_ALL=C.UTF-8 TZ=UTC0
daemon=
first=0000:01:00.0 second=0000:02:00.0
root=$work/bundle/rootfs

answers() { "$ctl" status >/dev/null 2>&1; }

# 02 has a driver of its own; a number that was freed can be given again at once
make_world() {
        mkdir -p "$work/fake" "$root"
        printf '%s 1 vfio-pci\n%s 2 vfio-pci\n0000:03:00.0 3 idxd\n' $first $second >"$work/fake/devices"
        printf '[Daemon]\nReuseDelaySec=0\n[Limits]\nPasidsPerConsumer=100\n' >"$work/pasidd.conf"
}

start_daemon() {
        "$top_builddir/tests/bus/pasidd-fake" --bus=none --listen="$PASIDD_ADDRESS" --runtime-dir="$work/run" \
                --state-dir="$work/state" --config="$work/pasidd.conf" --sysfs="$work/fake" --log-level=err >>"$work/log" 2>&1 &
        daemon=$!
        await answers || { tap_not_ok "the daemon starts" "$(cat "$work/log")"; tap_done; }
}

# SIGNAL
stop_daemon() {
        kill -s "$1" "$daemon"
        wait "$daemon" 2>/dev/null || true
        daemon=
}

# ANNOTATIONS [REST]: members of the object "annotations", further members of config.json
config() {
        printf '{"ociVersion":"1.0.2","root":{"path":"rootfs"},"annotations":{%s}%s}\n' "$1" "${2:+,$2}" >"$work/bundle/config.json"
}

consumers() { "$ctl" consumers --no-legend | sed 's/ .*//' | LC_ALL=C sort | xargs; }
has_none() { [ -z "$(consumers)" ]; }
# CONSUMER: its numbers and their states
numbers() { "$ctl" list "$1" --json=short | tr '{' '\n' | sed -n 's/.*"pasid":\([0-9]*\).*"state":"\([a-z]*\)".*/\1 \2/p' | xargs; }
# NAME: one member of the consumer's description
described() { "$ctl" consumers --json=short | tr '{' '\n' | grep "\"name\":\"$1\"" | sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"; }
