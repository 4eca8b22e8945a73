#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Domains that end while there is no pasidd, or one that hangs: what
# pasid-libvirt-hook notes then, and who works it off, over a daemon that is
# killed and started again, and beside other calls of the hook.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"
# shellcheck source=tests/killed.sh
. "$top_srcdir/tests/killed.sh"

work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock" PASID_LIBVIRT_NOTES="$work/notes"
export LC_ALL=C.UTF-8
hook=$(program pasid-libvirt-hook)
daemon=

cleanup() {
        exec 3>&-
        [ -z "$daemon" ] || kill -s KILL "$daemon" 2>/dev/null || true # stopped, perhaps
        wait
        rm -rf "$work"
}
trap cleanup EXIT

stop_daemon() {
        kill -s KILL "$daemon"
        wait "$daemon" 2>/dev/null || true
        daemon=
}
first=2f1c9b2e-6a63-4d0e-9d5c-0f1f5a3b7c11 second=00000000-0000-4000-8000-000000000002
# NAME UUID: the XML of a domain; 2 PASIDs, on the host
domain() {
        printf '<domain type="kvm"><name>%s</name><uuid>%s</uuid><metadata>%s</metadata></domain>\n' "$1" "$2" \
                '<p:reserve xmlns:p="https://pasidd.org/libvirt/1" count="2"/>' >"$work/$1-$2.xml"
        echo "$work/$1-$2.xml"
}
one=$(domain one $first) two=$(domain two $second) other=$(domain one $second)
printf '<domain type="kvm"><name>plain</name><uuid>%s</uuid></domain>\n' $second >"$work/plain.xml"
# OPERATION SUB-OPERATION XML: prints the exit status, and what the hook says
hook() {
        hook_status=0
        "$hook" guest "$1" "$2" - <"$3" >"$work/said" 2>&1 || hook_status=$?
        echo "$hook_status $(cat "$work/said")"
}
# Each file with what is in it
notes() { (cd "$work/notes"; grep -H '' -- * 2>/dev/null || true) | tr ':\n' '  ' | sed 's/ $//'; }
consumers() { "$ctl" consumers --no-legend | awk '{ print $1 }' | xargs; }
none="pasid-libvirt-hook: guest: There is no pasidd to ask for PASIDs; is it running (systemctl start pasidd.socket)?"
# Domain one has run, and has ended without pasidd; which is back.
leave_note() {
        hook prepare begin "$one" >/dev/null
        stop_daemon
        hook release end "$one" >/dev/null
        start_daemon
}

printf '[Daemon]\nReuseDelaySec=0\n' >"$work/pasidd.conf"
start_daemon
tap_equal "a domain starts" "0  libvirt-one" "$(hook prepare begin "$one") $(consumers)"
tap_equal "of which nothing is noted" "" "$(notes)"
tap_equal "and ends" "0  " "$(hook release end "$one") $(consumers)"
tap_equal "of which nothing is, either" "" "$(notes)"

hook prepare begin "$one" >/dev/null
stop_daemon
tap_equal "its end without pasidd" "0 $none" "$(hook release end "$one")"
tap_equal "is noted" "$first libvirt-one" "$(notes)"
tap_equal "for nobody else's eyes" "700 600" "$(stat -c %a "$work/notes" "$work/notes/$first" | xargs)"
tap_equal "another domain's start without pasidd" "1 $none" "$(hook prepare begin "$two")"
tap_equal "its end, which libvirt tells of then" "0 $none" "$(hook release end "$two")"
tap_equal "takes no note away" "$second libvirt-two $first libvirt-one" "$(notes)"
start_daemon
tap_equal "pasidd is back, and the consumer is there" "libvirt-one 2" "$(consumers) $("$ctl" list libvirt-one --no-legend | wc -l)"
tap_equal "a domain without our element changes nothing" "0 0 0  libvirt-one 4" "$(hook prepare begin "$work/plain.xml")$(
        )$(hook reconnect begin "$work/plain.xml")$(hook release end "$work/plain.xml") $(consumers) $(notes | wc -w)"
tap_equal "a start of another domain ends it" "0  libvirt-two" "$(hook prepare begin "$two") $(consumers)"
tap_equal "and there is no note" "" "$(notes)"
hook release end "$two" >/dev/null

leave_note
tap_equal "the end of another domain ends it, too" "0  " "$(hook release end "$two") $(consumers)$(notes)"
leave_note
tap_equal "as does one that runs on" "0  libvirt-two" "$(hook reconnect begin "$two") $(consumers)$(notes)"
hook release end "$two" >/dev/null

