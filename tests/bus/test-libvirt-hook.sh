#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pasid-libvirt-hook, run as libvirt runs its hooks and in the same order, on a
# domain's XML as libvirt wrote it: tests/data/libvirt-vm-1.xml is what virsh
# dumpxml of libvirt 9.0.0 (Debian 12, test:///default) printed for a domain
# that was defined with our element, and started.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/killed.sh
. "$top_srcdir/tests/killed.sh"
# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"

if [ "${1-}" != inside ]; then
        exec "$top_builddir/tests/bus/with-daemon" --devices --config="[Daemon]
ReuseDelaySec=0
[Limits]
PasidsPerConsumer=100" sh "$0" inside
fi

hook=$(program pasid-libvirt-hook)
ctl=$(program pasidctl)
xml=$top_srcdir/tests/data/libvirt-vm-1.xml
work=$PASIDD_DIR
uid=$(id -u)
export PASID_LIBVIRT_NOTES="$work/notes"

# OPERATION SUB-OPERATION [XML]: prints the exit status, what the hook says, and what it prints, which must be nothing
hook() {
        hook_status=0
        "$hook" vm-1 "$1" "$2" - <"${3-$xml}" >"$work/out" 2>"$work/err" || hook_status=$?
        echo "$hook_status $(cat "$work/err")$(cat "$work/out")"
}
numbers() { "$ctl" list --no-legend | awk '{ print $1 }' | xargs; }
# WHAT EXPECTED GOT
matches() {
        # shellcheck disable=SC2254
        case $3 in
        $2) tap_ok "$1" ;;
        *) tap_not_ok "$1" "$(printf 'wanted: %s\ngot: %s' "$2" "$3")" ;;
        esac
}
# ATTRIBUTES [ELEMENTS]: the same domain with another element of ours
variant() {
        sed -e "s|<pasid:reserve xmlns:pasid=\"\([^\"]*\)\".*>|<pasid:reserve xmlns:pasid=\"\1\" $1>${2-}|" \
                -e '/^ *<pasid:device>/d' "$xml" >"$work/variant.xml"
        echo "$work/variant.xml"
}

# --- a start and an end, as libvirt has them ---

tap_equal "prepare" "0 " "$(hook prepare begin)"
tap_equal "the numbers are there, in the range" "16 17 18" "$(numbers)"
tap_equal "of a consumer with those devices" "libvirt-vm-1 $uid boot 0000:01:00.0 0000:02:00.0" \
        "$("$ctl" consumers --no-legend | awk '{ print $1, $2, $7, $(NF - 1), $NF }')"
tap_equal "start" "0 " "$(hook start begin)"
tap_equal "started" "0 " "$(hook started begin)"
tap_equal "libvirt restarts" "0 " "$(hook reconnect begin)"
tap_equal "and nothing changed" "16 17 18" "$(numbers)"
tap_equal "stopped" "0 " "$(hook stopped end)"
tap_equal "the numbers are there up to the end" "16 17 18" "$(numbers)"
tap_equal "release" "0 " "$(hook release end)"
tap_equal "which is that" "" "$(numbers)$("$ctl" consumers)"
tap_equal "once more" "0 " "$(hook release end)"
tap_equal "what libvirt would take for another XML" "0 0 0 " "$(hook migrate begin)$(hook restore begin)$(hook attach begin)"
tap_equal "what is not known" "0 " "$(hook tomorrow begin)"
tap_equal "none of it did a thing" "" "$("$ctl" consumers)"

# --- what was left behind ---

hook prepare begin >/dev/null
tap_equal "a second prepare" "0 16 17 18" "$(hook prepare begin)$(numbers)"
tap_equal "one that wants more" "0 16 17 18 19" "$(hook prepare begin "$(variant "count='4' min='16' max='19'")" )$(numbers)"
tap_equal "one that wants others" "0 200 201" "$(hook prepare begin "$(variant "count='2' min='200'")")$(numbers)"
tap_equal "one that is running keeps what it has" "0 200 201" "$(hook reconnect begin)$(numbers)"
tap_equal "one that wants another device" "0 200 201 0000:02:00.0" \
        "$(hook prepare begin "$(variant "count='2' min='200'" "<pasid:device>0000:02:00.0</pasid:device>")")$(numbers) $("$ctl" consumers --no-legend | awk '{ print $NF }')"
