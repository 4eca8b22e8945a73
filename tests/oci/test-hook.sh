#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The hook for container runtimes, run as a runtime would, for processes in
# mount namespaces of their own that stand for containers. The daemon is the
# real one. As root all of it once more, without privilege: rootless.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/oci/kit.sh
. "$top_srcdir/tests/oci/kit.sh"
# shellcheck source=tests/killed.sh
. "$top_srcdir/tests/killed.sh"

containers=
cgroup=
who=${HOOK_TEST_AS:-$(id -un)}
user_namespace=
[ "$(id -u)" -eq 0 ] || user_namespace=-Ur

cleanup() {
        for pid in $containers $daemon; do
                kill -s KILL "$pid" 2>/dev/null || true
        done
        wait 2>/dev/null || true
        [ -z "$cgroup" ] || rmdir "$cgroup" 2>/dev/null || true
        rm -rf "$work"
}
trap cleanup EXIT

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
is_waiting() { [ "$(cat "/proc/$1/comm" 2>/dev/null)" = sleep ]; }

# [COMMAND]: a container whose first process waits, after COMMAND in its namespace; its pid is $container
start_container() {
        # shellcheck disable=SC2086 # an option or none
        unshare -m $user_namespace --propagation private sh -c "${1:-:}; exec sleep 1000" &
        container=$!
        containers="$containers $container"
        await is_waiting $container
}

kill_container() {
        kill -s KILL "$1"
        wait "$1" 2>/dev/null || true
}

# ID PID: the state that a runtime gives
state() {
        printf '{"ociVersion":"1.0.2","id":"%s","pid":%s,"status":"creating","bundle":"%s"}' "$1" "$2" "$work/bundle"
}

# NAME STATUS WORDS COMMAND...: the command's status, and its one line with the words; nothing if there are none
try() {
        try_name=$1 try_status=$2 try_words=$3
        shift 3
        got=0
        "$@" >"$work/out" 2>"$work/err" || got=$?
        if [ "$got" -ne "$try_status" ]; then
                tap_not_ok "$who: $try_name" "$(printf 'exit status %s, not %s\n' "$got" "$try_status"; cat "$work/err")"
        elif [ -z "$try_words" ]; then
                tap_none "$who: $try_name" "$(cat "$work/out" "$work/err")"
        elif [ "$(wc -l <"$work/err")" -eq 1 ] && grep -q "^pasid-oci-hook: .*$try_words" "$work/err"; then
                tap_ok "$who: $try_name"
        else
                tap_not_ok "$who: $try_name" "$(printf 'wanted one line with "%s":\n' "$try_words"; cat "$work/err")"
        fi
}

# ID PID [OPTION...]
create() {
        state "$1" "$2" >"$work/stdin"
        shift 2
        "$hook" "$@" createRuntime <"$work/stdin"
}

stop() {
        state "$1" 0 | "$hook" poststop
}

# As a runtime without root does: in a user namespace, where our uid is another.
stop_inside() {
        # shellcheck disable=SC2086
        state "$1" 0 | ${user_namespace:+unshare $user_namespace} "$hook" poststop
}

# PID COMMAND...: in the container's mount namespace
inside() {
        inside_pid=$1
        shift
        # shellcheck disable=SC2086
        nsenter -t "$inside_pid" ${user_namespace:+-U --preserve-credentials} -m "$@"
}

told() { inside "$1" cat "$root/run/pasidd/pasids.json" 2>&1; }

# NAME WORDS ANNOTATIONS [OPTION...]: refused, and nothing stays
refuses() {
        refuses_name=$1 refuses_words=$2
        config "$3"
        shift 3
        try "$refuses_name" 1 "$refuses_words" create c1 "$container" "$@"
        has_none || tap_not_ok "$who: $refuses_name: nothing stays" "$(consumers)"
}

# NAME WORDS INPUT: the same for a state
refuses_state() {
        printf '%s' "$3" >"$work/stdin"
        for occasion in createRuntime poststop; do
                got=0
                "$hook" $occasion <"$work/stdin" >"$work/out" 2>"$work/err" || got=$?
                tap_equal "$who: $occasion: $1" "1 1 1" "$got $(wc -l <"$work/err") $(grep -c "^pasid-oci-hook: .*$2" "$work/err")"
        done
}

