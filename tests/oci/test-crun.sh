#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Real containers of crun, all on one root: run, exec, killed, many at once,
# refused. They need root and a unified cgroup tree, which is mounted in a
# mount namespace of this test's own; without a cgroup for each, for which not
# every sandbox has the rights, the process is what holds. tests/vm has the rest.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"

# shellcheck disable=SC2016 # for the container's shell
SOCKETS='for f in /run/pasidd/*; do [ ! -S $f ] || echo $f; done'

skip() {
        tap_skip "containers of crun" "$1"
        tap_done
}

[ "$(id -u)" -eq 0 ] || skip "not root"
command -v crun >/dev/null || skip "no crun"
command -v jq >/dev/null || skip "no jq"
busybox=$(command -v busybox) || skip "no busybox"
if [ "${1-}" != unshared ]; then
        unshare -m --propagation private true 2>/dev/null || skip "no mount namespaces"
        exec unshare -m --propagation private sh "$0" unshared
fi
if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
        { umount -R /sys/fs/cgroup && mount -t cgroup2 cgroup2 /sys/fs/cgroup; } 2>/dev/null || skip "no unified cgroup tree"
fi
# shellcheck source=tests/oci/kit.sh
. "$top_srcdir/tests/oci/kit.sh"

run_crun() { crun --root="$work/crun" --cgroup-manager=disabled "$@"; }

cleanup() {
        for id in "$work"/crun/*; do
                [ ! -d "$id" ] || run_crun delete --force "${id##*/}" >/dev/null 2>&1 || true
        done
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait 2>/dev/null || true
        rm -rf "$work"
}
trap cleanup EXIT

# ARGUMENTS [ANNOTATIONS]: of the process, a JSON array, and members of the object "annotations"
bundle() {
        jq -n --argjson args "$1" --argjson annotations "{${2-}}" --arg hook "$hook" --arg library "LD_LIBRARY_PATH=${LD_LIBRARY_PATH-}" \
                --arg address "PASIDD_ADDRESS=$PASIDD_ADDRESS" '
                def entry(occasion): [{path: $hook, args: ["pasid-oci-hook", occasion], env: [$address, $library]}];
                {
                        ociVersion: "1.0.2", root: {path: "rootfs", readonly: true}, annotations: $annotations,
                        process: {args: $args, cwd: "/", user: {uid: 0, gid: 0}, env: ["PATH=/bin"]},
                        mounts: [{destination: "/proc", type: "proc", source: "proc"},
                                {destination: "/dev", type: "tmpfs", source: "tmpfs"}],
                        hooks: {createRuntime: entry("createRuntime"), poststop: entry("poststop")},
                        linux: {namespaces: [{type: "pid"}, {type: "mount"}, {type: "ipc"}, {type: "uts"}]}
                }' >"$work/bundle/config.json"
}

# ARGUMENTS: as above, with what the manual page has of a config.json in place of annotations and hooks
page_bundle() {
        bundle "$1"
        {
                echo '{'
                # shellcheck disable=SC2016
                sed -n '/^config.json of crun/,/^# /p' "$top_srcdir/man/pasid-oci-hook.8.scd" | sed -n '/^```$/,/^```$/{/^```$/!p}'
                echo '}'
        } >"$work/page.json"
        jq --slurpfile page "$work/page.json" '.hooks.createRuntime[0] as $entry | . + $page[0] |
                .hooks[][] |= (.path = $entry.path | .env = $entry.env)' "$work/bundle/config.json" >"$work/config.json"
        mv "$work/config.json" "$work/bundle/config.json"
}

# ID COMMAND...
exec_in() {
        exec_id=$1
        shift
        run_crun exec "$exec_id" "$@"
}

make_world
mkdir -p "$root/bin" "$root/run/pasidd" "$root/proc" "$root/dev"
cp "$busybox" "$root/bin/busybox"
for name in sh cat sleep; do ln -s busybox "$root/bin/$name"; done
bundle '["/bin/sh", "-c", "exit 7"]'
got=0
run_crun run -b "$work/bundle" probe >"$work/err" 2>&1 || got=$?
[ $got -eq 7 ] || skip "crun cannot run a container here: $(head -n 1 "$work/err")"
start_daemon

