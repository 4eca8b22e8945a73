# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# From what the guest prints to results: a log and an automake .trs file per
# test, by automake's own TAP driver. Read by tests/vm/run, which has set $logs.

# NAME STATUS: what the guest printed for that test is in $logs/NAME.tap
record_result() {
        local name=$1 status=$2

        # shellcheck disable=SC2016
        # The driver runs a command; that the command is over already makes no difference to it.
        "$top/build-aux/tap-driver.sh" --test-name "$name" --log-file "$logs/$name.log" --trs-file "$logs/$name.trs" \
                --comments no -- sh -c 'cat "$1"; exit "$2"' sh "$logs/$name.tap" "$status" >"$work/cases" || true
        grep -E '^(FAIL|ERROR|XPASS)' "$work/cases" || true
        rm -f "$logs/$name.tap"
}

# MACHINE TEST...: reads the guest's console from stdin, shows it, and records each test. Counts what came to an end in $ended.
read_console() {
        local machine=$1 line word name status current='' begin=$SECONDS begin_test
        local -A seen=()

        shift
        while IFS= read -r line || [[ -n $line ]]; do
                line=${line%$'\r'}
                case $line in
                '@@ begin '*)
                        current=$machine-${line#@@ begin }
                        : >"$logs/$current.tap"
                        say "=== $current"
                        begin_test=$SECONDS
                        ;;
                '@@ end '*)
                        read -r _ _ name status <<<"$line"
                        record_result "$machine-$name" "$status"
                        say "=== $machine-$name: $((SECONDS - begin_test)) s"
                        seen[$name]=1
                        current=
                        ;;
                '@@ '*)
                        ;;
                *)
                        say "$line"
                        [[ -z $current ]] || say "$line" >>"$logs/$current.tap"
                        ;;
                esac
        done
        for word; do
                [[ -z ${seen[$word]-} ]] || continue
                say "Bail out! the machine went before the test was over; its kernel's last words are in $logs/$machine.kernel" >>"$logs/$machine-$word.tap"
                say "=== $machine-$word did not come to its end"
                record_result "$machine-$word" 1
        done
        say "=== machine \"$machine\": $((SECONDS - begin)) s"
}
