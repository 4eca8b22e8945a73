#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What pasidctl says of itself: help, manual page and completions have the same
# verbs and options, and each that is documented is taken. Needs no daemon.
# shellcheck disable=SC2016
set -eu
: "${top_srcdir:=.}" "${top_builddir:=.}"
man=$top_srcdir/man/pasidctl.1.scd
bash=$top_srcdir/client/ctl/completion/bash/pasidctl
zsh=$top_srcdir/client/ctl/completion/zsh/_pasidctl
# Nobody listens there.
PASIDD_ADDRESS=unix:path=/nonexistent/pasidd.sock
export PASIDD_ADDRESS
LC_ALL=C
export LC_ALL

# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/programs.sh
. "$top_srcdir/tests/programs.sh"
ctl=$(program pasidctl)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
: >"$work/why"

# STATUS NAME: what is wrong stands in $work/why
result() {
        if [ "$1" -eq 0 ]; then
                tap_ok "$2"
        else
                tap_not_ok "$2" "$(cat "$work/why")"
        fi
        : >"$work/why"
}

# same NAME: the sets in $work/expected and $work/got.
same() {
        sort -u -o "$work/expected" "$work/expected"
        sort -u -o "$work/got" "$work/got"
        r=0
        [ -s "$work/expected" ] || r=1
        diff "$work/expected" "$work/got" >"$work/why" || r=1
        result $r "$1"
}

options() { grep -o -e '--[a-z][a-z-]*' || true; }

# exits STATUS NAME COMMAND...: and says one line on stderr unless it is 0.
exits() {
        status=$1
        name=$2
        shift 2
        got=0
        "$@" >"$work/out" 2>"$work/err" </dev/null || got=$?
        lines=$(wc -l <"$work/err")
        r=0
        [ "$got" -eq "$status" ] || r=1
        if [ "$status" -eq 0 ]; then
                [ "$lines" -eq 0 ] || r=1
        else
                [ "$lines" -eq 1 ] && [ ! -s "$work/out" ] && grep -q '^pasidctl: ' "$work/err" || r=1
        fi
        { echo "status $got"; cat "$work/err"; } >"$work/why"
        result $r "$name"
}

verbs=$("$ctl" --help | sed -n 's/^  \([a-z]*\)  *[A-Z].*/\1/p')
common=$("$ctl" --help | options | sort -u)

echo "$verbs" >"$work/got"
printf '%s\n' init exit alloc free attach detach find run list consumers devices transfer accept monitor metrics check status cdi >"$work/expected"
same "help lists the verbs of this version"

echo "$verbs" >"$work/expected"
sed -n '/^# VERBS/,/^# OPTIONS/s/^\*\([a-z]*\)\*.*/\1/p' "$man" >"$work/got"
same "manual page has the verbs"

sed -n "s/.*verbs='\(.*\)'/\1/p" "$bash" | tr ' ' '\n' >"$work/got"
same "bash completion has the verbs"

sed -n '/verbs=(/,/^ *)$/s/^ *.\([a-z]*\):.*/\1/p' "$zsh" >"$work/got"
same "zsh completion has the verbs"

sed -n '/^# OPTIONS/,/^# OUTPUT/p' "$man" | grep '^\*' | options >"$work/got"
echo "$common" >"$work/expected"
same "manual page has the common options"

sed -n "s/.*\[common\]='\(.*\)'/\1/p" "$bash" | options >"$work/got"
same "bash completion has the common options"

sed -n '/common=(/,/^ *)$/p' "$zsh" | options >"$work/got"
same "zsh completion has the common options"

