#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What the real daemon measures, as pasidctl writes it: read by the grammar of
# OpenMetrics, compared with what was done, and written down as the example for
# node_exporter does it; of the kernel and over restarts on a kernel of the
# test's own.
# shellcheck disable=SC2016
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
export LC_ALL=C.UTF-8
daemon=

cleanup() {
        exec 3>&- 4<&- 5>&- 6<&-
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

if ! command -v python3 >/dev/null; then
        tap_skip "metrics" "no python3"
        tap_done
fi
limits="PasidsPerUid=1000 PasidsPerConsumer=500 ConsumersPerUid=50 PinnedBytesPerUid=1000000 PinnedBytesPerConsumer=500000
        ConnectionsPerUid=40 Connections=80"
{
        printf '[Daemon]\nReuseDelaySec=3600\n[Limits]\n'
        # shellcheck disable=SC2086
        printf '%s\n' $limits
} >"$work/pasidd.conf"
start_daemon

# What is wrong with the text on standard input; the samples are in $work/samples
complaints() {
        python3 "$top_srcdir/tests/data/openmetrics.py" >"$work/samples" 2>"$work/why" || true
        cat "$work/why"
}
look() {
        "$ctl" metrics >"$work/text"
        complaints <"$work/text" >"$work/complaints"
}
# NAME{LABELS}: its value
value() {
        awk -v name="$1" '$1 == name { print $2 }' "$work/samples"
}

# The reader knows mistakes: each of these is one.
while IFS='|' read -r what text; do
        # shellcheck disable=SC2059 # it is a format
        if [ -n "$(printf "$text" | complaints)" ]; then
                tap_ok "the reader finds $what"
        else
                tap_not_ok "the reader finds $what" "$text"
        fi
done <<'END'
no end|# TYPE a gauge\na 1\n
a counter without _total|# TYPE a counter\na 1\n# EOF\n
a stray sample|# TYPE a gauge\nb 1\n# EOF\n
a bare quotation mark|# TYPE a gauge\na{x="\042"} 1\n# EOF\n
a family in two places|# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\n# TYPE a gauge\na 2\n# EOF\n
the same sample twice|# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 1\n# EOF\n
buckets that descend|# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\na_count 1\na_sum 1\n# EOF\n
END
tap_none "and nothing in what is right" "$(printf '# HELP a \\\\ \\n\n# TYPE a gauge\na{x="\\\\"} 1\n# EOF\n' | complaints)"

look
tap_none "what it measures is OpenMetrics" "$(cat "$work/complaints")"
tap_equal "nothing is given out" 0 "$(value pasidd_allocations_total)"
tap_equal "all is free on the host" 1048575 "$(value 'pasidd_free_numbers{space="host"}')"
started=$(value pasidd_start_time_seconds)

"$ctl" init vm
"$ctl" init dev --device 0000:01:00.0
group=$(basename "$(readlink "$work/machine/sys/bus/pci/devices/0000:01:00.0/iommu_group")")
before=$(value "pasidd_free_numbers{space=\"$group\"}")
"$ctl" alloc vm --count=5 --private=secret-of-vm >/dev/null
"$ctl" alloc dev --count=3 --min=100 >/dev/null
"$ctl" free vm 1 2
"$ctl" free vm 1 2>/dev/null || true
"$ctl" alloc vm --min=1 --max=1 2>/dev/null || true
"$ctl" exit dev
look
tap_none "it still is" "$(cat "$work/complaints")"
tap_equal "given out" 8 "$(value pasidd_allocations_total)"
tap_equal "freed" 2 "$(value 'pasidd_ends_total{reason="freed"}')"
tap_equal "ended by Exit" 3 "$(value 'pasidd_ends_total{reason="exit"}')"
tap_equal "allocated on the host" 3 "$(value 'pasidd_numbers{space="host",state="allocated"}')"
tap_equal "cooling on the host" 2 "$(value 'pasidd_numbers{space="host",state="cooling"}')"
tap_equal "cooling in the device's group" 3 "$(value "pasidd_numbers{space=\"$group\",state=\"cooling\"}")"
tap_equal "free on the host is what is free in every group, too" 1048567 "$(value 'pasidd_free_numbers{space="host"}')"
tap_equal "what the host has is free in no group" $((before - 8)) "$(value "pasidd_free_numbers{space=\"$group\"}")"
tap_equal "of this uid, cooling ones counted" 8 "$(value "pasidd_uid_numbers{uid=\"$uid\"}")"
tap_equal "its consumers" 1 "$(value "pasidd_uid_consumers{uid=\"$uid\"}")"
tap_equal "and its connections: the one that asks" 1 "$(value "pasidd_uid_connections{uid=\"$uid\"}")"
tap_equal "it has pinned nothing" 0 "$(value "pasidd_uid_pinned_bytes{uid=\"$uid\"}")"
# shellcheck disable=SC2086
tap_equal "the limits are those of the settings" "$(printf '%s\n' $limits | sort)" \
        "$(sed -n 's/^pasidd_limit{setting="\(.*\)"} \(.*\)/\1=\2/p' "$work/text" | sort)"
tap_equal "refused: not allocated" 1 "$(value 'pasidd_refusals_total{error="NoSuchPasid"}')"
tap_equal "refused: cooling" 1 "$(value 'pasidd_refusals_total{error="CoolingDown"}')"
tap_equal "refused: nothing else" 2 "$(awk '/^pasidd_refusals_total/ { n += $2 } END { print n }' "$work/samples")"
tap_equal "a usable device" 1 "$(value "pasidd_device_usable{device=\"0000:01:00.0\",space=\"$group\"}")"
tap_equal "nobody has looked for drift" "" "$(value pasidd_drift_findings)"
if "$ctl" check >/dev/null 2>&1; then
        look
        tap_equal "after check, what it found" 0 "$(value pasidd_drift_findings)"
else
        tap_skip "after check, what it found" "needs root"
fi
tap_none "private data is not in it" "$(grep secret "$work/text" || true)"
tap_equal "no restart" "$started" "$(value pasidd_start_time_seconds)"

"$ctl" metrics --format=prometheus >"$work/prometheus"
if command -v promtool >/dev/null; then
        tap_equal "promtool has nothing against it" "" "$(promtool check metrics <"$work/prometheus" 2>&1 || true)"
else
        tap_skip "promtool has nothing against it" "no promtool"
fi
tap_none "each sample has its type before it" "$(awk '$1 == "#" { if ($2 == "TYPE") { name = $3; type = $4 } next }
        { split($1, part, "{"); sub(type == "histogram" ? "_(bucket|count|sum)$" : "^$", "", part[1]); if (part[1] != name) print }' "$work/prometheus")"
tap_equal "JSON has the same" "$(grep -vc '^#' "$work/text")" "$("$ctl" metrics --json=short |
        python3 -c 'import json, sys; print(len([m for m in json.load(sys.stdin) if set(m) == {"name", "type", "labels", "value"}]))')"

