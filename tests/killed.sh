# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# A program that is killed at each of its system calls in turn, from the one
# that connects it to pasidd on. Read after tap.sh; uses $work.

# A leak checker traces, too, and there can be but one that does.
under_strace() { ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0" strace "$@"; }

can_kill_at_calls() { under_strace -o /dev/null true 2>/dev/null; }

# INPUT COMMAND...: runs it to its end, and sets $first_call and $last_call, numbers among all of its calls
count_calls() {
        count_input=$1
        shift
        under_strace -o "$work/calls" "$@" <"$count_input" >/dev/null 2>&1 || true
        first_call=$(grep -n '^connect(' "$work/calls" | head -n 1 | cut -d: -f1)
        last_call=$(grep -c '(' "$work/calls")
        [ -n "$first_call" ] || tap_not_ok "it connects to pasidd" "$(tail -n 20 "$work/calls")"
}

# while killed_next: kill_at_call once, and killed_wrong if all is not well after it; killed_end NAME is the result.
# CALL_STEP=N in the environment: each Nth call.
killed_begin() {
        call=$((first_call - ${CALL_STEP:-1})) n_calls=0 n_killed=0 wrong_after=
}
killed_next() {
        call=$((call + ${CALL_STEP:-1})) n_calls=$((n_calls + 1))
        [ "$call" -le "$last_call" ]
}
killed_wrong() { wrong_after="$wrong_after $(sed -n "${call}p" "$work/calls")"; }
killed_end() {
        # Not at all of them: whether it has to wait for a reply, say, is chance.
        if [ -z "$wrong_after" ] && [ $((n_killed * 4)) -ge $(((n_calls - 1) * 3)) ]; then
                tap_ok "$1"
        else
                tap_not_ok "$1" "killed $n_killed of $((n_calls - 1)) times; wrong after:$wrong_after"
        fi
}

# INPUT COMMAND...: killed instead of that call, unless it comes to its end without it
kill_at_call() {
        kill_input=$1 kill_status=0
        # strace counts the calls of each name
        kill_name=$(sed -n "$call{s/(.*//p;q}" "$work/calls")
        kill_nth=$(head -n "$call" "$work/calls" | grep -c "^$kill_name(")
        shift
        # In a shell of its own, which has nothing to say about the death of a job.
        (under_strace -qq -o /dev/null -e inject="$kill_name:signal=KILL:when=$kill_nth" "$@" <"$kill_input" >/dev/null 2>&1) \
                2>/dev/null || kill_status=$?
        [ $kill_status -ne 137 ] || n_killed=$((n_killed + 1))
}