for verb in $verbs; do
        "$ctl" "$verb" --help >"$work/help"
        sed -n '/^Options:/,/^$/p' "$work/help" | options | sort -u >"$work/own"

        sed -n '/^Common options:/,/^$/p' "$work/help" | options >"$work/got"
        echo "$common" >"$work/expected"
        same "$verb: help has the common options"

        r=0
        grep -q "^Usage: pasidctl $verb " "$work/help" || r=1
        sed -n '/^Example:/,$p' "$work/help" | grep -q "^  pasidctl $verb" || r=1
        [ "$(awk '{ if (length($0) > m) m = length($0) } END { print m }' "$work/help")" -le 80 ] || r=1
        result $r "$verb: help has usage and example, in 80 columns"

        # A verb without options of its own has none anywhere.
        echo none >>"$work/own"
        cp "$work/own" "$work/expected"
        { sed -n "s/^\*$verb\*//p" "$man" | options; echo none; } >"$work/got"
        same "$verb: manual page's synopsis has its options"

        { awk -v verb="$verb" '$0 ~ "^\\*" verb "\\*" { on = 1; next } /^\*/ || /^#/ { on = 0 } on' "$man" |
                grep -P '^\t\*--' | options; echo none; } >"$work/got"
        cp "$work/own" "$work/expected"
        same "$verb: manual page explains its options"

        { sed -n "s/.*\[$verb\]='\(.*\)'/\1/p" "$bash" | options; echo none; } >"$work/got"
        cp "$work/own" "$work/expected"
        same "$verb: bash completion has its options"

        { sed -n "/^ *$verb)\$/,/;;/p" "$zsh" | options; echo none; } >"$work/got"
        cp "$work/own" "$work/expected"
        same "$verb: zsh completion has its options"

        # Each is known to getopt_long(), whether it takes a value or not.
        r=0
        for option in $common $(grep -v none "$work/own" || true); do
                "$ctl" "$verb" "$option" --help >/dev/null 2>"$work/err" || true
                ! grep -q 'is no option' "$work/err" || { echo "$option" >>"$work/why"; r=1; }
        done
        result $r "$verb: takes the options of its help"
done

