#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Domains that end while there is no pasidd: what pasid-libvirt-hook notes then,
# and who works it off, over a daemon that is killed and started again.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/bus/ctl-kit.sh
. "$top_srcdir/tests/bus/ctl-kit.sh"

work=$(mktemp -d)
export PASIDD_ADDRESS="unix:path=$work/pasidd.sock" PASID_LIBVIRT_NOTES="$work/notes"
export LC_ALL=C.UTF-8
hook=$(program pasid-libvirt-hook)
daemon=

cleanup() {
        exec 3>&-
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
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
tap_equal "a domain without our element changes nothing" "0 0 0  libvirt-one 2" "$(hook prepare begin "$work/plain.xml")$(
        )$(hook reconnect begin "$work/plain.xml")$(hook release end "$work/plain.xml") $(consumers) $(find "$work/notes" -type f | wc -l)"
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

# --- one after the other ---

leave_note
exec 3<"$work/notes"
flock 3
(exec 3<&-; hook release end "$two" >"$work/status") &
waiting=$!
is_waiting() { grep -q -e "-> FLOCK .*:$(stat -c %i "$work/notes") " /proc/locks; }
if await is_waiting; then
        tap_equal "a call waits for another" libvirt-one "$(consumers)"
else
        tap_not_ok "a call waits for another" "$(cat /proc/locks "$work/status")"
fi
exec 3<&-
wait $waiting
tap_equal "and goes on" "0  " "$(cat "$work/status") $(consumers)$(notes)"

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