make_world
config '"org.pasidd.device":"0000:01:00.0"'
start_container
try "without pasidd nothing starts" 1 "pasidd does not run; .*systemctl start pasidd.socket" create c1 $container
try "and nothing is freed" 1 "pasidd does not run" stop c1
config '"org.example.other":"x"'
try "a container that asks for nothing needs no pasidd" 0 "" create c1 $container
start_daemon
try "nor does it get anything" 0 "" create c1 $container
tap_equal "$who: no consumer" "" "$(consumers)"

# --- given, told, taken ---

config '"org.pasidd.device":"0000:01:00.0, 0000:02:00.0","org.pasidd.count":"3","other":"x"'
try "PASIDs for a container" 0 "" create c1 $container
tap_equal "$who: they are there" "1 allocated 2 allocated 3 allocated" "$(numbers c1)"
tap_equal "$who: its consumer is held by its process" "process advisory" "$(described c1 hold) $(described c1 mode)"
wanted='{"version":1,"container":"c1","consumer":"c1","uid":'$(id -u)',"devices":["0000:01:00.0","0000:02:00.0"],"mode":"advisory","attached":false,"pasids":[1,2,3],"socket":null}'
tap_equal "$who: the workload is told" "$wanted" "$(told $container)"
tap_equal "$who: in a file that all can read and none write" "444" "$(inside $container stat -c %a "$root/run/pasidd/pasids.json")"
tap_equal "$who: and that the host does not see" "" "$(ls "$root/run/pasidd")"
try "the file system is read-only" 1 "" sh -c 'exec 2>/dev/null; "$@"' - nsenter -t $container ${user_namespace:+-U --preserve-credentials} \
        -m touch "$root/run/pasidd/x"
try "a second call" 0 "" create c1 $container
tap_equal "$who: does nothing more" "1 allocated 2 allocated 3 allocated" "$(numbers c1)"
tap_equal "$who: and mounts nothing more" 1 "$(inside $container grep -c "$root/run/pasidd " /proc/self/mountinfo)"
try "poststop of a container that lives" 0 "" stop c1
tap_equal "$who: takes nothing" "1 allocated 2 allocated 3 allocated" "$(numbers c1)"

ours=$container
start_container
try "another container of the same id" 1 "id \"c1\" is in use: pid $ours has consumer \"c1\"" create c1 $container
try "and its poststop" 0 "" stop c1
tap_equal "$who: take nothing from the first" "1 allocated 2 allocated 3 allocated" "$(numbers c1)"
kill -s STOP "$daemon"
kill_container $ours # before pasidd can notice, so that it is poststop that frees
kill -s CONT "$daemon"
try "poststop" 0 "" stop_inside c1
tap_equal "$who: frees" "" "$(consumers)"
try "poststop again" 0 "" stop c1
try "poststop of a container that never was" 0 "" stop nobody
try "the id can be used again" 0 "" create c1 $container
kill_container $container
await has_none
tap_equal "$who: what has no poststop is freed by its hold" 0 $?

start_container
"$ctl" init c1
try "a consumer that is no container's" 1 "consumer \"c1\" that is no container's" create c1 $container
try "is not ended" 0 "" stop c1
tap_equal "$who: it is there" c1 "$(consumers)"
"$ctl" exit c1

# Hook and container in namespaces of their own, as podman without root has them and as a runtime within a container has.
cat >"$work/inner" <<'END'
unshare -m --propagation private sleep 1000 &
pid=$!
tries=0
until [ "$(cat /proc/$pid/comm)" = sleep ] || [ $tries -ge 1000 ]; do tries=$((tries + 1)); sleep 0.02; done
for call in first second; do
        printf '{"id":"inner","pid":%s,"bundle":"%s"}' $pid "$1" | "$2" createRuntime 2>&1 || echo "the $call call failed"
done
nsenter -t $pid -m cat "$1/rootfs/run/pasidd/pasids.json" | grep -o '"uid":[0-9]*'
"$3" consumers --json=short | grep -o '"hold":"[a-z]*"'
kill -s KILL $pid
END
# OPTIONS of unshare
in_namespaces() { unshare "$@" sh "$work/inner" "$work/bundle" "$hook" "$ctl" 2>&1 | xargs; }
# Our uid is another there, and the pid the same.
if [ -n "$user_namespace" ]; then
        tap_equal "$who: in one user namespace" "uid:$(id -u) hold:process" "$(in_namespaces -Ur)"
        await has_none