# bash asks which of the words before take a value of their own; it must know all that do.
awk '/required_argument/ { gsub(/[",]/, ""); for (i = 1; i < NF; i++) if ($i == "{") print "--" $(i + 1) }' \
        "$top_srcdir"/client/ctl/*.[ch] >"$work/expected"
sed -n 's/^ *\(--address|.*\))$/\1/p' "$bash" | tr '|' '\n' >"$work/got"
same "bash completion knows which options take a value"

exits 0 "--version" "$ctl" --version
exits 0 "--version at a verb" "$ctl" list --version
exits 0 "-h" "$ctl" -h
exits 0 "-h at a verb, after its arguments" "$ctl" alloc vm-1 -h
exits 0 "options before the verb" "$ctl" --json=short --no-pager --no-legend list --help
r=0
"$ctl" alloc --help >"$work/expected"
"$ctl" help alloc >"$work/got" || r=1
result $r "help VERB: done"
same "help VERB: as VERB --help"
"$ctl" exit --help >"$work/help"
r=0
awk '!/./ && was { exit 1 } { was = !/./ }' was=1 "$work/help" || r=1
result $r "no two empty lines in a help without notes"
exits 2 "help for an unknown verb" "$ctl" help frobnicate
exits 2 "an unknown verb" "$ctl" frobnicate
exits 2 "an unknown option" "$ctl" --frobnicate
exits 2 "an unknown option of a verb" "$ctl" list --frobnicate
exits 2 "another verb's option" "$ctl" list --count=3
exits 2 "an option without its value" "$ctl" alloc vm-1 --count
exits 2 "--json=yaml" "$ctl" --json=yaml list

# says NAME WORDS ARGUMENT...: the usage is wrong, and the message is this one
says() {
        name=$1
        words=$2
        shift 2
        "$ctl" "$@" >/dev/null 2>"$work/err" || true
        r=0
        [ "$(cat "$work/err")" = "pasidctl: $words" ] || r=1
        cat "$work/err" >"$work/why"
        result $r "$name"
}
says "a mistyped verb" '"aloc" is no verb; did you mean "alloc"?' aloc
says "a verb cut short" '"mon" is no verb; did you mean "monitor"?' mon
says "a verb that two could be" '"de" is no verb; pasidctl --help lists them.' de
says "a verb like none" '"frobnicate" is no verb; pasidctl --help lists them.' frobnicate
says "a mistyped option" '"--jsn" is no option; did you mean "--json"?' list --jsn=short
says "a mistyped option of a verb" '"--cuont" is no option; did you mean "--count"?' alloc vm-1 --cuont 3
says "an option like none" '"--frobnicate" is no option; pasidctl list --help has them.' list --frobnicate
says "an option like none, before the verb" '"--frobnicate" is no option; pasidctl --help has them.' --frobnicate
says "a short option" '"-x" is no option; pasidctl list --help has them.' list -x
says "an option that two could be" '"--no" can be more than one option; write more of it.' list --no
says "an option that lacks its value" '"--count" takes a value.' alloc vm-1 --count
says "an option that takes no value" '"--attach" takes no value.' alloc vm-1 --attach=yes
says "an argument too few" 'free takes NAME|UID:NAME PASID|FIRST-LAST...; pasidctl free --help has an example.' free vm-1
says "an argument too many" 'consumers takes no arguments; what is "vm-1"?' consumers vm-1
says "no process" '"x" is no process id.' init a --hold=pid=x
for hold in boot persistent pid= unit=; do
        if grep -q -e "$hold" "$man" && grep -q -e "$hold" "$bash" && grep -q -e "$hold" "$zsh" && "$ctl" init --help | grep -q -e "$hold"; then
                result 0 "hold $hold is told of everywhere"
        else
                result 1 "hold $hold is told of everywhere"
        fi
done
exits 2 "init without a name" "$ctl" init
exits 2 "init of two names" "$ctl" init a b
exits 2 "init of another user's" "$ctl" init 7:a
exits 2 "init --hold=connection" "$ctl" init a --hold=connection
exits 2 "init --hold=forever" "$ctl" init a --hold=forever
exits 2 "init --hold=pid=x" "$ctl" init a --hold=pid=x
exits 2 "init --hold=pid=0" "$ctl" init a --hold=pid=0
exits 2 "init --hold=unit=" "$ctl" init a --hold=unit=
exits 2 "init --mode=x" "$ctl" init a --mode=x
exits 2 "init --min=-1" "$ctl" init a --min=-1
exits 2 "alloc without a name" "$ctl" alloc
exits 2 "alloc --count=0" "$ctl" alloc a --count=0
exits 2 "alloc --count=1048576" "$ctl" alloc a --count=1048576
exits 2 "alloc --count=two" "$ctl" alloc a --count=two
exits 2 "alloc --private=@" "$ctl" alloc a --private=@
exits 1 "alloc --private of no file" "$ctl" alloc a --private=@/nonexistent/file
exits 1 "alloc --private of too large a file" "$ctl" alloc a --private=@/dev/zero
exits 2 "free without numbers" "$ctl" free a
exits 2 "free of no number" "$ctl" free a x
exits 2 "free of a range backwards" "$ctl" free a 9-8
exits 2 "free of too many" "$ctl" free a 0-4294967295
# The command's own exit statuses begin at 0: pasidctl's are apart.
exits 125 "run without a command" "$ctl" run
exits 125 "run without a command after --" "$ctl" run --
exits 125 "run --count=two" "$ctl" run --count=two true
exits 125 "run --count=1048576" "$ctl" run --count=1048576 true
exits 125 "run --mode=x" "$ctl" run --mode=x true
exits 125 "run --frobnicate" "$ctl" run --frobnicate true
exits 125 "run --attach in advisory mode" "$ctl" run --attach true
exits 125 "run --open in mediated mode" "$ctl" run --mode=mediated --open 0000:01:00.0 true
exits 125 "run --name of another user's" "$ctl" run --name 7:a true
exits 125 "run --private of no file" "$ctl" run --private=@/nonexistent/file true
exits 125 "run without a daemon" "$ctl" run true
exits 125 "run of a command without a daemon" "$ctl" run -- --help
exits 0 "run --help" "$ctl" run --count 2 --help
says_run() { # NAME SENTENCE ARGUMENT...
        name=$1
        sentence=$2
        shift 2
        r=0
        "$ctl" run "$@" >"$work/out" 2>"$work/why" || true
        [ "$(cat "$work/why")" = "pasidctl: $sentence" ] || r=1
        result $r "$name"
}
only='%{pasid} and %{consumer} do, with --open %{device} and %{iommufd} do, and %%{ is a plain %{.'
says_run "an unknown word in braces" "\"%{pasids}\" stands for nothing here; $only" -- echo '%{pasids}'
says_run "a device in braces, and none is opened" "\"%{device}\" stands for nothing here; $only" -- echo 'fd=%{device}'
says_run "another device in braces" "\"%{device:0000:02:00.0}\" stands for nothing here; $only" \
        --open 0000:01:00.0 -- echo '%{device}%{device:0000:02:00.0}'
says_run "a PASID in braces, and none is wanted" "\"%{pasid}\" stands for nothing here; $only" --count=0 -- echo '%{pasid}'
says_run "a brace without an end" '"%{pasid" has a %{ without its }; write %%{ for one that means nothing.' -- echo '%{pasid'
for verb in attach detach; do
        exits 2 "$verb without numbers" "$ctl" $verb a
        exits 2 "$verb of no number" "$ctl" $verb a x
        exits 2 "$verb of nobody's" "$ctl" $verb "" 17
done
exits 2 "transfer to nobody" "$ctl" transfer a
exits 2 "transfer to a name" "$ctl" transfer a root
exits 2 "transfer to no uid" "$ctl" transfer a 4294967295
says "transfer to a name is explained" '"root" is no uid; a user is named by number, and none withdraws the offer.' transfer a root
exits 2 "accept of nothing" "$ctl" accept
says "accept without an owner" '"vm-1" names no offer; UID:NAME is the consumer as its owner has it.' accept vm-1
exits 2 "check of something" "$ctl" check a
exits 2 "find without a number" "$ctl" find
exits 2 "find of no number" "$ctl" find vm-1
exits 2 "find --history of one consumer" "$ctl" find 4 vm-1 --history
exits 2 "metrics of something" "$ctl" metrics a
exits 2 "metrics in no format" "$ctl" metrics --format=xml
exits 2 "list of two" "$ctl" list a b
exits 2 "list --state=x" "$ctl" list --state=x
exits 2 "consumers of something" "$ctl" consumers a
exits 2 "an empty name" "$ctl" exit ""
exits 2 "an impossible uid" "$ctl" exit 4294967295:a
exits 2 "no verb after --" "$ctl" -- --help
exits 1 "no daemon" "$ctl" status
exits 1 "a name that looks like an option" "$ctl" exit -- --help
exits 2 "a malformed address" "$ctl" --address= status
exits 2 "an unknown verb with control characters" "$ctl" "$(printf 'a\nb\033[31m')"
# The message has been read above: it must not carry them to the terminal.
r=0
grep -q "$(printf '\033')" "$work/err" && r=1
result $r "messages are escaped"

got=0
"$ctl" >"$work/out" 2>"$work/err" || got=$?
r=0
[ "$got" -eq 2 ] && [ ! -s "$work/out" ] && grep -q '^Usage: ' "$work/err" || r=1
result $r "no verb: usage on stderr"

exits 1 "help that cannot be written" sh -c 'exec "$0" --help >/dev/full' "$ctl"
exits 1 "help to a closed stdout" sh -c 'exec "$0" --help >&-' "$ctl"

# bash takes it, and completes from it.
words_for() { # LINE
        bash -c '
                source "$1"
                COMP_LINE=$2 COMP_POINT=${#2} COMP_WORDS=() COMP_CWORD=0
                compopt() { :; }
                _pasidctl
                printf "%s\n" "${COMPREPLY[@]}"
        ' bash "$bash" "$1" 2>&1 | tr '\n' ' '
}
completes() { # LINE EXPECTED
        got=$(words_for "$1")
        r=0
        [ "$got" = "$2" ] || r=1
        echo "got '$got'" >"$work/why"
        result $r "bash completes '$1'"
}
if command -v bash >/dev/null; then
        PATH=$top_builddir:$PATH
        completes 'pasidctl con' 'consumers '
        completes 'pasidctl --json short mon' 'monitor '
        completes 'pasidctl list --json=s' 'short '
        completes 'pasidctl list --state c' 'cooling '
        completes 'pasidctl init x --ho' '--hold= '
        completes 'pasidctl init x --hold=unit=a' ' '
        completes 'pasidctl list --hold' ' '
        completes 'pasidctl init x --hold=' 'boot persistent pid= unit= '
        completes 'pasidctl init x --mode=m' 'mediated '
        completes 'pasidctl alloc x --at' '--attach '
        completes 'pasidctl ch' 'check '
        completes 'pasidctl --address=bus' 'bus: '
        completes 'pasidctl run --op' '--open= '
        completes 'pasidctl run --name x pasidctl-no-such' ' '
        completes 'pasidctl run --count 2 -- complet' 'complete '
        completes 'pasidctl run mapfil' 'mapfile '
        completes 'pasidctl run -- cat --add' ' '
        completes 'pasidctl --json=short --no-leg' '--no-legend '
fi
if command -v zsh >/dev/null; then
        r=0
        zsh -n "$zsh" >"$work/why" 2>&1 || r=1
        result $r "zsh parses its completion"
fi

tap_done