# --- started again meanwhile ---

leave_note
numbers=$("$ctl" list libvirt-one --no-legend)
tap_equal "a domain that starts again" "0  libvirt-one" "$(hook prepare begin "$one") $(consumers)"
tap_equal "has its PASIDs, and no note" "$numbers" "$("$ctl" list libvirt-one --no-legend)$(notes)"
tap_equal "which others do not end" "0 0  libvirt-one" "$(hook prepare begin "$two")$(hook release end "$two") $(consumers)"
stop_daemon
hook release end "$one" >/dev/null
start_daemon
tap_equal "nor where it was found running" "0 0  libvirt-one" "$(hook reconnect begin "$one")$(hook release end "$two") $(consumers)"
stop_daemon
hook release end "$one" >/dev/null
start_daemon
tap_equal "another domain of the same name" "0 0  libvirt-one" "$(hook prepare begin "$other")$(hook release end "$two") $(consumers)"
hook release end "$other" >/dev/null
tap_equal "leaves nothing" "" "$(consumers)$(notes)"

# --- a domain that had other names before ---

renamed=$(domain renamed $first) again=$(domain again $first)
hook prepare begin "$one" >/dev/null
hook prepare begin "$renamed" >/dev/null
stop_daemon
hook release end "$one" >/dev/null
hook release end "$renamed" >/dev/null
tap_equal "a consumer for each name has a note each" "$first libvirt-one $first.1 libvirt-renamed" "$(notes)"
hook release end "$renamed" >/dev/null
hook release end "$one" >/dev/null
tap_equal "and no second one" "$first libvirt-one $first.1 libvirt-renamed" "$(notes)"
hook release end "$again" >/dev/null
tap_equal "a third name has one, too" "$first libvirt-one $first.1 libvirt-renamed $first.2 libvirt-again" "$(notes)"
rm -f "$work/notes/$first.1"
hook release end "$renamed" >/dev/null
tap_equal "where there is room" "$first libvirt-one $first.1 libvirt-renamed $first.2 libvirt-again" "$(notes)"
start_daemon
tap_equal "a start under one of them ends the others" "0  libvirt-renamed" "$(hook prepare begin "$renamed") $(consumers)"
tap_equal "and there is no note" "" "$(notes)"
hook release end "$renamed" >/dev/null

# Names that are none of a file, and one as long as it can be
slashes=$(domain slashes $first) long=$(domain long $first)
sed -i 's|<name>slashes|<name>../../outside|' "$slashes"
sed -i "s|<name>long|<name>$(printf %0120d 7)|" "$long"
hook prepare begin "$slashes" >/dev/null
hook prepare begin "$long" >/dev/null
stop_daemon
hook release end "$slashes" >/dev/null
hook release end "$long" >/dev/null
tap_equal "a name with slashes, and a long one" "$first libvirt-../../outside $first.1 libvirt-$(printf %0120d 7)" "$(notes)"
start_daemon
tap_equal "are ended" "0  " "$(hook release end "$two") $(consumers)$(notes)"

for name in "$first.new" "$first." "$first.1x" "${first}1" "${first%?}"; do
        printf libvirt-two >"$work/notes/$name"
done
hook prepare begin "$two" >/dev/null
tap_equal "files of other names are not notes" "0  libvirt-two libvirt-one" "$(hook prepare begin "$one") $(consumers)"
rm "$work/notes/$first"* "$work/notes/${first%?}"
hook release end "$one" >/dev/null
hook release end "$two" >/dev/null
tap_equal "and nothing is left of it" "" "$(consumers)$(notes)"

# --- a device that went away ---

sed 's|count="2"/>|count="2"><p:device>0000:01:00.0</p:device></p:reserve>|' "$one" >"$work/device.xml"
states() { "$ctl" list --no-legend | awk '{ print $4 }' | xargs; }
hook prepare begin "$work/device.xml" >/dev/null
stop_daemon
rm -r "$work/machine"
printf 'kernel 6.18.0\niommufd\n' >"$work/bare"
machine=$work/bare
start_daemon
tap_equal "numbers of a device that is gone" "lost lost" "$(states)"
stop_daemon
machine=
start_daemon
tap_equal "stay so when it is back" "lost lost" "$(states)"
tap_equal "until the domain starts" "0  allocated allocated" "$(hook prepare begin "$work/device.xml") $(states)"
hook release end "$work/device.xml" >/dev/null

