#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pasidctl against the real daemon on a socket of its own: what each verb
# prints, word for word but for times and the tester's uid; exit statuses; and
# what becomes of numbers that can't be printed.
# shellcheck disable=SC2016,SC2154
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
export LC_ALL=C.UTF-8 TZ=UTC0
unset NO_COLOR PAGER LESS
daemon=
monitor=

cleanup() {
        [ -z "$monitor" ] || kill "$monitor" 2>/dev/null || true
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait
        rm -rf "$work"
}
trap cleanup EXIT

# Numbers that are freed stay cooling for the length of the test, so that nothing depends on its speed.
cat >"$work/pasidd.conf" <<END
[Daemon]
Group=daemon
ReuseDelaySec=3600
[Limits]
PasidsPerUid=4000000000
PasidsPerConsumer=1048575
ConsumersPerUid=1000
END
start_daemon
tap_ok "the daemon starts"

# NAME COMMAND...: prints JSON
json() {
        name=$1
        shift
        try "$name" 0 "$@" || return 0
        if ! command -v python3 >/dev/null; then
                tap_skip "$name" "no python3"
        elif python3 -m json.tool <"$work/out" >"$work/json" 2>&1; then
                tap_ok "$name"
        else
                tap_not_ok "$name" "$(cat "$work/json")"
        fi
}
live() { "$ctl" status | sed -n 's/^pasids: *//p'; }

# --- init, alloc, list ---

silent "init" "$ctl" init vm-1
refuses "init twice" "vm-1.* already" "$ctl" init vm-1
silent "init with a range and a quota" "$ctl" init vm-2 --min=500 --max 0x257 --quota=20
prints "init --json describes" "$ctl" --json=short init dev --device 0000:01:00.0 --device=0000:02:00.0 <<'END'
[{"name":"dev","uid":UID,"devices":["0000:01:00.0","0000:02:00.0"],"min":1,"max":255,"quota":1048575,"allocated":0,"hold":"boot","hold_state":"watched","mode":"advisory","since":"MICROS","pinned_bytes":0,"offered_to":null}]
END
prints "init with one bound" "$ctl" init half --min=1048570 --json=short <<'END'
[{"name":"half","uid":UID,"devices":[],"min":1048570,"max":1048575,"quota":1048575,"allocated":0,"hold":"boot","hold_state":"watched","mode":"advisory","since":"MICROS","pinned_bytes":0,"offered_to":null}]
END
silent "exit of a consumer without PASIDs" "$ctl" exit half
refuses "init for no device" "0000:77:00.0" "$ctl" init x --device 0000:77:00.0
refuses "init for a device that can't" "0000:03:00.0" "$ctl" init x --device 0000:03:00.0
refuses "init with min above max" "range\|min" "$ctl" init x --min 9 --max 8
refuses "init beyond the hardware" "255\|8 bit" "$ctl" init x --device 0000:02:00.0 --min 256
refuses "init --hold=pid= of no process" "There is no process" "$ctl" init x --hold=pid=2147483647
refuses "init --hold=unit= of no unit" "no unit\|no unified" "$ctl" init x --hold=unit=no-such.service
silent "init --hold=pid=" "$ctl" init of-shell --hold=pid=$$
prints "consumers shows the hold" sh -c '"$1" --no-legend consumers | sed -n "s/^of-shell .* \(process\) .*/\1/p"' - "$ctl" <<'END'
process
END
silent "exit of one held by a process" "$ctl" exit of-shell
refuses "init --mode=mediated without a device" "device" "$ctl" init x --mode=mediated
refuses "init of an over-long name" "name" "$ctl" init "$(printf %0129d 0)"
refuses "init of a name with a newline" "name" "$ctl" init "$(printf 'a\nb')"