# Half of what there is to see is none of anybody's business.
nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
if [ "$uid" -eq 0 ] && nobody "$ctl" --version >/dev/null 2>&1; then
        chmod 666 "$work/pasidd.sock"
        tap_equal "others are refused" 1 "$(nobody "$ctl" metrics 2>&1 | grep -c 'neither root nor in group')"
else
        tap_skip "others are refused" "needs root, and a build that nobody can read"
fi

# The example, with its own command.
unit=$top_srcdir/doc/examples/pasidd-metrics.service
mkdir "$work/textfile" "$work/bin"
ln -s "$(realpath "$ctl")" "$work/bin/pasidctl"
sed -n "s/^ExecStartPre=-.bin.sh -c '\(.*\)'\$/\1/p" "$unit" >"$work/before"
sed -n "s/^ExecStart=.bin.sh -c '\(.*\)'\$/\1/p" "$unit" >"$work/command"
# COMMAND: as in the unit
part_of_example() { PATH="$work/bin:$PATH" DIRECTORY="$work/textfile" sh "$1" 2>"$work/err"; }
run_example() {
        part_of_example "$work/before" || true # as its "-" says
        part_of_example "$work/command"
}
run_example
tap_equal "the example writes a file, and when it last compared" "pasidd.checked pasidd.prom" \
        "$(find "$work/textfile" -type f -printf '%f\n' | sort | xargs)"
