# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# Containers of the real podman and crun take PASIDs, by annotations and by CDI,
# on devices whose IOMMU says what is attached: run, exec, killed in every way,
# many at once, refused. containers=500 on the kernel's command line is the long
# form.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

root=/run/container
cgroups=/sys/fs/cgroup/pasidd-tests
many=$(boot_parameter containers)
many=${many:-50}

# The guest has no overlayfs; what podman keeps is in memory.
podman() {
        command podman --storage-driver=vfs --root=/run/podman --runroot=/run/podman.run --tmpdir=/run/podman.tmp \
                --events-backend=none "$@"
}

# [KEY=VALUE...] -- ARGUMENT...: podman run with these annotations. The guest has neither internet nor message queues.
run() {
        run_annotations=
        while [ "$1" != -- ]; do
                run_annotations="$run_annotations --annotation=org.pasidd.$1"
                shift
        done
        shift
        # shellcheck disable=SC2086 # one word each
        podman run $run_annotations --network=host --tmpfs=/dev/mqueue "$@"
}

live() { pasidctl list --json=short | jq -c '[.[] | select(.state != "cooling")]'; }
numbers() { live | jq -c 'map(.pasid)'; }
states() { live | jq -r '[.[].state] | unique | join(" ")'; }
has_none() { [ "$(pasidctl consumers --json=short)" = "[]" ]; }
first_number() { live | jq '.[0].pasid // 0'; }
# The process that a number was given to
pid_of() { pasidctl find "$1" --json=short | jq '.[0].private_text | fromjson.pid'; }
# NAME NUMBER...: those numbers of WIDE that the IOMMU has
in_iommu() {
        for number; do
                [ -z "$(iommu_table "$WIDE" "$number")" ] || printf '%s ' "$number"
        done
}
# COMMAND: the process that runs it
process_of() {
        for process in /proc/[0-9]*; do
                [ "$(cat "$process/comm" 2>/dev/null)" != "$1" ] || echo "${process#/proc/}"
        done
}
main_pid() { systemctl show --value --property=MainPID pasidd.service; }
is_another() { [ "$(main_pid)" != "$pid" ] && [ "$(main_pid)" != 0 ] && pasidd_answers; }

mkdir -p $root/bin
cp /bin/busybox $root/bin/
for name in sh cat sleep; do ln -s busybox $root/bin/$name; done
bind_vfio "$WIDE" "$NARROW"
systemctl start pasidd.socket
pasidctl status >/dev/null

# --- podman ---

run device=$WIDE count=2 attach=true socket=true -- -d --name=a --rootfs $root /bin/sleep 1000 >/run/a.id 2>/run/a.err
tap_equal "podman run" 0 $?
[ ! -s /run/a.err ] || sed 's/^/# /' /run/a.err
tap_equal "the consumer has the container's id" "$(cat /run/a.id)" "$(pasidctl consumers --json=short | jq -r '.[].name')"
tap_equal "its cgroup holds it" unit "$(pasidctl consumers --json=short | jq -r '.[].hold')"
tap_equal "its numbers are attached" "[1,2] attached" "$(numbers) $(states)"
tap_equal "as the IOMMU says" "1 2 " "$(in_iommu 1 2 3)"
tap_equal "podman exec sees them" "[1,2] /run/pasidd/pasidd.sock" \
        "$(podman exec a /bin/cat /run/pasidd/pasids.json | jq -rc '"\(.pasids) \(.socket)"')"
pid=$(main_pid)
systemctl kill --signal=KILL pasidd.service
wait_for is_another
tap_equal "pasidd is killed and comes back" 0 $?
tap_equal "the numbers are attached still" "[1,2] attached" "$(numbers) $(states)"
tap_equal "in the IOMMU, too" "1 2 " "$(in_iommu 1 2)"
kill -s KILL "$(pid_of 1)"
wait_for has_none
tap_equal "kill -9 of the container: all goes back" 0 $?
tap_equal "and out of the IOMMU" "" "$(in_iommu 1 2)"

run device=$WIDE attach=true -- -d --rootfs $root /bin/sleep 1000 >/dev/null 2>/run/b.err
number=$(first_number)
kill -s KILL "$(process_of conmon)"
tap_equal "kill -9 of conmon: the container has its number still" "$number " "$(in_iommu "$number")"
kill -s KILL "$(pid_of "$number")"
wait_for has_none
tap_equal "then of the container: with nobody left to call poststop, the hold frees" 0 $?
tap_equal "and detaches" "" "$(in_iommu "$number")"

got=0
run device=$WIDE count=65537 -- --rm --rootfs $root /bin/cat >/run/out 2>&1 </dev/null || got=$?
tap_equal "refused for its quota" yes "$([ $got -ne 0 ] && echo yes)"
tap_equal "nothing is left of it" "[] []" "$(pasidctl consumers --json=short) $(numbers)"
tap_equal "podman shows why" 1 "$(grep -c '^Error: .*pasid-oci-hook: 65537 more PASIDs were asked.* its quota of 65536; ' /run/out)"
sed 's/^/# /' /run/out
run cuont=2 -- --rm --rootfs $root /bin/cat >/run/out 2>&1 </dev/null
tap_equal "a malformed annotation: podman shows what is wrong" 1 \
        "$(grep -c '^Error: .*pasid-oci-hook: Annotation org.pasidd.cuont is none that' /run/out)"
got=0
run device=0000:7f:00.0 -- --rm --rootfs $root /bin/cat >/run/out 2>&1 </dev/null || got=$?
tap_equal "an unknown device: refused, and podman shows which" "yes 1" \
        "$([ $got -ne 0 ] && echo yes) $(grep -c '^Error: .*pasid-oci-hook: .*0000:7f:00.0' /run/out)"