fi
# The pid means another process to pasidd.
# shellcheck disable=SC2086
if unshare $user_namespace -pf --mount-proc true 2>/dev/null; then
        tap_equal "$who: in one pid namespace" "uid:$(id -u) hold:fd" "$(in_namespaces $user_namespace -pf --mount-proc)"
        await has_none
else
        tap_skip "$who: in one pid namespace" "no pid namespace can be made here"
fi

# --- modes ---

config '"org.pasidd.device":"0000:01:00.0","org.pasidd.count":"2","org.pasidd.attach":"true","org.pasidd.socket":"true"'
try "attached, with the socket" 0 "" create c1 $container
tap_equal "$who: they are attached" "1 attached 2 attached" "$(numbers c1)"
tap_equal "$who: as the workload is told" '"mode":"mediated","attached":true,"pasids":[1,2],"socket":"/run/pasidd/pasidd.sock"}' \
        "$(told $container | sed 's/.*\("mode".*\)/\1/')"
tap_equal "$who: the socket is pasidd's" "1 attached 2 attached" \
        "$(inside $container env PASIDD_ADDRESS="unix:path=$root/run/pasidd/pasidd.sock" "$ctl" list "$(id -u):c1" --no-legend | awk '{ print $1, $4 }' | xargs)"
try "a second call attaches nothing more" 0 "" create c1 $container
stop_daemon KILL
start_daemon
try "a second call after pasidd was killed" 0 "" create c1 $container
tap_equal "$who: the numbers are the same" "1 2" "$("$ctl" list c1 --no-legend | awk '{ print $1 }' | xargs)"
kill_container $container
try "poststop after pasidd was killed" 0 "" stop c1
tap_equal "$who: frees" "" "$(consumers)"

# Nobody has kept a file descriptor, and nobody calls poststop again.
start_container
try "a container before pasidd is killed" 0 "" create c1 $container
tap_equal "$who: has its PASIDs" "attached attached" "$(numbers c1 | grep -o '[a-z]*' | xargs)"
stop_daemon KILL
kill_container $container
try "its end before pasidd is back" 1 "pasidd does not run" stop c1
start_daemon
await has_none || true
tap_equal "$who: pasidd frees all of it when it starts" " 0" "$(consumers) $("$ctl" list --no-legend | wc -l)"

start_container
config '"org.pasidd.count":"2"' '"hooks":{"createRuntime":[
        {"path":"/elsewhere/pasid-oci-hook","args":["x","createRuntime","--device=0000:01:00.0"]},
        {"path":"/bin/other","args":["x","--device=0000:07:00.0"]},
        {"path":"/elsewhere/pasid-oci-hook","args":["x","--device=0000:02:00.0","createRuntime"]}]}'
try "devices of several hooks" 0 "" create c1 $container --device=0000:01:00.0
try "each of which is run" 0 "" create c1 $container --device=0000:02:00.0
tap_equal "$who: are one consumer's" "1 allocated 2 allocated" "$(numbers c1)"
tap_equal "$who: with all of them" '"devices":["0000:01:00.0","0000:02:00.0"]' "$(told $container | grep -o '"devices":[^]]*]')"
kill_container $container
await has_none

start_container
config '"org.pasidd.hold":"process"'
try "no device" 0 "" create "$(printf 'a\\nb')" $container
tap_equal "$who: an id that is no name" "a%0Ab" "$(consumers)"
long=$(printf '%0200d' 0)
try "poststop of it" 0 "" stop "$(printf 'a\\nb')"
start_container
try "a long id" 0 "" create "$long" $container
tap_equal "$who: is cut" "128 $(printf '%0111d' 0)~" "$(consumers | awk '{ print length($1), substr($1, 1, 112) }')"
for pid in $containers; do kill_container "$pid" 2>/dev/null || true; done
await has_none

# --- by its cgroup ---

for tree in /sys/fs/cgroup/unified /sys/fs/cgroup; do
        if [ -e $tree/cgroup.controllers ] && [ -w $tree/cgroup.procs ] && mkdir "$tree/pasidd-test-$$" 2>/dev/null; then
                cgroup=$tree/pasidd-test-$$
                break
        fi