prints "alloc" "$ctl" alloc vm-1 <<'END'
1
END
prints "alloc, options first" "$ctl" alloc --count 3 --contiguous --align=4 vm-1 <<'END'
4
5
6
END
prints "alloc of one number, in hex" "$ctl" alloc vm-1 --min=0x64 --max=100 --private='tenant 7' <<'END'
100
END
refuses "alloc of a number that is taken" "100" "$ctl" alloc vm-1 --min=100 --max=100
prints "alloc from a number upwards" "$ctl" alloc vm-1 --min=1000 <<'END'
1000
END
prints "alloc up to a number" "$ctl" alloc vm-2 --max=500 <<'END'
500
END
refuses "alloc outside the range" "range\|499" "$ctl" alloc vm-2 --max=499
refuses "alloc beyond the quota" "quota\|20" "$ctl" alloc vm-2 --count=20
refuses "alloc of what has more than 20 bits" "PASID 1048576 .*20 bits" "$ctl" alloc vm-1 --min=0x100000 --max=0x100000
for option in min max align; do
        misuses "alloc --$option=0" "--$option takes a number from 1 on, not \"0\"" "$ctl" alloc vm-1 "--$option=0"
done
misuses "alloc of PASID 0" "--min takes a number from 1 on" "$ctl" alloc vm-1 --min=0 --max=0
for option in min max quota; do
        misuses "init --$option=0" "--$option takes a number from 1 on, not \"0\"" "$ctl" init vm-0 "--$option=0"
done
fails 125 "run --max=0x0" "--max takes a number from 1 on, not \"0x0\"" "$ctl" run --max=0x0 -- true
refuses "alloc of nobody's" "no-such" "$ctl" alloc no-such
refuses "alloc with an odd alignment" "align\|power" "$ctl" alloc vm-1 --count=2 --contiguous --align=3
prints "alloc with a token" "$ctl" alloc vm-2 --token=job-17 --count=2 <<'END'
501
502
END
prints "alloc with the same token" "$ctl" alloc vm-2 --token=job-17 --count=2 <<'END'
501
502
END
prints "alloc --json" "$ctl" alloc vm-2 --json=short <<'END'
[{"pasid":503,"consumer":"vm-2","uid":UID}]
END
head -c 4096 /dev/zero | tr '\0' '\377' >"$work/4096"
head -c 4097 /dev/zero >"$work/4097"
prints "alloc with private data of 4096 bytes" "$ctl" alloc vm-2 --private="@$work/4096" <<'END'
504
END
refuses "alloc with private data of 4097 bytes" "4096" "$ctl" alloc vm-2 --private="@$work/4097"
refuses "alloc with private data of 4097 bytes as text" "4096\|4097" \
        "$ctl" alloc vm-2 --private="$(tr '\0' x <"$work/4097")"
printf 'a\0b\033[2J' | "$ctl" alloc vm-2 --private=@- >"$work/out"
tap_equal "alloc with private data from standard input" 505 "$(cat "$work/out")"

prints_words "list of a consumer" "$ctl" list vm-1 <<'END'
PASID CONSUMER UID STATE SINCE PRIVATE
1 vm-1 UID allocated SECONDS 0
4 vm-1 UID allocated SECONDS 0
5 vm-1 UID allocated SECONDS 0
6 vm-1 UID allocated SECONDS 0
100 vm-1 UID allocated SECONDS 8
1000 vm-1 UID allocated SECONDS 0
END
# Aligned: as many columns before SINCE in each line.
"$ctl" list vm-1 | awk '{ n = NR == 1 ? index($0, "SINCE") : match($0, /20[0-9][0-9]-/); if (n != last && NR > 1) bad = 1; last = n }
        END { exit bad }' && aligned=yes || aligned=no