# When the consumer was made, which tells one that was kept from one that was made anew
since() { "$ctl" consumers --json=pretty | grep '"since"'; }
# What is kept with each number, one a line
private() { for n in $(numbers); do "$ctl" find "$n" | sed -n 's/^private: *//p'; done; }
tenant_a=$(variant "count='2' private='tenant-A'")
tap_equal "one that wants private data" "0 $(printf 'tenant-A\ntenant-A')" "$(hook prepare begin "$tenant_a")$(private)"
made=$(since)
tap_equal "once more: it is kept" "0 $made" "$(hook prepare begin "$tenant_a")$(since)"
tap_equal "one that wants other private data, as long" "0 $(printf 'tenant-B\ntenant-B')" \
        "$(hook prepare begin "$(variant "count='2' private='tenant-B'")")$(private)"
tap_equal "one that wants none" "0 " "$(hook prepare begin "$(variant "count='2'")")$(private)"
hook release end >/dev/null
# OPTION...: what somebody made under the domain's name, with as many numbers
leave() {
        "$ctl" init libvirt-vm-1 --device 0000:01:00.0 --device 0000:02:00.0 "$@"
        "$ctl" alloc libvirt-vm-1 --count 3 --min 16 >/dev/null
}
kind() { "$ctl" consumers --no-legend | awk '{ print $1, $3, $7, $8 }'; }
leave --hold boot
made=$(since)
tap_equal "one that is just so is kept" "0 libvirt-vm-1 3 boot advisory$made" "$(hook prepare begin)$(kind)$(since)"
hook release end >/dev/null
leave --hold boot --mode mediated
tap_equal "one of the other mode is made anew" "0 libvirt-vm-1 3 boot advisory" "$(hook prepare begin)$(kind)"
hook release end >/dev/null
leave --hold pid=$$
tap_equal "one that somebody holds, too" "0 libvirt-vm-1 3 boot advisory" "$(hook prepare begin)$(kind)"
hook release end >/dev/null
tap_equal "a domain that runs and has nothing gets it" "0 16 17 18" "$(hook reconnect begin)$(numbers)"
hook release end >/dev/null
tap_equal "private data" "private: rack 7" "$(hook prepare begin "$(variant "private='rack 7'")" >/dev/null; "$ctl" find "$(numbers)" | grep private: | tr -s ' ')"
hook release end >/dev/null
name=$(printf %0200d 7)
sed "s|<name>vm-1|<name>$name|" "$xml" >"$work/long.xml"
tap_equal "a name that is too long" "0 libvirt-2f1c9b2e-6a63-4d0e-9d5c-0f1f5a3b7c11" \
        "$(hook prepare begin "$work/long.xml")$("$ctl" consumers --no-legend | awk '{ print $1 }')"
hook release end "$work/long.xml" >/dev/null

sed '/pasid:/d' "$xml" >"$work/plain.xml"
hook prepare begin >/dev/null
tap_equal "an element that is removed while the domain runs: its end gives nothing back" "0 16 17 18" \
        "$(hook release end "$work/plain.xml")$(numbers)"
hook release end >/dev/null

# --- starts that are refused ---

# WHAT PATTERN XML: prepare fails with one line for the pattern, and leaves nothing
refused() {
        matches "$1" "1 pasid-libvirt-hook: vm-1: *$2*" "$(hook prepare begin "$3")"
        tap_equal "$1: in one line, and nothing is left" "1 0" "$(wc -l <"$work/err") $("$ctl" consumers --no-legend | wc -l)"
}
refused "no such device" "could not be reserved: *0000:77:00.0" "$(variant "count='1'" "<pasid:device>0000:77:00.0</pasid:device>")"
refused "a device that can't" "0000:03:00.0 cannot use PASIDs" "$(variant "count='1'" "<pasid:device>0000:03:00.0</pasid:device>")"
refused "beyond the device" 255 "$(variant "min='256' max='300'" "<pasid:device>0000:02:00.0</pasid:device>")"
refused "too many" 1048575 "$(variant "count='10000000'")"
refused "more than its quota" "101 more PASIDs were asked*\"libvirt-vm-1\" holds 0 of its quota of 100*PasidsPerConsumer=" \
        "$(variant "count='101'")"
"$ctl" init other && "$ctl" alloc other --min 77 --max 77 >/dev/null
matches "a number that somebody has" "1 *77*\"other\"*" "$(hook prepare begin "$(variant "min='77' max='77'")")"
tap_equal "leaves nothing" other "$("$ctl" consumers --no-legend | awk '{ print $1 }')"
"$ctl" exit other
refused "a typing error" "\"cuont\"" "$(variant "cuont='1'")"
: >"$work/empty.xml"
refused "no XML" "cannot be read" "$work/empty.xml"
head -c 600 "$xml" >"$work/half.xml"
refused "half an XML" "cannot be read: line" "$work/half.xml"
{ echo '<!DOCTYPE domain [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'; cat "$xml"; } >"$work/bomb.xml"
refused "a document type" "document type" "$work/bomb.xml"
matches "without end" "1 *more than 16777216 bytes*" "$(hook prepare begin /dev/zero)"
matches "no file" "1 *Is a directory*" "$(hook prepare begin "$work")"