bundle '["/bin/cat", "/run/pasidd/pasids.json"]' '"org.pasidd.device": "0000:01:00.0", "org.pasidd.count": "2"'
tap_equal "a container is told its numbers" '"c1" [1,2]' "$(run_crun run -b "$work/bundle" c1 2>&1 | jq -c '.container, .pasids' | xargs -d '\n')"
tap_equal "and gives them back" "" "$(consumers)"

bundle '["/bin/sleep", "1000"]' '"org.pasidd.device": "0000:01:00.0", "org.pasidd.attach": "true", "org.pasidd.socket": "true"'
run_crun run -d -b "$work/bundle" c1 </dev/null >/dev/null 2>&1
tap_equal "attached before the workload begins" "attached" "$(numbers c1 | cut -d' ' -f2)"
tap_equal "exec sees what was told" true "$(exec_in c1 cat /run/pasidd/pasids.json | jq .attached)"
tap_equal "and the socket" "/run/pasidd/pasidd.sock" "$(exec_in c1 sh -c "$SOCKETS")"
run_crun kill c1 KILL
await has_none
tap_equal "killed: freed, though nobody has called poststop yet" 0 $?
tap_equal "poststop comes later" "" "$(run_crun delete c1 2>&1)"

page_bundle '["/bin/cat", "/run/pasidd/pasids.json"]'
tap_equal "the manual page has where the hook is installed" /usr/libexec/pasid-oci-hook \
        "$(jq -r '[.hooks[][].path] | unique | join(" ")' "$work/page.json")"
tap_equal "a container by its example is told of a number that is attached" '"page" ["0000:01:00.0"] true 1' \
        "$(run_crun run -b "$work/bundle" page 2>&1 | jq -c '.container, .devices, .attached, (.pasids | length)' | xargs -d '\n')"
tap_equal "and gives it back" "" "$(consumers)"

# Each has a file of its own, though they share a root.
n=20
bundle '["/bin/sleep", "1000"]' '"org.pasidd.device": "0000:01:00.0", "org.pasidd.count": "3"'
for i in $(seq $n); do
        run_crun run -d -b "$work/bundle" "many-$i" </dev/null >"$work/many-$i" 2>&1 &
        starting="${starting-} $!"
done
failed=0
for pid in $starting; do wait "$pid" || failed=$((failed + 1)); done
tap_equal "$n at once: failed" 0 "$failed"
for i in $(seq $n); do
        exec_in "many-$i" cat /run/pasidd/pasids.json
done | jq -r '.pasids[]' | sort -n | uniq -c | awk '{ seen++; most = $1 > most ? $1 : most } END { print seen, most }' >"$work/seen"
tap_equal "$n at once: numbers, and how often one was given" "$((3 * n)) 1" "$(cat "$work/seen")"
for i in $(seq $n); do run_crun delete --force "many-$i" & done
wait_for_all() { has_none && [ -z "$(ls "$work/crun")" ]; }
await wait_for_all
tap_equal "$n gone: all is free" 0 $?

bundle '["/bin/sleep", "1000"]' '"org.pasidd.count": "101"'
got=0
run_crun run -b "$work/bundle" c2 >"$work/out" 2>"$work/err" </dev/null || got=$?
tap_equal "refused for its quota: crun's user is told" 1 "$(grep -c '^pasid-oci-hook: 101 more PASIDs were asked.*quota of 100' "$work/err")"
tap_equal "and sees it fail" yes "$([ $got -ne 0 ] && echo yes)"
run_crun --log-format=json --log="$work/crun.log" run -b "$work/bundle" c3 >/dev/null 2>&1 </dev/null || true
tap_equal "its log, which podman shows, has the reason and nothing else" 'pasid-oci-hook: 101 more' \
        "$(jq -rs 'if length == 1 then .[0].msg else "\(length) messages" end' "$work/crun.log" | cut -c 1-24)"
echo '{"msg":"before"}' >"$work/crun.log"
run_crun --log-format=json --log "$work/crun.log" run -b "$work/bundle" c4 >/dev/null 2>&1 </dev/null || true
tap_equal "a log that has something keeps it" before "$(jq -rs '.[0].msg' "$work/crun.log")"
tap_equal "nothing stays" "" "$(consumers)$(ls "$work/crun")"
tap_done