tap_equal "list is aligned" yes "$aligned"
prints_words "list --no-legend of UID:NAME" "$ctl" --no-legend list "$uid:vm-2" <<'END'
500 vm-2 UID allocated SECONDS 0
501 vm-2 UID allocated SECONDS 0
502 vm-2 UID allocated SECONDS 0
503 vm-2 UID allocated SECONDS 0
504 vm-2 UID allocated SECONDS 4096
505 vm-2 UID allocated SECONDS 7
END
prints_words "list of all" "$ctl" list --no-legend <<'END'
1 vm-1 UID allocated SECONDS 0
4 vm-1 UID allocated SECONDS 0
5 vm-1 UID allocated SECONDS 0
6 vm-1 UID allocated SECONDS 0
100 vm-1 UID allocated SECONDS 8
1000 vm-1 UID allocated SECONDS 0
500 vm-2 UID allocated SECONDS 0
501 vm-2 UID allocated SECONDS 0
502 vm-2 UID allocated SECONDS 0
503 vm-2 UID allocated SECONDS 0
504 vm-2 UID allocated SECONDS 4096
505 vm-2 UID allocated SECONDS 7
END
silent "list of none" "$ctl" list dev
prints "list --json of none" "$ctl" list dev --json=short <<'END'
[]
END
refuses "list of nobody's" "no-such" "$ctl" list no-such