done
if [ -n "$cgroup" ]; then
        start_container
        echo $container >"$cgroup/cgroup.procs"
        config '"org.pasidd.hold":"cgroup"'
        try "held by its cgroup" 0 "" create c1 $container
        tap_equal "$who: the hold is a cgroup" unit "$(described c1 hold)"
        sleep 1000 &
        straggler=$!
        containers="$containers $straggler"
        echo $straggler >"$cgroup/cgroup.procs"
        kill_container $container
        tap_equal "$who: it is held while a process is in it" c1 "$(consumers)"
        kill_container $straggler
        await has_none
        tap_equal "$who: and not longer" 0 $?
        rmdir "$cgroup"
        cgroup=
else
        tap_skip "$who: held by its cgroup" "no cgroup can be made here"
fi

# --- refused; who asks makes no difference here ---

refused() {
        start_container
        refuses "a cgroup that is not its own" "has no cgroup of its own" '"org.pasidd.hold":"cgroup"'
        refuses "an unknown annotation" "org.pasidd.cuont is none that" '"org.pasidd.cuont":"1"'
        refuses "the bare prefix" "Annotation org.pasidd. is none" '"org.pasidd.":"1"'
        refuses "a number for an annotation" "org.pasidd.count is no string" '"org.pasidd.count":1'
        refuses "null for an annotation" "org.pasidd.count is no string" '"org.pasidd.count":null'
        for value in "" abc 0 -1 1.5 0x10 " 3" 1048576 99999999999999999999; do
                refuses "count \"$value\"" "org.pasidd.count is \"$value\"; it takes how many" "\"org.pasidd.count\":\"$value\""
        done
        refuses "more than the limit" "its quota of 100" '"org.pasidd.count":"101"'
        refuses "more than there are" "of the 255\|only 255\|255" '"org.pasidd.device":"0000:01:00.0","org.pasidd.count":"1048575"'
        refuses "a mode" "org.pasidd.mode is \"managed\"; it takes advisory" '"org.pasidd.mode":"managed"'
        refuses "attach" "org.pasidd.attach is \"yes\"; it takes true or false" '"org.pasidd.attach":"yes"'
        refuses "attach and advisory" "attaches in mode mediated only" '"org.pasidd.device":"0000:01:00.0","org.pasidd.attach":"true","org.pasidd.mode":"advisory"'
        refuses "attach to nothing" "without a device to attach to" '"org.pasidd.attach":"true"'
        refuses "mediated without a device" "device" '"org.pasidd.mode":"mediated"'
        refuses "a hold" "org.pasidd.hold is \"boot\"" '"org.pasidd.hold":"boot"'
        refuses "the socket where it is not to be had" "set up with --no-socket" '"org.pasidd.socket":"true"' --no-socket
        refuses "no device" "it takes PCI addresses" '"org.pasidd.device":""'
        refuses "half a list" "it takes PCI addresses" '"org.pasidd.device":"0000:01:00.0,"'
        refuses "blanks in a list" "it takes PCI addresses" '"org.pasidd.device":"0000:01:00.0 0000:02:00.0"'
        refuses "no address" "mydevice" '"org.pasidd.device":"mydevice"'
        refuses "an unknown device" "0000:09:00.0" '"org.pasidd.device":"0000:09:00.0"'
        refuses "a device of a driver" "Device 0000:03:00.0 cannot use PASIDs" '"org.pasidd.device":"0000:03:00.0"'
        refuses "lines in a value" "is \"a?b\"" '"org.pasidd.mode":"a\nb"'
        refuses "annotations that are none" "annotations are no JSON object" '},"annotations":["x"],"x":{'
        config '"org.pasidd.count":"1"'
        sed -i 's/"root"/"rot"/' "$work/bundle/config.json"
        try "no root" 1 "config.json has no \"root\"" create c1 $container
        config '"org.pasidd.count":"1"' '"root":{"path":"nowhere"}'
        try "a root that is not there" 1 "bundle/nowhere cannot be opened: No such file" create c1 $container
        printf '{"annotations"' >"$work/bundle/config.json"
        try "half a config.json" 1 "config.json is no JSON object" create c1 $container
        rm "$work/bundle/config.json"
        try "no config.json" 1 "config.json cannot be opened: No such file" create c1 $container
        config '"org.pasidd.count":"1"'
        try "no pid" 1 "has no \"pid\"" create c1 0
        try "a process that is gone" 1 "pid 4194305, cannot be looked at" create c1 4194305
        try "a container without a mount namespace" 1 "no mount namespace of its own" create c1 $$
        tap_equal "$who: nothing stays" "" "$(consumers)"

        refuses_state "nothing on standard input" "state on standard input is empty" ""
        refuses_state "no JSON" "is no JSON object" "hello"
        refuses_state "half an object" "is no JSON object" '{"id":"c1"'
        refuses_state "something after it" "is no JSON object" '{"id":"c1"} {}'
        refuses_state "an array" "is no JSON object" '[]'
        refuses_state "too deep" "is no JSON object" "$(printf '{"a":%0100d' 0 | sed 's/0/[/g')"
        refuses_state "no id" "no \"id\" that is a string" '{"bundle":"/x"}'
        refuses_state "an id that is none" "no \"id\" that is a string" '{"id":7,"bundle":"/x"}'
        refuses_state "an empty id" "\"id\" that is empty" '{"id":"","bundle":"/x"}'
        refuses_state "a NUL in an id" "or has a NUL" '{"id":"a\u0000b","bundle":"/x"}'
        refuses_state "no bundle" "no \"bundle\"" '{"id":"x"}'
        refuses_state "a bundle anywhere" "no absolute path" '{"id":"x","bundle":"x"}'
        refuses_state "a pid that is none" "\"pid\" that is no number" '{"id":"x","bundle":"/x","pid":"1"}'
        refuses_state "a pid below all" "pid -1, which no process" '{"id":"x","bundle":"/x","pid":-1}'
        refuses_state "a pid above all" "pid 4294967297, which no process" '{"id":"x","bundle":"/x","pid":4294967297}'
        got=0
        { printf '{"id":"'; head -c 1100000 /dev/zero | tr '\0' x; } | "$hook" poststop 2>"$work/err" || got=$?
        tap_equal "$who: a state of a megabyte" "1 1" "$got $(grep -c 'larger than 1048576 bytes' "$work/err")"
        got=0
        "$hook" poststop <&- 2>"$work/err" || got=$?
        tap_equal "$who: no standard input" "1 1" "$got $(grep -c 'cannot be read' "$work/err")"
        try "no occasion" 2 "createRuntime or poststop" "$hook"
        try "two occasions" 2 "createRuntime or poststop" "$hook" poststop poststop
        try "another occasion" 2 "nothing to be done at poststart" "$hook" poststart
        try "an unknown option" 2 "no option --devices" "$hook" --devices=x createRuntime
        try "an option without its value" 2 "needs a value: --device" "$hook" createRuntime --device
        try "an address that is none" 1 "Invalid argument\|invalid\|malformed" create c1 $container --address=nowhere
}
[ "$who" = rootless ] || refused

