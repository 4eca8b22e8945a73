# shellcheck shell=sh disable=SC2154,SC2034
# SPDX-License-Identifier: GPL-2.0-or-later
# Words of the tests of pasidctl, read by them when they have read tap.sh: $ctl,
# and what it prints and refuses, compared. $work and $uid are the test's.
# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"
ctl=$(program pasidctl)

answers() { "$ctl" status >/dev/null 2>&1; }

# Sets $daemon: one for $PASIDD_ADDRESS with what is in $work/pasidd.conf, on a made-up machine, that of mk-sysfs.sh or of its
# description in the file $machine. The test ends here if it can't.
start_daemon() {
        chmod 755 "$work"
        sh "$top_srcdir/tests/data/mk-sysfs.sh" "$work/machine" ${machine:+"$machine"}
        "$top_builddir/pasidd" --bus=none --listen="$PASIDD_ADDRESS" --runtime-dir="$work/run" --state-dir="$work/state" \
                --config="$work/pasidd.conf" --sysfs="$work/machine/sys" --procfs="$work/machine/proc" --log-level=err \
                2>"$work/log" &
        daemon=$!
        if ! await answers; then
                tap_not_ok "the daemon starts" "$(cat "$work/log")"
                tap_done
                exit 1
        fi
}

# The parts that differ from run to run: times, which must have their form, the uid, columns as wide as the uid.
normal() {
        sed -E -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z/MICROS/g' \
                -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\+00:00/SECONDS/g' \
                -e "s/(\"uid\": ?)$uid\b/\1UID/g" -e "s/^uid:( +)$uid\$/uid:\1UID/" \
                -e "s/ $uid (allocated|attached|cooling)/ UID \1/" -e "s/ $uid ([0-9]+ +[0-9]+ +[0-9]+ +[0-9]+ )/ UID \1/" \
                -e "s/ $uid (SECONDS +SECONDS)/ UID \\1/" -e "s/ $uid:/ UID:/" -e "s|$work|WORK|g" -e 's/ +$//'
}
squeeze() { sed -E 's/  +/ /g; s/^ //'; }

# NAME STATUS COMMAND...: stdout and stderr into $work/out and $work/err; no more than one line of the second
try() {
        name=$1
        want=$2
        shift 2
        got=0
        "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
        lines=$(wc -l <"$work/err")
        if [ "$got" -ne "$want" ]; then
                tap_not_ok "$name" "$(printf 'exit status %s, not %s\n' "$got" "$want"; cat "$work/err")"
        elif [ "$want" -eq 0 ] && [ "$lines" -ne 0 ]; then
                tap_not_ok "$name" "$(cat "$work/err")"
        elif [ "$want" -ne 0 ] && { [ "$lines" -ne 1 ] || ! grep -q '^pasidctl: .' "$work/err"; }; then
                tap_not_ok "$name" "$(printf 'not one line of an error:\n'; cat "$work/err")"
        else
                return 0
        fi
        return 1
}

# NAME COMMAND..., with what it prints on standard input
prints() {
        expected=$(cat)
        name=$1
        shift
        ! try "$name" 0 "$@" || tap_equal "$name" "$expected" "$(normal <"$work/out")"
}
# The same with runs of blanks as one
prints_words() {
        expected=$(cat)
        name=$1
        shift
        ! try "$name" 0 "$@" || tap_equal "$name" "$expected" "$(squeeze <"$work/out" | normal)"
}
silent() { prints "$@" </dev/null; }
# STATUS NAME WORDS COMMAND...: fails with it, prints nothing, and the sentence has the words
fails() {
        status=$1
        name=$2
        words=$3
        shift 3
        try "$name" "$status" "$@" || return 0
        if grep -qi -e "$words" "$work/err" && [ ! -s "$work/out" ]; then
                tap_ok "$name"
        else
                tap_not_ok "$name" "$(cat "$work/err" "$work/out")"
        fi
}
# Refused by the daemon, or by pasidctl itself as wrong usage
refuses() { fails 1 "$@"; }
misuses() { fails 2 "$@"; }