tap_equal "with all that there is" "$(grep -c '^# TYPE' "$work/prometheus")" "$(grep -c '^# TYPE' "$work/textfile/pasidd.prom")"
cp "$work/textfile/pasidd.prom" "$work/last"
kill "$daemon"
wait "$daemon" || true
daemon=
got=0
run_example || got=$?
tap_equal "without pasidd it fails" 1 "$got"
tap_equal "and the last one stays whole" "$(cat "$work/last")" "$(cat "$work/textfile/pasidd.prom")"
if command -v systemd-analyze >/dev/null; then
        mkdir "$work/units"
        sed -E "s|^(ExecStart(Pre=-)?=?)/bin/sh|\1$(command -v sh)|" "$unit" >"$work/units/pasidd-metrics.service"
        cp "$top_srcdir/doc/examples/pasidd-metrics.timer" "$top_srcdir/systemd/pasidd.socket" "$work/units/"
        tap_none "systemd has nothing against service and timer" "$(SYSTEMD_UNIT_PATH=$work/units: systemd-analyze verify --man=no \
                --recursive-errors=no "$work/units/pasidd-metrics.service" "$work/units/pasidd-metrics.timer" 2>&1 | grep pasidd-metrics || true)"
else
        tap_skip "systemd has nothing against service and timer" "no systemd-analyze"
fi

# --- the kernel, and restarts: with a kernel that has one number attached that nobody asked for ---

ask() {
        echo "$*" >&3
        read -r answer <&4 || answer="error EPIPE"
        echo "${answer%% *}"
}
# Each value of a label in the samples of a name, in the order of the text
labels() { sed -n "s/^$1{.*\<$2=\"\([^\"]*\)\".*/\1/p" "$work/text" | awk '!seen[$0]++' | xargs; }
restored() { echo "$(value 'pasidd_restored_numbers{result="kept"}') $(value 'pasidd_restored_numbers{result="detached"}')" \
        "$(value 'pasidd_restored_numbers{result="lost"}')"; }