# --- beside each other ---

hooks=
# NAME OPERATION SUB-OPERATION XML: the hook in the background, as $hook_pid
start_hook() {
        "$hook" guest "$2" "$3" - <"$4" >"$work/$1.said" 2>&1 3<&- &
        hook_pid=$!
        hooks="$hooks $1:$hook_pid"
}
# Sets $ended to what each of them gave, in their order: the exit status, and what it said
end_hooks() {
        ended=
        for started in $hooks; do
                hook_status=0
                wait "${started#*:}" || hook_status=$?
                ended="$ended${ended:+, }${started%:*}: $hook_status $(cat "$work/${started%:*}.said")"
        done
        hooks=
}
lock_notes() {
        exec 3<"$work/notes"
        flock 3
}
unlock_notes() { exec 3<&-; }
inode() { stat -c %i "$1" 2>/dev/null; }
is_waiting() { grep -q -e "-> FLOCK .*:$(inode "$work/notes") " /proc/locks; }
waits_for_claim() { grep -q -e "-> OFDLCK .*:$(inode "$work/notes/.claims") " /proc/locks; }
is_stopped() { grep -q '^State:.T' "/proc/$daemon/status"; }
suspend_daemon() {
        kill -s STOP "$daemon"
        await is_stopped
}
# NAME COMMAND...: it comes to be
comes() {
        name=$1
        shift
        if await "$@"; then
                tap_ok "$name"
        else
                tap_not_ok "$name" "$(notes; cat /proc/locks)"
        fi
}
# CONSUMER...
noted() { for consumer in "$@"; do notes | grep -q " $consumer\b" || return 1; done; }
three=$(domain three 00000000-0000-4000-8000-000000000003)
# XML...: domains that have run, and have ended without pasidd, which is there
leave_beside() {
        for xml in "$@"; do
                hook prepare begin "$xml" >/dev/null
        done
        for xml in "$@"; do
                PASIDD_ADDRESS="unix:path=$work/nobody.sock" hook release end "$xml" >/dev/null
        done
}

leave_note
lock_notes
start_hook one release end "$two"
comes "a call waits for another that changes notes" is_waiting
tap_equal "and has done nothing" libvirt-one "$(consumers)"
unlock_notes
end_hooks
tap_equal "then goes on" "one: 0   " "$ended $(consumers) $(notes)"

hook prepare begin "$one" >/dev/null
lock_notes
start_hook one release end "$one"
await is_waiting || true
kill -s ALRM "$hook_pid"
end_hooks
tap_equal "but not for ever: an end is not noted" "one: 0 pasid-libvirt-hook: guest: That PASIDs of consumer \"libvirt-one\" are to be $(
        )given back cannot be noted in $work/notes: somebody keeps it locked." "$ended"
tap_equal "and done all the same" "" "$(consumers)$(notes)"
unlock_notes
leave_beside "$one"
lock_notes
start_hook two prepare begin "$two"
await is_waiting || true
kill -s ALRM "$hook_pid"
end_hooks
tap_equal "and a start is refused" "two: 1 pasid-libvirt-hook: guest: The notes of PASIDs to be given back, in $work/notes, $(
        )cannot be read or removed: somebody keeps it locked. libvirt-one $first libvirt-one" "$ended $(consumers) $(notes)"
unlock_notes
hook release end "$two" >/dev/null

for xml in "$one" "$two" "$three"; do
        hook prepare begin "$xml" >/dev/null
done
suspend_daemon
start_hook one release end "$one"
start_hook two release end "$two"
start_hook three release end "$three"
comes "while pasidd hangs, each end is noted at once" noted libvirt-one libvirt-two libvirt-three
kill -s CONT "$daemon"
end_hooks
tap_equal "and done when it goes on" "one: 0 , two: 0 , three: 0 " "$ended"
tap_equal "all of them" "" "$(consumers)$(notes)"

hook prepare begin "$three" >/dev/null
leave_beside "$one"
lock_notes
start_hook two prepare begin "$two"
await is_waiting || true
suspend_daemon
unlock_notes
start_hook three release end "$three"
comes "while pasidd does not answer one call about a note, others note" noted libvirt-one libvirt-three
start_hook one release end "$one"
kill -s CONT "$daemon"
end_hooks
tap_equal "nobody has to say a thing" "two: 0 , three: 0 , one: 0 " "$ended"
tap_equal "and all is done that is noted" "libvirt-two " "$(consumers) $(notes)"
hook release end "$two" >/dev/null

