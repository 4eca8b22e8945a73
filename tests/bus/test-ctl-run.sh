#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pasidctl run against the real daemon on a kernel of the test's own: what the
# command finds, how it ends, and that nothing is left of it however it does.
# shellcheck disable=SC2016,SC2154
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"

work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock"
export LC_ALL=C.UTF-8
daemon=
command=
first=0000:01:00.0 second=0000:02:00.0

cleanup() {
        exec 7>&-
        [ -z "$command" ] || kill -KILL "$command" 2>/dev/null || true
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

# WHAT EXPECTED COMMAND...: what it prints, its complaints too
expect() {
        expect_what=$1 expect_wanted=$2
        shift 2
        tap_equal "$expect_what" "$expect_wanted" "$("$@" 2>&1)"
}
# WHAT STATUS ERROR-PATTERN COMMAND...: one line of an error for the pattern, nothing else
fails() {
        fails_what=$1 fails_status=$2 fails_pattern="pasidctl: .*$3"
        shift 3
        fails_so "$@"
}
# WHAT ERROR-PATTERN COMMAND...: the same of vm-manager, whose status is 1 then
manager_fails() {
        fails_what="vm-manager: $1" fails_status=1 fails_pattern=$2
        shift 2
        fails_so "$@"
}
fails_so() {
        status=0
        "$@" >"$work/out" 2>"$work/err" || status=$?
        if [ "$status" = "$fails_status" ] && [ ! -s "$work/out" ] && [ "$(wc -l <"$work/err")" -eq 1 ] &&
                grep -q "^$fails_pattern" "$work/err"; then
                tap_ok "$fails_what"
        else
                tap_not_ok "$fails_what" "$(echo "status $status"; cat "$work/out" "$work/err")"
        fi
}

status() { "$ctl" status | sed -n "s/^$1: *//p"; }
nobody_is_left() { [ "$(status pasids) $(status consumers)" = "0 0" ]; }
nothing_is_left() {
        await nobody_is_left || true
        expect "$1" "0 0" echo "$(status pasids) $(status consumers)"
}
held() { "$ctl" devices --no-legend | awk -v a="$1" '$1 == a { print $NF }'; }
is_free() { [ "$(held "$1")" = - ]; }
start() {
        "$top_builddir/tests/bus/pasidd-fake" --bus=none --listen="$PASIDD_ADDRESS" --runtime-dir="$work/run" \
                --state-dir="$work/state" --config="$work/pasidd.conf" --sysfs="$work/fake" --log-level=err 2>"$work/log" &
        daemon=$!
        await answers
}

chmod 755 "$work"
mkdir "$work/fake"
printf '%s 1 vfio-pci\n%s 2 vfio-pci\n' $first $second >"$work/fake/devices"
# A group that is there; somebody who is in it, and somebody who is in none.
group=$(getent group 65534 2>/dev/null | cut -d: -f1)
printf '[Daemon]\nReuseDelaySec=0\nGroup=%s\n' "${group:-pasid}" >"$work/pasidd.conf"
printf '[Limits]\nPasidsPerConsumer=8\nPasidsPerUid=6\n[Device %s]\nAllowUsers=65534\n' $second >>"$work/pasidd.conf"
member() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
stranger() { setpriv --reuid=65534 --regid=65533 --clear-groups "$@"; }
if ! start; then
        tap_not_ok "the daemon starts" "$(cat "$work/log")"
        tap_done
fi

# --- what the command finds ---

expect "a PASID in the environment" "1 1" "$ctl" run -- sh -c 'echo $PASID $PASIDS'
expect "several" "5 5 6 7" "$ctl" run --count 3 --min 5 --max 7 -- sh -c 'echo $PASID $PASIDS'
expect "one of its own choice" 9 "$ctl" run --min=9 --max=9 sh -c 'echo $PASID'
expect "from a number upwards" 1000 "$ctl" run --min=1000 sh -c 'echo $PASID'
expect "none" "unset unset run-" "$ctl" run --count 0 -- sh -c 'echo ${PASID-unset} ${PASIDS-unset} ${PASID_CONSUMER%-*}-'
expect "no device without --open" "unset unset" "$ctl" run -- sh -c 'echo ${PASID_DEVICE_FD-unset} ${PASID_IOMMUFD-unset}'
expect "nothing of a run around it" "inner unset" "$ctl" run --name=outer -- "$ctl" run --name=inner --count=0 \
        -- sh -c 'echo $PASID_CONSUMER ${PASID-unset}'
expect "its consumer, whose process it is" "vm $first process" "$ctl" run --name vm --device $first -- \
        sh -c '"$0" consumers --no-legend | awk "{ print \$1, \$NF, \$7 }"' "$ctl"
expect "private data" "private: hello" "$ctl" run --private hello -- sh -c '"$0" find $PASID | grep private: | tr -s " "' "$ctl"
expect "the address" "$PASIDD_ADDRESS" env -u PASIDD_ADDRESS "$ctl" run --address="$PASIDD_ADDRESS" sh -c 'echo $PASIDD_ADDRESS'
expect "arguments" "--count 2 x=1 %{pasid} %H 100%" "$ctl" run --min=1 --max=1 echo --count 2 'x=%{pasid}' '%%{pasid}' %H 100%
expect "the consumer's name in them" "<a b>" "$ctl" run --name "a b" echo '<%{consumer}>'
expect "standard input" hello sh -c 'echo hello | "$0" run cat' "$ctl"

# What a process is to its parent and its terminal: the same as without.
look='echo $$ $PPID; ls /proc/self/fd; grep -E "^(Sig(Blk|Ign|Cgt)|NSpid|Umask)" /proc/self/status | grep -v NSpid'
for preface in ':' 'trap "" PIPE HUP' 'exec 5</dev/null <&-'; do
        expect "as after \"$preface\" without pasidctl" "$(sh -c "$preface; exec sh -c '$look; '" | sed 1d)" \
                sh -c "$preface; exec \"\$0\" run sh -c '$look; ' | sed 1d" "$ctl"
done
expect "its process is the one that was started" same sh -c 'exec "$0" run sh -c "[ \$\$ = $$ ] && echo same"' "$ctl"
nothing_is_left "of all these nothing is left"

# --- devices ---

expect "a device, at the numbers that are told" "2 the same" "$ctl" run --open $first -- sh -c '
        [ -e /proc/self/fd/$PASID_DEVICE_FD ] && [ -e /proc/self/fd/$PASID_IOMMUFD ] && [ "$3 $4" = "$1 $2" ] &&
                [ "$1 $2" = "$PASID_DEVICE_FD $PASID_IOMMUFD" ] && echo 2 the same' \
        sh '%{device}' '%{iommufd}' "%{device:$first}" "%{iommufd:$first}"
expect "two" "4 fds" "$ctl" run --open $first --open $second -- sh -c '
        for fd in $PASID_DEVICE_FD $PASID_IOMMUFD; do [ -e /proc/self/fd/$fd ] || exit; done
        [ "$*" = "$PASID_DEVICE_FD $PASID_IOMMUFD" ] && echo $# fds' sh \
        "%{device:$first}" "%{device:$second}" "%{iommufd:$first}" "%{iommufd:$second}"
expect "it is the consumer's" $first "$ctl" run --open $first -- sh -c '"$0" consumers --no-legend | awk "{ print \$NF }"' "$ctl"
expect "those two and no others are inherited" 2 sh -c '
        plain=$(ls /proc/self/fd | wc -l)
        exec "$0" run --open "$1" sh -c "echo \$((\$(ls /proc/self/fd | wc -l) - $plain))"' "$ctl" $first
fails "a device that there is not" 125 0000:09:00.0 "$ctl" run --open 0000:09:00.0 true
fails "a device twice" 125 "is named twice\|given to the same holder" "$ctl" run --open $first --open $first true
nothing_is_left "of these nothing either"

mkfifo "$work/ready" "$work/ready.heard" "$work/ready.never"
"$ctl" run --name vm --open $first -- sh -c 'echo >"$0"; exec sleep 1000' "$work/ready" &
command=$!
read -r _ <"$work/ready"
expect "the device is the command's" tenant held $first
fails "nobody else gets it" 125 "$first was given to another" "$ctl" run --open $first true
fails "nor its name" 125 "\"vm\".*already" "$ctl" run --name vm true
kill -KILL "$command"
wait "$command" 2>/dev/null || true
await is_free $first || true
expect "SIGKILL gives it back" - held $first
nothing_is_left "and the number"

"$ctl" run -- sh -c 'echo >"$0"; exec sleep 1000' "$work/ready" &
command=$!
read -r _ <"$work/ready"
kill -KILL "$daemon"
wait "$daemon" 2>/dev/null || true
start
expect "a new daemon, without a thing from the old one, knows of the number" 1 status pasids
kill -KILL "$command"
wait "$command" 2>/dev/null || true
nothing_is_left "and of the command's end"
command=

# The example that does the same by hand.
manager=$top_builddir/doc/examples/vm-manager
[ ! -x "$top_builddir/doc/examples/.libs/vm-manager" ] || manager=$top_builddir/doc/examples/.libs/vm-manager
expect "vm-manager" "x -object iommufd,id=pasidd,fd=N -device vfio-pci,iommufd=pasidd,fd=N,id=passed" sh -c '
        "$0" "$1" sh -c "echo \$*" sh x | sed "s/,fd=[0-9][0-9]*/,fd=N/g"' "$manager" $first
"$manager" $first sh -c 'echo $$ >"$0"; exec sleep 1000' "$work/ready" 2>"$work/err" &
command=$!
read -r machine <"$work/ready"
expect "its device is the machine's" tenant held $first
expect "and a PASID" 1 status pasids
kill -KILL "$command"
wait "$command" 2>/dev/null || true
expect "the manager's death changes nothing" "tenant 1" echo "$(held $first) $(status pasids)"
kill -KILL "$machine"
await is_free $first || true
expect "the machine's gives all back" - held $first
nothing_is_left "of which nothing is left"
got=0
"$manager" $first sh -c 'kill -KILL $$' 2>"$work/err" || got=$?
expect "how the machine ended is told" "137 The machine was killed by signal 9." echo $got "$(cat "$work/err")"
got=0
"$manager" $first /nonexistent/qemu 2>"$work/err" || got=$?
expect "a machine that cannot be run" "1 /nonexistent/qemu cannot be run: No such file or directory" echo $got "$(cat "$work/err")"
manager_fails "a device that there is not" "The machine cannot have PASIDs: .*0000:09:00.0" "$manager" 0000:09:00.0 echo
nothing_is_left "of which nothing is left, either"
expect "all of that in less than 200 lines" yes sh -c '[ "$(wc -l <"$0")" -lt 200 ] && echo yes' "$top_srcdir/doc/examples/vm-manager.c"
command=

# --- mediated ---

expect "attached" attached "$ctl" run --device $first --mode=mediated --attach -- \
        sh -c '"$0" list --no-legend | awk "{ print \$4 }"' "$ctl"
expect "several, attached" "3 attached" "$ctl" run --device $first --count 3 --mode=mediated --attach -- \
        sh -c '"$0" list --no-legend | awk "{ n++; state = \$4 } END { print n, state }"' "$ctl"
fails "mediated without a device" 125 "mediated" "$ctl" run --mode=mediated true
nothing_is_left "of these nothing"
expect "what was attached is detached" 0 sh -c 'echo $(($(grep -c "^attach " "$1") - $(grep -c "^detach " "$1")))' - "$work/fake/log"

# --- how it ends ---

for code in 0 1 2 7 125 255; do
        got=0
        "$ctl" run sh -c "exit $code" || got=$?
        tap_equal "exit status $code" $code $got
done
got=0
sh -c '"$0" run sh -c "kill -TERM \$\$"; exit $?' "$ctl" 2>/dev/null || got=$?
tap_equal "killed by a signal" 143 $got
printf '#!/no/such/interpreter\n' >"$work/script"
chmod 755 "$work/script"
: >"$work/plain"
fails "a command that is not there" 127 "\"/nonexistent/x\" cannot be run: No such file" "$ctl" run /nonexistent/x
fails "nor in PATH" 127 '"no-such-command" cannot be run' "$ctl" run -- no-such-command
fails "without its interpreter" 127 "cannot be run" "$ctl" run "$work/script"
fails "a command that cannot be run" 126 "cannot be run: Permission denied" "$ctl" run "$work/plain"
fails "a directory" 126 "cannot be run" "$ctl" run /
fails "an empty command" 127 '"" cannot be run' "$ctl" run ''
nobody_is_left && left= || left=$("$ctl" consumers)
tap_none "what can't be run leaves nothing behind at once" "$left"
fails "a refused number" 125 "PASID 0\|1048576" "$ctl" run --min=1 --max=1048576 true
fails "an invalid name" 125 "name" "$ctl" run --name "$(printf 'a\nb')" true
expect "the same name at once again" 40 sh -c '
        n=0
        while [ $n -lt 40 ] && "$0" run --name again --min=77 --max=77 --open "$1" true; do n=$((n + 1)); done
        echo $n' "$ctl" $first

# Signals reach it as they would without pasidctl.
for signal in TERM HUP QUIT USR1 USR2 WINCH INT; do
        # A shell without job control has its background ignore some, which is inherited here as anywhere.
        env --default-signal "$ctl" run sh -c 'trap "echo $1 >$0.heard; exit 3" $1; echo >"$0"; while :; do read -r _ <"$0.never"; done 2>/dev/null' \
                "$work/ready" $signal &
        command=$!
        read -r _ <"$work/ready"
        kill -s $signal $command
        read -r heard <"$work/ready.heard" || heard=
        got=0
        wait $command || got=$?
        tap_equal "SIG$signal" "$signal 3" "$heard $got"
done
command=
if command -v script >/dev/null; then
        # On a terminal of its own, with job control: ^Z stops it, fg goes on, ^C ends it.
        mkfifo "$work/keys"
        TERM=dumb env --default-signal script -qec "bash --norc -im" /dev/null <"$work/keys" >"$work/terminal" 2>&1 &
        command=$!
        exec 7>"$work/keys"
        shown() { grep -q "$1" "$work/terminal"; }
        printf 'PS1=; "%s" run sh -c "echo up-and-\\$PASID; exec sleep 1000"\n' "$ctl" >&7
        await shown '^up-and-[0-9]' || true
        printf '\032' >&7
        await shown Stopped || true
        printf 'echo in-$((40 + 2)); fg >/dev/null\n' >&7
        await shown '^in-42' || true
        printf '\003' >&7
        printf 'echo ended-$?; exit\n' >&7
        await shown '^ended-' || true
        exec 7>&-
        wait $command || true
        command=
        expect "^Z, fg and ^C on a terminal" "Stopped in-42 ended-130" echo \
                "$(grep -o Stopped "$work/terminal" | head -n 1) $(tr -d '\r' <"$work/terminal" | grep -E '^(in|ended)-[0-9]+' | xargs)"
else
        tap_skip "^Z, fg and ^C on a terminal" "no script(1)"
fi
# --- no more than there may be, and for those who may ---

fails "more than a consumer may have" 125 "9 more PASIDs were asked.* holds 0 of its quota of 8; .*PasidsPerConsumer=" \
        "$ctl" run --count=9 true
nothing_is_left "gets none"
# [COMMAND]: a machine of somebody whose numbers are all in use
has_none_left() {
        "$@" "$ctl" init full
        "$@" "$ctl" alloc full --count=6 >/dev/null
        manager_fails "no number left" "There is no PASID for the machine: 1 more PASID .*the 6 that it may have (PasidsPerUid=)" \
                "$@" "$manager" $second echo
        "$@" "$ctl" exit full
        nothing_is_left "leaves nothing"
}
uid_limit="7 more PASIDs were asked.*the 6 that it may have (PasidsPerUid=)"
if [ "$(id -u)" -ne 0 ]; then
        fails "more than a uid may have" 125 "$uid_limit" "$ctl" run --count=7 true
        nothing_is_left "gets none either"
        has_none_left
        tap_skip "no permission" "not root"
elif [ -z "$group" ] || ! member test -x "$ctl" 2>/dev/null; then
        tap_skip "no permission" "no group 65534, only root can read this tree, or there is no setpriv"
else
        fails "more than a uid may have" 125 "$uid_limit" member "$ctl" run --count=7 true
        nothing_is_left "gets none either"
        expect "as many as it may" 6 member "$ctl" run --count=6 sh -c 'set -- $PASIDS; echo $#'
        fails "a member of the group, and a device that is not for him" 125 \
                "Open was asked by uid 65534, which device $first is not for; .*AllowUsers= or AllowGroups=" \
                member "$ctl" run --open $first true
        nothing_is_left "gets nothing"
        has_none_left member
        manager_fails "a device that is not for him" "The device cannot be had: Open was asked by uid 65534, which device $first is not for" \
                member "$manager" $first echo
        chmod 600 "$work/pasidd.sock"
        for option in --count=1 --open=$first; do
                fails "$option: a socket that may not be opened" 125 \
                        "no permission to connect to pasidd at $PASIDD_ADDRESS; root and the members of group pasid may" \
                        stranger "$ctl" run "$option" true
        done
        manager_fails "a socket that may not be opened" "pasidd cannot be reached: access denied\$" \
                stranger "$manager" $second echo
        chmod 666 "$work/pasidd.sock"
        manager_fails "one that may, by somebody in no group" \
                "The machine cannot have PASIDs: .*uid 65534, which is neither root nor in group \"$group\"" stranger "$manager" $second echo
        for option in --count=1 --open=$first; do
                fails "$option: one that may, by somebody in no group" 125 \
                        "uid 65534, which is neither root nor in group \"$group\"; become a member" \
                        stranger "$ctl" run "$option" true
        done
        chmod 660 "$work/pasidd.sock"
fi
nothing_is_left "in the end nothing is left"

kill "$daemon"
got=0
wait "$daemon" || got=$?
daemon=
tap_equal "the daemon ends as it should" "0 " "$got $(cat "$work/log")"

for option in --count=1 --open=$first; do
        fails "$option: no pasidd" 125 "There is no pasidd at $PASIDD_ADDRESS" "$ctl" run "$option" true
done
manager_fails "no pasidd" "pasidd cannot be reached: pasidd does not run, or not at that address\$" "$manager" $first echo
tap_done
