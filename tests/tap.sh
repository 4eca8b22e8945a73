# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# TAP output for tests written in shell: read by `. "$top_srcdir/tests/tap.sh"`,
# ended by tap_done.

tap_count=0
tap_failed=0

# COMMAND...: until it is true, for 20 s at most; for what nobody tells of
await() {
        tries=0
        until "$@"; do
                tries=$((tries + 1))
                [ $tries -lt 1000 ] || return 1
                sleep 0.02
        done
}

# result "ok"|"not ok" NAME
tap_result() {
        tap_count=$((tap_count + 1))
        echo "$1 $tap_count - $2"
}

tap_ok() {
        tap_result ok "$1"
}

# NAME TEXT: the text says what is wrong
tap_not_ok() {
        tap_failed=$((tap_failed + 1))
        tap_result "not ok" "$1"
        printf '%s\n' "$2" | sed 's/^/# /'
}

# NAME TEXT: fine if there is no text
tap_none() {
        if [ -z "$2" ]; then
                tap_ok "$1"
        else
                tap_not_ok "$1" "$2"
        fi
}

# NAME WANTED GOT
tap_equal() {
        if [ "$2" = "$3" ]; then
                tap_ok "$1"
        else
                tap_not_ok "$1" "$(printf 'wanted:\n%s\ngot:\n%s' "$2" "$3")"
        fi
}

# NAME WHY
tap_skip() {
        tap_result ok "$1 # SKIP $2"
}

tap_done() {
        echo "1..$tap_count"
        [ "$tap_failed" -eq 0 ]
        exit
}