leave_beside "$one" "$three" "$renamed"
lock_notes
start_hook two prepare begin "$two"
await is_waiting || true
stop_daemon
unlock_notes
end_hooks
tap_equal "pasidd dies: one note is enough to see it" "two: 1 1 1 2" "${ended%% pasid*} $(echo "$ended" | grep -c "of consumer .*whose domain has ended")$(
        ) $(echo "$ended" | grep -c "could not be reserved") $(echo "$ended" | wc -l)"
comes "and all stay" noted libvirt-one libvirt-three libvirt-renamed
start_daemon
tap_equal "for when it is back" "0  " "$(hook release end "$two") $(consumers)$(notes)"

set --
for n in 4 5 6 7 8 9; do
        set -- "$@" "$(domain "vm-$n" "00000000-0000-4000-8000-00000000000$n")"
done
leave_beside "$@"
start_hook three release end "$three"
start_hook one release end "$one"
start_hook two release end "$two"
end_hooks
tap_equal "several go through the same notes" "three: 0 , one: 0 , two: 0 " "$ended"
tap_equal "which are done then" "" "$(consumers)$(notes)"

# Who ends a consumer has it for himself until its note is gone.
stopped_at_call() { [ -z "$(consumers)" ] && grep -q "^$1(" "$work/calls" && grep -q '^State:.[Tt]' "/proc/$(cat "$work/pid")/status"; }
if can_kill_at_calls; then
        leave_beside "$one"
        # It stops where it removes the note.
        # shellcheck disable=SC2016
        under_strace -qq -o "$work/calls" -e inject=unlinkat:signal=STOP:when=1 \
                sh -c 'echo $$ >"$1"; exec "$2" guest prepare begin -' sh "$work/pid" "$hook" <"$two" >"$work/two.said" 2>&1 &
        hooks="two:$!"
        comes "a call that ends a consumer" stopped_at_call unlinkat
        start_hook one prepare begin "$one"
        comes "keeps that one's domain waiting" waits_for_claim
        tap_equal "with what it would lose" "" "$(consumers)"
        kill -s CONT "$(cat "$work/pid")" || true
        end_hooks
        tap_equal "until it is done" "two: 0 , one: 0  libvirt-one libvirt-two" \
                "$ended $(consumers | tr ' ' '\n' | sort | xargs)"
        tap_equal "and there is no note" "" "$(notes)"
        hook release end "$one" >/dev/null
        hook release end "$two" >/dev/null
else
        tap_skip "a domain that starts while another call ends its consumer" "no strace that may trace"
fi

# --- no notes to be had ---

# WHAT WORDS: neither a start nor an unnoticed end
useless() {
        said=$(hook prepare begin "$one")
        tap_equal "$1: no start" "1 1 1 " "${said%% *} $(echo "$said" | wc -l) $(echo "$said" | grep -c "Directory $work/notes, .*$2") $(consumers)"
        said=$(hook release end "$one")
        tap_equal "$1: its end" "0 1" "${said%% *} $(echo "$said" | grep -c "Directory $work/notes, .*$2")"
}
chmod 750 "$work/notes"
useless "a directory that others may read" "not this user's alone"
mv "$work/notes" "$work/elsewhere"
chmod 700 "$work/elsewhere"
ln -s elsewhere "$work/notes"
useless "a link to one" "cannot be opened or made: "
rm "$work/notes"
if [ "$(id -u)" -eq 0 ]; then
        mkdir -m 700 "$work/notes"
        chown 65534 "$work/notes"
        useless "somebody else's" "not this user's alone"
        rmdir "$work/notes"
else
        tap_skip "somebody else's" "needs root"
fi
hook prepare begin "$one" >/dev/null
touch "$work/elsewhere/nonsense"
rm -rf "$work/notes"
mv "$work/elsewhere" "$work/notes"
sed "s/$first/..\/outside/" "$one" >"$work/odd.xml"
said=$(hook release end "$work/odd.xml")
tap_equal "a UUID that is none is not noted" "0 1 nonsense" "${said%% *} $(echo "$said" |
        grep -c "\"libvirt-one\" are to be given back cannot be noted in $work/notes: Invalid") $(ls "$work/notes")"
tap_equal "and its PASIDs are given back all the same" "" "$(consumers)"
tap_done