# --- hostile roots ---

[ "$who" != rootless ] || start_container
mkdir "$work/outside"
rm -rf "${root:?}"/*
ln -s "../../../../../../../../../..$work/outside" "$root/run"
config '"org.pasidd.count":"1"'
try "a link that leads out" 1 "/run/pasidd of the container cannot be opened or made" create c1 $container
mkdir -p "$root$work/outside"
try "is followed inside" 0 "" create c1 $container
tap_equal "$who: nothing is outside" "" "$(ls "$work/outside")"
tap_equal "$who: all is inside" pasids.json "$(inside $container ls "$root$work/outside/pasidd")"
kill_container $container
await has_none
rm -rf "${root:?}"/*
start_container
mkdir -p "$root/run/pasidd"
mkfifo "$root/run/pasidd/pasids.json"
try "a pipe for a file" 0 "" create c1 $container
tap_equal "$who: is mounted over" 1 "$(told $container | grep -c '"pasids":\[')"
kill_container $container
await has_none
rm -rf "${root:?}"/*
start_container "mount --bind '$root' '$root' && mount -o remount,ro,bind '$root'"
try "a read-only root" 1 "root is read-only and has no directory /run/pasidd; have it in the image" create c1 $container
tap_equal "$who: nothing stays" "" "$(consumers)"
mkdir -p "$root/run/pasidd"
try "with the directory" 0 "" create c1 $container
tap_equal "$who: does" 1 "$(told $container | grep -c '"pasids":\[')"
kill_container $container
await has_none

# A tmpfs that belongs to the container's user namespace takes no directory of a user that is none in there.
if [ "$who" = root ] && unshare -U true 2>/dev/null; then
        rm -rf "${root:?}"/*
        mkdir "$root/run"
        unshare -mU --propagation private sleep 1000 &
        container=$!
        containers="$containers $container"
        await is_waiting $container
        echo "0 100000 1000" >/proc/$container/uid_map
        echo "0 100000 1000" >/proc/$container/gid_map
        tap_equal "$who: a tmpfs in a user namespace" "" \
                "$(nsenter -t $container -U -m -S 0 -G 0 mount -t tmpfs -o mode=755 tmpfs "$root/run" 2>&1)"
        try "takes the directory" 0 "" create c1 $container
        tap_equal "$who: and the workload is told" 1 "$(told $container | grep -c '"pasids":\[')"
        kill_container $container
        await has_none
fi

# --- killed half-way ---

# OCCASION: the hook is killed at each of its calls; its container is told of by its poststop, or simply gone.
kill_at_each_call() {
        killed_begin "$1"
        while killed_next; do
                start_container
                state c1 $container >"$work/stdin"
                if [ "$1" = poststop ]; then
                        create c1 $container || killed_wrong
                        kill_container $container
                        state c1 0 >"$work/stdin"
                fi
                kill_at_call "$work/stdin" "$hook" "$1"
                [ "$1" = poststop ] || kill_container $container
                [ $((call % 2)) -eq 0 ] || stop c1 || killed_wrong
                await has_none || killed_wrong
        done
        killed_end "$who: killed at each call of $1: nothing stays"
}
config '"org.pasidd.device":"0000:01:00.0","org.pasidd.count":"9"'
if can_kill_at_calls; then
        start_container
        create c1 $container # what it makes once is there from now on
        kill_container $container
        await has_none
        start_container
        state c1 $container >"$work/stdin"
        count_calls "$work/stdin" "$hook" createRuntime
        tap_equal "$who: it does its work when it is watched" 9 "$(numbers c1 | wc -w | awk '{ print $1 / 2 }')"
        kill_container $container
        await has_none
        kill_at_each_call createRuntime
        count_calls "$work/stdin" "$hook" poststop
        kill_at_each_call poststop
        config '"org.pasidd.device":"0000:01:00.0","org.pasidd.count":"100"'
        start_container
        try "all of them can be had again" 0 "" create c1 $container
        kill_container $container
        await has_none
else
        tap_skip "$who: killed half-way" "no strace that may trace"
fi

# --- no permission ---

nobody_creates() { as_nobody "$hook" createRuntime <"$work/stdin"; }
nobody_stops() { state c1 0 | as_nobody "$hook" poststop; }
if [ "$who" != root ]; then
        tap_skip "$who: no permission" "not root"
elif ! as_nobody test -x "$hook" 2>/dev/null; then
        tap_skip "$who: no permission" "only root can read this tree, or there is no setpriv"
else
        setpriv --reuid=65534 --regid=65534 --clear-groups sleep 1000 & # itself, for its pid
        container=$!
        containers="$containers $container"
        await is_waiting $container
        config '"org.pasidd.device":"0000:01:00.0"'
        state c1 $container >"$work/stdin"
        chmod 600 "$work/pasidd.sock"
        none="no permission to connect to pasidd; root and the members of group pasid may"
        try "a socket that may not be opened" 1 "$none" nobody_creates
        try "nor for poststop" 1 "$none" nobody_stops
        chmod 666 "$work/pasidd.sock"
        try "one that may, by somebody in no group" 1 \
                'uid 65534, which is neither root nor in group "pasid"; become a member' nobody_creates
        tap_equal "$who: nothing stays" "" "$(consumers)"
        kill_container $container
fi

stop_daemon TERM
if [ "$who" = root ] && ! { command -v setpriv && as_nobody unshare -Urm true; } >/dev/null 2>&1; then
        tap_skip rootless "no user namespace without privilege here"
elif [ "$who" = root ] && ! { as_nobody test -x "$hook" && as_nobody test -r "$0"; }; then
        tap_skip rootless "only root can read this tree"
elif [ "$who" = root ]; then
        HOOK_TEST_AS=rootless as_nobody sh "$0" >"$work/rootless" || true
        grep -v '^1[.][.]' "$work/rootless" >"$work/cases" || true
        while read -r line; do
                case $line in
                "ok "*) tap_ok "${line#* - }" ;;
                "not ok "*) tap_not_ok "${line#* - }" "as nobody" ;;
                *) printf '%s\n' "$line" ;;
                esac
        done <"$work/cases"
        tap_equal "rootless was run to its end" 1 "$(grep -c '^1[.][.]' "$work/rootless")"
fi
tap_done