silent "free" "$ctl" free vm-1 4
silent "free of ranges" "$ctl" free vm-2 501-502 504-505 503
refuses "free again" "4" "$ctl" free vm-1 4
refuses "free of another's" "500" "$ctl" free vm-1 500
refuses "free of some that are not allocated" "7" "$ctl" free vm-1 5-7
refuses "free of one twice" "5" "$ctl" free vm-1 5 5
refuses "free of 0" "0" "$ctl" free vm-1 0
refuses "alloc of a number that is cooling" "cool" "$ctl" alloc vm-1 --min=4 --max=4
prints "list --json=short, after a free" "$ctl" list vm-1 --json=short <<'END'
[{"pasid":1,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","private_bytes":0},{"pasid":4,"consumer":"vm-1","uid":UID,"state":"cooling","since":"MICROS","private_bytes":0},{"pasid":5,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","private_bytes":0},{"pasid":6,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","private_bytes":0},{"pasid":100,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","private_bytes":8},{"pasid":1000,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","private_bytes":0}]
END
prints "list --json=pretty --state=cooling" "$ctl" list vm-1 --json=pretty --state=cooling <<'END'
[
  {
    "pasid": 4,
    "consumer": "vm-1",
    "uid": UID,
    "state": "cooling",
    "since": "MICROS",
    "private_bytes": 0
  }
]
END

# --- find ---

prints "find of one's own" "$ctl" find 100 <<'END'
pasid:         100
consumer:      vm-1
uid:           UID
state:         allocated
since:         SECONDS
devices:       -
private_bytes: 8
private:       tenant 7
END
prints "find by name" "$ctl" find 0x1 vm-1 <<'END'
pasid:         1
consumer:      vm-1
uid:           UID
state:         allocated
since:         SECONDS
devices:       -
private_bytes: 0
END
prints "find --json" "$ctl" find 100 "$uid:vm-1" --json=short <<'END'
[{"pasid":100,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","devices":[],"private_bytes":8,"private_base64":"dGVuYW50IDc=","private_text":"tenant 7"}]
END
"$ctl" alloc dev --min=200 --max=200 --private="$(printf 'first line\n\tsecond gr\303\274n \\x41\n')" >/dev/null
prints "find shows text of several lines, and devices" "$ctl" find 200 dev <<'END'
pasid:         200
consumer:      dev
uid:           UID
state:         allocated
since:         SECONDS
devices:       0000:01:00.0, 0000:02:00.0
private_bytes: 29
private:       first line
               \x09second grün \x5cx41
END
printf 'a\0b\033[2J 0123456789' | "$ctl" alloc vm-1 --min=300 --max=300 --private=@- >/dev/null
prints "find shows other private data as a dump" "$ctl" find 300 <<'END'
pasid:         300
consumer:      vm-1
uid:           UID
state:         allocated
since:         SECONDS
devices:       -
private_bytes: 18
private:       0000  61 00 62 1b 5b 32 4a 20 30 31 32 33 34 35 36 37  a.b.[2J 01234567
               0010  38 39                                            89
END
prints "find --json of other private data" "$ctl" find 300 --json=short <<'END'
[{"pasid":300,"consumer":"vm-1","uid":UID,"state":"allocated","since":"MICROS","devices":[],"private_bytes":18,"private_base64":"YQBiG1sySiAwMTIzNDU2Nzg5"}]
END
prints "find of a cooling one" "$ctl" find 4 <<'END'
pasid:         4
consumer:      vm-1
uid:           UID
state:         cooling
since:         SECONDS
devices:       -
END
refuses "find of a cooling one by name" "4" "$ctl" find 4 vm-1
refuses "find of nobody's" "77" "$ctl" find 77
refuses "find of 0" "0" "$ctl" find 0
refuses "find beyond 20 bits" "1048576\|range" "$ctl" find 1048576
"$ctl" init dev-a --device 0000:01:00.0
"$ctl" init dev-b --device 0000:02:00.0
"$ctl" alloc dev-a --min=17 --max=17 >/dev/null
"$ctl" alloc dev-b --min=17 --max=17 >/dev/null
prints_words "find --history" "$ctl" find 4 --history <<'END'
CONSUMER UID SINCE UNTIL REASON DEVICES
vm-1 UID SECONDS SECONDS freed -
END
prints "find --history --json" "$ctl" find --history 0x4 --json=short <<'END'
[{"pasid":4,"consumer":"vm-1","uid":UID,"since":"MICROS","until":"MICROS","reason":"freed","devices":[]}]
END
prints "find --history of a range" "$ctl" find 502 --history --json=short <<'END'
[{"pasid":502,"consumer":"vm-2","uid":UID,"since":"MICROS","until":"MICROS","reason":"freed","devices":[]}]
END
prints "find --history of none" "$ctl" find 77 --history <<'END'
Nobody is known to have had PASID 77 before.
END
silent "find --history of none, without a legend" "$ctl" find 77 --history --no-legend
prints "find --history --json of none" "$ctl" find 77 --history --json=short <<'END'
[]
END
refuses "find --history beyond 20 bits" "1048576" "$ctl" find 1048576 --history
refuses "find of one that two have" '"dev-a", "dev-b"' "$ctl" find 17
prints "find of one that two have, by name" "$ctl" find 17 dev-b <<'END'
pasid:         17
consumer:      dev-b
uid:           UID
state:         allocated
since:         SECONDS
devices:       0000:02:00.0
private_bytes: 0
END

# --- consumers, devices, status ---

prints_words "consumers" "$ctl" consumers <<'END'
NAME UID PASIDS QUOTA MIN MAX HOLD MODE SINCE DEVICES
vm-1 UID 6 1048575 1 1048575 boot advisory SECONDS -
vm-2 UID 1 20 500 599 boot advisory SECONDS -
dev UID 1 1048575 1 255 boot advisory SECONDS 0000:01:00.0 0000:02:00.0
dev-a UID 1 1048575 1 1048575 boot advisory SECONDS 0000:01:00.0
dev-b UID 1 1048575 1 255 boot advisory SECONDS 0000:02:00.0
END

# --- mediated mode, as far as it goes without a kernel that plays along ---

refuses "attach of an advisory consumer's" "mediated" "$ctl" attach vm-1 1
refuses "detach of an advisory consumer's" "mediated" "$ctl" detach vm-1 1
before=$(live)
refuses "alloc --attach for an advisory consumer" "mediated" "$ctl" alloc vm-1 --attach
refuses "alloc --attach of several" "mediated.*freed again" "$ctl" alloc vm-1 --attach --count=2
tap_equal "no number is left of it" "$before" "$(live)"
prints "check without anything attached" "$ctl" check <<'END'
pasidd's table agrees with the kernel.
END
json "consumers --json=short" "$ctl" consumers --json=short
json "consumers --json=pretty" "$ctl" consumers --json=pretty
prints_words "devices" sh -c '"$0" devices | sed "/^$/,\$d"' "$ctl" <<'END'
ADDRESS NAME DRIVER GROUP WIDTH MAX USABLE HELD
0000:01:00.0 Device 0bad:0001 vfio-pci 2 20 1048575 yes -
0000:02:00.0 Device 0bad:0002 vfio-pci 3 8 255 yes -
0000:03:00.0 Device 0bad:0003 idxd 4 20 1048575 no -
0000:04:00.0 Device 0bad:0004 vfio-pci 5 - - no -
END
json "devices --json=pretty" "$ctl" devices --json=pretty
tap_equal "devices that are not usable have a reason" "0000:03:00.0: 0000:04:00.0:" \
        "$("$ctl" devices --no-legend | sed -n 's/^\(0000:.*[0-9]:\) [a-zA-Z].*/\1/p' | xargs)"
try "status" 0 "$ctl" status
tap_equal "status" "$(printf 'version:\naddress:       unix:path=WORK/pasidd.sock\npasids:        10\nconsumers:     5\nboot_id:\ntable:         WORK/run/pasidd.db\nrestored:      0 kept, 0 detached, 0 lost')" \
        "$(normal <"$work/out" | sed -E 's/^(version|boot_id): +[0-9a-f.-]+$/\1:/')"
json "status --json" "$ctl" --json=short status

# --- where it is printed ---

on_terminal() { # COMMAND: as on a terminal of its own
        TERM=${TERM:-linux} script -qec "$1" /dev/null </dev/null 2>&1 | tr -d '\r'
}
if command -v script >/dev/null; then
        escape=$(printf '\033')
        tap_equal "colour on a terminal" yes "$(on_terminal "TERM=linux PAGER=cat $ctl list" | grep -q "$escape" && echo yes)"
        tap_none "NO_COLOR" "$(on_terminal "NO_COLOR=1 PAGER=cat $ctl list" | grep "$escape" || true)"
        tap_none "no colour with TERM=dumb" "$(on_terminal "TERM=dumb PAGER=cat $ctl list" | grep "$escape" || true)"
        tap_equal "an empty NO_COLOR" yes "$(on_terminal "TERM=linux NO_COLOR= PAGER=cat $ctl list" | grep -q "$escape" && echo yes)"
        tap_equal "a pager on a terminal" paged "$(on_terminal "PAGER='sed s/.*/paged/' $ctl list" | sort -u)"
        tap_none "no pager with --no-pager" "$(on_terminal "PAGER='sed s/.*/paged/' $ctl list --no-pager" | grep paged || true)"
        tap_equal "the pager's environment" "FRSX 1" \
                "$(on_terminal "PAGER='cat >/dev/null; echo \$LESS \$LESSSECURE' $ctl list")"
        tap_equal "a pager that ends early" "status 0" "$(on_terminal "PAGER=true $ctl list; echo status \$?")"
        tap_equal "a pager that is not there" "status 0" \
                "$(on_terminal "PAGER=/nonexistent/pager $ctl list 2>/dev/null; echo status \$?" | tail -n 1)"
        tap_equal "no pager for the numbers of alloc" "600" "$(on_terminal "PAGER=true $ctl alloc vm-1 --min=600 --max=600")"
else
        tap_skip "what is different on a terminal" "no script(1)"
fi
tap_none "no colour in a pipe" "$("$ctl" list | grep "$(printf '\033')" || true)"
tap_none "no pager in a pipe" "$(PAGER='sed s/.*/paged/' "$ctl" list | grep paged || true)"

before=$(live)
refuses "alloc on a full disk" "No space.*freed again" sh -c 'exec "$0" alloc vm-1 --count=3 >/dev/full' "$ctl"
refuses "alloc --json on a full disk" "No space.*freed again" sh -c 'exec "$0" alloc vm-1 --json=short >/dev/full' "$ctl"
token=$("$ctl" alloc vm-1 --token=kept)
refuses "a repeated token on a full disk" "No space.*repeat" sh -c 'exec "$0" alloc vm-1 --token=kept >/dev/full' "$ctl"
tap_equal "its number is still there" "$token" "$("$ctl" alloc vm-1 --token=kept)"
"$ctl" free vm-1 "$token"
refuses "alloc with stdout closed" "freed again" sh -c 'exec "$0" alloc vm-1 >&-' "$ctl"
refuses "alloc of many on a full disk" "No space.*freed again" sh -c 'exec "$0" alloc vm-1 --min=1000000 --count=20000 >/dev/full' "$ctl"
{ got=0; "$ctl" alloc vm-1 --min=1000000 --count=20000 2>"$work/err" || got=$?; echo $got >"$work/status"; } | head -n 1 >/dev/null
tap_equal "alloc for a reader who left" "1 1" "$(cat "$work/status") $(grep -c 'freed again' "$work/err")"
tap_equal "nothing of it is left" "$before" "$(live)"
refuses "list on a full disk" "No space" sh -c 'exec "$0" list >/dev/full' "$ctl"
refuses "list --json on a full disk" "No space" sh -c 'exec "$0" list --json=pretty >/dev/full' "$ctl"
refuses "status on a full disk" "No space" sh -c 'exec "$0" status >/dev/full' "$ctl"
refuses "list with stdout closed" "cannot be written" sh -c 'exec "$0" list >&-' "$ctl"
silent "all three closed" sh -c 'exec "$0" init closed <&- >&- 2>&-' "$ctl"
silent "and it was done" "$ctl" exit closed

# --- hostile names ---

bidi=$(printf 'a\342\200\256gpj.exe')
silent "init of a name that reorders text" "$ctl" init "$bidi"
tap_equal "it is shown escaped" 'a\xe2\x80\xaegpj.exe' "$("$ctl" consumers --no-legend | awk '/gpj/ { print $1 }')"
tap_equal "and escaped in JSON" 'a\u202egpj.exe' \
        "$("$ctl" consumers --json=short | grep -o '"name":"a[^"]*"' | sed 's/.*:"//; s/"//')"
silent "it can be named" "$ctl" exit "$bidi"
silent "init of a name that looks like an escape" "$ctl" init '\x41"\n'
tap_equal "its backslash is escaped" '\x5cx41"\n' "$("$ctl" consumers --no-legend | awk '/x41/ { print $1 }')"
json "its quote is escaped in JSON" "$ctl" consumers --json=pretty
silent "exit of it" "$ctl" exit '\x41"\n'
silent "init of a name that looks like an option" "$ctl" init -- --json
silent "exit of it" "$ctl" exit -- --json
silent "init of a name with blanks and umlauts" "$ctl" init "$(printf 'gr\303\274ner Tee')"
tap_equal "umlauts in UTF-8" "$(printf 'gr\303\274ner Tee')" "$("$ctl" consumers --no-legend | grep -o '^gr.*Tee')"
tap_equal "umlauts elsewhere" 'gr\xc3\xbcner Tee' "$(LC_ALL=C "$ctl" consumers --no-legend | grep -o '^gr.*Tee')"
silent "exit of it" "$ctl" exit "$(printf 'gr\303\274ner Tee')"
refuses "a sentence about a hostile name" 'a\\xe2\\x80\\xaegpj' "$ctl" exit "$bidi"

offers() { "$ctl" consumers --json=short | grep -o '"name":"vm-2"[^}]*"offered_to":[^,}]*' | sed 's/.*://'; }
try "transfer" 0 "$ctl" transfer vm-2 65534
tap_equal "an offer in JSON" 65534 "$(offers)"
tap_equal "an offer in the table" 'vm-2 '"$uid"' (offered to 65534)' "$("$ctl" consumers --no-legend | grep vm-2 | tr -s ' ' | cut -d ' ' -f 1-5)"
tap_equal "transfer none" null "$("$ctl" transfer vm-2 none; offers)"
refuses "transfer to its owner" "$uid" "$ctl" transfer vm-2 "$uid"

# --- others' ---

nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
if [ "$uid" -eq 0 ] && nobody test -x "$top_builddir/pasidctl" 2>/dev/null; then
        chmod 666 "$work/pasidd.sock"
        refuses "another's init" "." nobody "$ctl" init mine
        refuses "another's free" "." nobody "$ctl" free 0:vm-1 100
        refuses "another's exit" "." nobody "$ctl" exit 0:vm-1
        refuses "another's alloc" "." nobody "$ctl" alloc 0:vm-1
        refuses "accept by somebody else" "offered no consumer" nobody "$ctl" accept 0:vm-2
        if getent group daemon >/dev/null && "$ctl" transfer vm-2 65534; then
                try "accept" 0 setpriv --reuid=65534 --regid=daemon --clear-groups "$ctl" accept 0:vm-2
                tap_equal "it is the other's" "vm-2 65534" "$("$ctl" consumers --no-legend | awk '/vm-2/ { print $1, $2 }')"
                try "and back" 0 sh -c 'setpriv --reuid=65534 --clear-groups "$0" transfer vm-2 0 && "$0" accept 65534:vm-2' "$ctl"
        fi
        refuses "another's find by name" "." nobody "$ctl" find 100 0:vm-1
        prints "another's find" nobody "$ctl" find 17 <<'END'
pasid:         17
consumer:      dev-a
uid:           UID
state:         allocated
since:         SECONDS
devices:       0000:01:00.0

pasid:         17
consumer:      dev-b
uid:           UID
state:         allocated
since:         SECONDS
devices:       0000:02:00.0
END
        prints "another's find --history" nobody "$ctl" find 4 --history --json=short <<'END'
[{"pasid":4,"consumer":"vm-1","uid":UID,"since":"MICROS","until":"MICROS","reason":"freed","devices":[]}]
END
        tap_equal "another's find has no private data" "" "$(nobody "$ctl" find 100 --json=short | grep -o private || true)"
        tap_equal "another's list has no private sizes" 0 "$(nobody "$ctl" list 0:vm-1 --no-legend | awk '$1 == 100 { print $NF }')"
else
        tap_skip "what others may see" "needs root, and a build that nobody can read"
fi

# --- monitor ---

"$ctl" monitor --json=short >"$work/events" 2>"$work/err" &
monitor=$!
# A first event says that it listens.
heard() {
        "$ctl" init probe && "$ctl" exit probe
        grep -q probe "$work/events"
}
await heard || true
"$ctl" init watched
"$ctl" alloc watched --min=700 --max=700 >/dev/null
"$ctl" free watched 700
"$ctl" alloc watched --min=701 --max=701 >/dev/null
"$ctl" exit watched
gone() { grep -q 'consumer-removed.*watched' "$work/events"; }
await gone || true
kill -INT "$monitor"
got=0
wait "$monitor" || got=$?
monitor=
tap_equal "monitor ends by SIGINT" 0 "$got"
tap_equal "monitor --json" "$(cat <<'END'
{"time":"MICROS","event":"consumer-added","consumer":"watched","uid":UID}
{"time":"MICROS","event":"allocated","consumer":"watched","uid":UID,"pasid":700}
{"time":"MICROS","event":"freed","consumer":"watched","uid":UID,"pasid":700,"reason":"freed"}
{"time":"MICROS","event":"allocated","consumer":"watched","uid":UID,"pasid":701}
{"time":"MICROS","event":"freed","consumer":"watched","uid":UID,"pasid":701,"reason":"exit"}
{"time":"MICROS","event":"consumer-removed","consumer":"watched","uid":UID}
END
)" "$(grep watched "$work/events" | normal)"

"$ctl" monitor >"$work/events" 2>"$work/err.monitor" &
monitor=$!
await heard || true
"$ctl" init watched
"$ctl" alloc watched --min=702 --max=703 --count=2 >/dev/null
"$ctl" free watched 702
"$ctl" exit watched
await gone || true
kill "$daemon"
wait "$daemon" || true
daemon=
got=0
wait "$monitor" || got=$?
monitor=
tap_equal "monitor fails when the daemon ends" "1 pasidctl: The connection to pasidd ended." "$got $(cat "$work/err.monitor")"
tap_equal "monitor" "$(cat <<'END'
SECONDS consumer-added UID:watched
SECONDS allocated 702 UID:watched
SECONDS allocated 703 UID:watched
SECONDS freed 702 UID:watched
SECONDS freed 703 UID:watched (exit)
SECONDS consumer-removed UID:watched
END
)" "$(grep watched "$work/events" | normal | squeeze)"
refuses "no daemon" "pasidd.sock" "$ctl" list

# --- many: in a daemon of their own, for a monitor would be told of each ---

start_daemon
# All numbers that there are are held then; two consumers' on different devices may be the same.
"$ctl" alloc dev --min=3 --max=3 >/dev/null
"$ctl" list --no-legend >"$work/others"
others=$(wc -l <"$work/others")
rows=${CTL_MANY:-$((1048575 - $(awk '{ print $1 }' "$work/others" | sort -u | wc -l)))}
"$ctl" init many
try "alloc of $rows" 0 "$ctl" alloc many --count="$rows"
tap_equal "alloc of $rows" "$rows" "$(wc -l <"$work/out")"
[ -n "${CTL_MANY-}" ] || refuses "one more" "free\|cool" "$ctl" alloc many
# Of what a command prints: its lines, times of "pasid":, begin and end; and in $work/memory the most memory it had, in KiB
measured() {
        # What AddressSanitizer keeps back is not the program's.
        ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1 python3 - "$work/memory" "$@" <<'END'
import resource, subprocess, sys
word, lines, words, begin, end = b'"pasid":', 0, 0, b"", b""
with subprocess.Popen(sys.argv[2:], stdout=subprocess.PIPE) as command:
    while chunk := command.stdout.read(1 << 20):
        begin = begin or chunk[:2]
        lines += chunk.count(b"\n")
        chunk = end + chunk
        words += chunk.count(word)
        end = chunk[-len(word) + 1:]
assert command.returncode == 0
with open(sys.argv[1], "w") as memory:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=memory)
print(lines, words, begin.decode(), end[-3:].decode(), end="")
END
}
is_few() { awk -v few="$few" '{ print $1 - few < 8192 ? "yes" : $1 - few " KiB more" }' "$work/memory"; }
if command -v python3 >/dev/null; then
        measured "$ctl" list dev >/dev/null
        few=$(cat "$work/memory")
        all=$((rows + others))
        tap_equal "list has all of them" "$((all + 1)) 0" "$(measured "$ctl" list --no-pager | cut -d' ' -f1-2 | head -n 1)"
        tap_equal "in the memory of few" yes "$(is_few)"
        tap_equal "list --json=short has all of them, in one array" "1 $all [{ }]" "$(measured "$ctl" list --json=short)"
        tap_equal "in the memory of few, too" yes "$(is_few)"
else
        tap_skip "list of $rows in the memory of few" "no python3"
fi
tap_equal "list for a reader who left" "141 0" \
        "$({ got=0; "$ctl" list many 2>"$work/err" || got=$?; echo $got >"$work/status"; } | head -n 1 >/dev/null
           echo "$(cat "$work/status") $(wc -l <"$work/err")")"
silent "exit of $rows" "$ctl" exit many
tap_done