is_later() { awk -v a="$1" -v b="$2" 'BEGIN { print (a + 0 > b + 0 ? "yes" : a " after " b) }'; }
# SPACE STATE: so many numbers
numbers() { value "pasidd_numbers{space=\"$1\",state=\"$2\"}"; }
# CALL: how often the kernel was asked, how often it took no longer than its last bucket, how often it refused
asked() { echo "$(value "pasidd_kernel_call_seconds_count{call=\"$1\"}")" \
        "$(value "pasidd_kernel_call_seconds_bucket{call=\"$1\",le=\"+Inf\"}")" \
        "$(value "pasidd_kernel_call_failures_total{call=\"$1\"}")"; }

first=0000:01:00.0 second=0000:02:00.0
rm -rf "$work/run" "$work/state"
mkdir "$work/fake"
printf '%s 1 vfio-pci\n%s 2 vfio-pci\n' $first $second >"$work/fake/devices"
mkfifo "$work/in" "$work/out"
"$top_builddir/tests/vm/guest/fd-keeper" "$top_builddir/tests/bus/pasidd-fake" --bus=none --listen="$PASIDD_ADDRESS" \
        --runtime-dir="$work/run" --state-dir="$work/state" --config="$work/pasidd.conf" --sysfs="$work/fake" --log-level=err \
        <"$work/in" >"$work/out" 2>"$work/log" &
exec 3>"$work/in" 4<"$work/out"
tap_equal "a daemon on the test's kernel" ok "$(ask start)"
look
kinds="attach detach bind ioas hwpt destroy map unmap other"
tap_equal "the kernel's calls, by kind" "$kinds" "$(labels pasidd_kernel_call_seconds_bucket call)"
tap_equal "those that it refused, likewise" "$kinds" "$(labels pasidd_kernel_call_failures_total call)"
tap_equal "their buckets" "1e-05 0.0001 0.001 0.01 0.1 1.0 +Inf" "$(labels pasidd_kernel_call_seconds_bucket le)"
tap_equal "none so far" "0 0 0" "$(asked attach)"
tap_equal "which took no time" 0 "$(value 'pasidd_kernel_call_seconds_sum{call="attach"}')"
tap_equal "and there was nothing to restore" "0 0 0" "$(restored)"

"$ctl" init one --mode mediated --device $first
"$ctl" init both --mode mediated --device $first --device $second
"$ctl" alloc one --min 10 --max 11 --count 2 >/dev/null
"$ctl" alloc both --min 20 --max 20 >/dev/null
"$ctl" attach one 10
"$ctl" attach both 20
look
tap_none "it is OpenMetrics" "$(cat "$work/complaints")"
tap_equal "three attached" "3 3 0" "$(asked attach)"
tap_equal "each in its space" "2 1" "$(numbers 1 attached) $(numbers 2 attached)"
tap_equal "and none on the host" 0 "$(numbers host attached)"
tap_equal "on two devices" "2 2 0" "$(asked bind)"
tap_equal "which took time" yes "$(is_later "$(value 'pasidd_kernel_call_seconds_sum{call="attach"}')" 0)"
if [ "$uid" -eq 0 ]; then
        drift() { sed -n "s/^pasidd_drift_$1 //p" "$work/textfile/pasidd.prom"; }
        rm -f "$work/textfile"/*
        run_example
        tap_equal "what the IOMMU has otherwise is counted by the example" 3 "$(drift findings)"
        checked=$(drift check_time_seconds)
        run_example
        tap_equal "which does not look each time" "$checked" "$(drift check_time_seconds)"
        touch -d '11 minutes ago' "$work/textfile/pasidd.checked"
        run_example
        tap_equal "but now and then" yes "$(is_later "$(drift check_time_seconds)" "$checked")"
        ask end KILL >/dev/null
        ask start >/dev/null
        run_example
        tap_equal "after a restart nothing is known" "" "$(drift findings)"
        run_example
        tap_equal "until the next time" 3 "$(drift findings)"
else
        tap_skip "what the IOMMU has otherwise is counted by the example" "needs root"
fi
is_busy() { grep -q '^busy 1$' "$work/fake/log"; }
: >"$work/fake/log"
echo 1 >"$work/busy"
mv "$work/busy" "$work/fake/busy"
await is_busy || true
"$ctl" attach one 11
look
tap_equal "the fourth was refused once" "5 5 1" "$(asked attach)"

started=$(value pasidd_start_time_seconds)
for how in KILL TERM; do
        tap_equal "SIG$how" ok "$(ask end $how)"
        tap_equal "and another start" ok "$(ask start)"
        look
        tap_equal "the restart is seen" yes "$(is_later "$(value pasidd_start_time_seconds)" "$started")"
        tap_equal "what was attached was kept" "3 0 0" "$(restored)"
        tap_equal "counters begin anew" 0 "$(value pasidd_allocations_total)"
        started=$(value pasidd_start_time_seconds)
done
ask end KILL >/dev/null
ask lose device-0000-02-00.0 >/dev/null
printf '%s 1 vfio-pci\n' $first >"$work/fake/devices"
ask start >/dev/null
look
tap_equal "without a device that is gone, one is lost" "2 0 1" "$(restored)"
tap_equal "in each of its spaces, also in the one that has no device" "1 1" "$(numbers 1 lost) $(numbers 2 lost)"
tap_equal "the others are attached" "2 0" "$(numbers 1 attached) $(numbers 2 attached)"
tap_equal "and nothing can be given out where there is no device" "1 host" "$(labels pasidd_free_numbers space | tr ' ' '\n' | sort | xargs)"
ask end KILL >/dev/null
ask lose >/dev/null
ask start >/dev/null
look
tap_equal "without a file descriptor, none is attached" "0 2 0" "$(restored)"

# --- use of a uid that lasts as long as its connection ---

mkfifo "$work/to-tenant" "$work/from-tenant"
"$top_builddir/tests/vm/guest/tenant" <"$work/to-tenant" >"$work/from-tenant" 3>&- 4<&- &
exec 5>"$work/to-tenant" 6<"$work/from-tenant"
tell() {
        echo "$*" >&5
        read -r answer <&6 || answer="error EPIPE"
        echo "$answer"
}
tap_equal "a tenant with memory" "ok ok 0" "$(tell init mapped $first) $(tell memory 65536 0)"
tap_equal "which a device may use" "ok 40" "$(tell start 40 0 0x100000)"
look
tap_equal "is counted as pinned" 65536 "$(value "pasidd_uid_pinned_bytes{uid=\"$uid\"}")"
tap_equal "its connection, too" 2 "$(value "pasidd_uid_connections{uid=\"$uid\"}")"
exec 5>&- 6<&-
has_gone() {
        look
        [ "$(value "pasidd_uid_connections{uid=\"$uid\"}")" = 1 ]
}
tap_equal "until it goes" gone "$(await has_gone && echo gone)"
tap_equal "with its memory" 0 "$(value "pasidd_uid_pinned_bytes{uid=\"$uid\"}")"
tap_done