sed 's/^/# /' /run/out
tap_equal "of it nothing is left, either" "[] []" "$(pasidctl consumers --json=short) $(numbers)"
# Masked, as else whoever asks on the message bus has it started.
systemctl mask --quiet --runtime --now pasidd.socket pasidd.service 2>/dev/null
got=0
run device=$WIDE -- --rm --rootfs $root /bin/cat >/run/out 2>&1 </dev/null || got=$?
tap_equal "no pasidd: no container, and podman shows why" "yes 1" \
        "$([ $got -ne 0 ] && echo yes) $(grep -c -m 1 '^Error: .*pasid-oci-hook: .*pasidd does not run' /run/out)"
sed 's/^/# /' /run/out
systemctl unmask --quiet --runtime pasidd.socket pasidd.service
systemctl start pasidd.socket
tap_equal "with pasidd there is nothing of it" "[] []" "$(pasidctl consumers --json=short) $(numbers)"

# A root of its own, whose owner is root in there.
mkdir -p /run/other/bin
cp -a $root/bin/. /run/other/bin/
chown -R 100000:100000 /run/other
run device=$WIDE -- --read-only --uidmap=0:100000:1000 --rm --rootfs /run/other /bin/cat /run/pasidd/pasids.json >/run/out 2>&1 </dev/null
tap_equal "a read-only root in a user namespace" "[\"$WIDE\"]" "$(jq -c .devices /run/out 2>/dev/null || cat /run/out)"

# --- CDI ---

pasidctl cdi
tap_equal "pasidctl cdi has the usable devices" "$WIDE $NARROW" "$(jq -r '[.devices[].name] | join(" ")' /etc/cdi/pasidd.org-pasid.json)"
run -- --device=pasidd.org/pasid=$WIDE --device=pasidd.org/pasid=$NARROW --rm --rootfs $root \
        /bin/cat /run/pasidd/pasids.json >/run/out 2>&1 </dev/null
tap_equal "podman run --device: one number for both devices" "[\"$WIDE\",\"$NARROW\"] 1" \
        "$(jq -rc '"\(.devices) \(.pasids | length)"' /run/out 2>/dev/null || cat /run/out)"
wait_for has_none
tap_equal "and all goes back" 0 $?

# --- crun, many at once ---

mkdir -p /run/bundle
jq -n --arg root "$root" --arg device "$WIDE" '
        def entry(occasion): [{path: "/usr/libexec/pasid-oci-hook", args: ["pasid-oci-hook", occasion]}];
        {
                ociVersion: "1.0.2", root: {path: $root, readonly: true},
                annotations: {"org.pasidd.device": $device, "org.pasidd.count": "2"},
                process: {args: ["/bin/sleep", "1000"], cwd: "/", user: {uid: 0, gid: 0}},
                mounts: [{destination: "/proc", type: "proc", source: "proc"}, {destination: "/dev", type: "tmpfs", source: "tmpfs"}],
                hooks: {createRuntime: entry("createRuntime"), poststop: entry("poststop")},
                linux: {namespaces: ["pid", "mount", "ipc", "uts"] | map({type: .})}
        }' >/run/bundle/config.json
started=
for i in $(seq "$many"); do
        mkdir "/run/bundle.$i"
        jq --arg path "/pasidd-tests/$i" '.linux.cgroupsPath = $path' /run/bundle/config.json >"/run/bundle.$i/config.json"
        crun run --detach --bundle="/run/bundle.$i" "many-$i" </dev/null >"/run/many.$i" 2>&1 &
        started="$started $!"
done
failed=0
for process in $started; do
        wait "$process" || failed=$((failed + 1))
done
tap_equal "$many containers at once: failed" 0 $failed
[ $failed -eq 0 ] || sort /run/many.* | uniq -c | sed 's/^/# /'
live >/run/live
tap_equal "consumers, numbers, and numbers given twice" "$many $((2 * many)) 0" \
        "$(jq -r '"\([.[].consumer] | unique | length) \([.[].pasid] | unique | length) \(length - ([.[].pasid] | unique | length))"' /run/live)"
set --
for i in $(seq "$many"); do
        process=$(cat "$cgroups/$i/cgroup.procs")
        set -- "$@" "/proc/$process/root/run/pasidd/pasids.json"
done
tap_equal "each is told its own" "$(jq -c '[group_by(.consumer)[] | [.[0].consumer, map(.pasid)]]' /run/live)" \
        "$(jq -sc 'map([.consumer, .pasids]) | sort' "$@")"
# Half of them by their cgroup, half by their process.
for i in $(seq "$many"); do
        if [ $((i % 2)) -eq 0 ]; then
                echo 1 >"$cgroups/$i/cgroup.kill"
        else
                kill -s KILL "$(cat "$cgroups/$i/cgroup.procs")"
        fi
done
wait_for has_none
tap_equal "all killed: all goes back" 0 $?
tap_equal "not one number is left" "[]" "$(numbers)"
tap_equal "crun's poststop of one of them is content" "" "$(crun delete many-1 2>&1)"
tap_equal "pasidctl check finds no drift" "pasidd's table agrees with the kernel." "$(pasidctl check 2>&1)"
tap_none "pasidd has nothing to complain about" "$(journalctl --boot --unit=pasidd.service --priority=err --output=cat --no-pager --quiet |
        grep -v 'SIGKILL\|killed' || true)"
systemctl stop pasidd.socket pasidd.service
rm -rf "$root/run/pasidd" /etc/cdi # whoever comes next finds nothing of it
tap_done