# --- killed half-way ---

# OPERATION SUB-OPERATION WANTED NAME: $before, the hook killed at each of its calls, and what $after prints then
kill_at_each_call() {
        killed_begin
        while killed_next; do
                "$before" >/dev/null
                kill_at_call "$xml" "$hook" vm-1 "$1" "$2" -
                [ "$("$after")" = "$3" ] || killed_wrong
                hook release end >/dev/null
        done
        killed_end "$4"
}
prepare_again() { echo "$(hook prepare begin)$(numbers)"; }
release_again() { echo "$(hook release end)$("$ctl" consumers)"; }
if can_kill_at_calls; then
        count_calls "$xml" "$hook" vm-1 prepare begin -
        tap_equal "it does its work when it is watched" "16 17 18" "$(numbers)"
        hook release end >/dev/null
        before=true after=release_again
        kill_at_each_call prepare begin "0 " "killed at each call of prepare, then its end: nothing stays"
        after=prepare_again
        kill_at_each_call prepare begin "0 16 17 18" "killed at each call of prepare, then started again: it has its numbers"
        hook prepare begin >/dev/null
        count_calls "$xml" "$hook" vm-1 release end -
        before=prepare_again
        kill_at_each_call release end "0 16 17 18" "killed at each call of release, then started again: it has its numbers"
        after=release_again
        kill_at_each_call release end "0 " "killed at each call of release, then its end told again: nothing stays"
        sed 's|vm-1<|vm-2<|; s|<uuid>2f1c9b2e|<uuid>2f1c9b2f|' "$xml" >"$work/vm-2.xml"
        end_of_another() { echo "$(hook release end "$work/vm-2.xml")$("$ctl" consumers)$(ls "$work/notes")"; }
        after=end_of_another
        kill_at_each_call release end "0 " "killed at each call of release, then another domain's end: nothing stays"
else
        tap_skip "killed half-way" "no strace that may trace"
fi

# --- no permission ---

program=$hook
as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
# As for hook, but by somebody who is in no group
nobody() {
        hook_status=0
        PASID_LIBVIRT_NOTES="$work/nobody/notes" as_nobody "$program" vm-1 "$1" "$2" - <"$xml" >"$work/out" 2>"$work/err" || hook_status=$?
        echo "$hook_status $(cat "$work/err")$(cat "$work/out")"
}
none="no permission to connect to pasidd; root and the members of group pasid may"
mkdir -m 700 "$work/nobody"
if [ "$uid" -ne 0 ]; then
        tap_skip "no permission" "not root"
elif ! as_nobody test -x "$hook" 2>/dev/null; then
        tap_skip "no permission" "only root can read this tree, or there is no setpriv"
else
        chown 65534 "$work/nobody"
        chmod 600 "$work/pasidd.sock"
        matches "a socket that may not be opened" "1 pasid-libvirt-hook: vm-1: There is $none*" "$(nobody prepare begin)"
        matches "at the end" "0 *$none*" "$(nobody release end)"
        chmod 666 "$work/pasidd.sock"
        matches "one that may, by somebody in no group" \
                "1 *could not be reserved: *uid 65534, which is neither root nor in group \"pasid\"; become*" "$(nobody prepare begin)"
        tap_equal "in one line, and nothing is reserved" "1 " "$(wc -l <"$work/err") $("$ctl" consumers)"
fi

# --- no daemon ---

export PASIDD_ADDRESS="unix:path=$work/nobody.sock"
matches "no daemon: no start" "1 *There is no pasidd*" "$(hook prepare begin)"
matches "no daemon: what runs stays" "0 *There is no pasidd*" "$(hook reconnect begin)"
matches "no daemon: the end" "0 *There is no pasidd*" "$(hook release end)"
tap_equal "a domain without our element asks nobody" "0 0 0 " \
        "$(hook prepare begin "$work/plain.xml")$(hook reconnect begin "$work/plain.xml")$(hook release end "$work/plain.xml")"
status=0
"$hook" vm-1 prepare 2>"$work/err" || status=$?
tap_equal "not as libvirt runs it" "2 1" "$status $(wc -l <"$work/err")"
tap_equal "--help" yes "$("$hook" --help | grep -q '^Usage: ' && echo yes)"
tap_done
