#!/bin/sh
# SPDX-License-Identifier: 0BSD
# PASIDs in shell, with nothing but busctl and the system bus:
#
#   take-numbers.sh COUNT [DEVICE]...
#
# takes COUNT numbers, prints them with what pasidd knows of each, waits until
# its standard input ends, and gives them back.
set -eu

# PATH INTERFACE METHOD [SIGNATURE ARGUMENT...]: prints the answer as busctl does, its type first
pasidd() {
        pasidd_path=$1
        shift
        busctl --system call org.pasidd1 "$pasidd_path" "$@"
}

[ $# -ge 1 ] || {
        sed -n 's/^#   //p' "$0" >&2
        exit 2
}
count=$1
shift

# Each busctl is a connection of its own, which could hold nothing: this shell does, and if it dies the numbers go back.
# Options are "KEY TYPE VALUE" each; an array has its length before it.
consumer=$(pasidd /org/pasidd1 org.pasidd1.Manager Init 'sa{sv}' "shell-example" 3 \
        hold s process pid u $$ devices as $# "$@")
consumer=${consumer#o \"}
consumer=${consumer%\"}

# 0 0: from the whole range; 2 104 105: two bytes of private data; 0: no options. Answers "au COUNT NUMBER..."
numbers=$(pasidd "$consumer" org.pasidd1.Consumer AllocMany 'uuuaya{sv}' "$count" 0 0 2 104 105 0)
numbers=${numbers#au * }
for number in $numbers; do
        echo "$number $(pasidd "$consumer" org.pasidd1.Consumer Find u "$number")"
done

# A number can go back by itself; what is left goes with the consumer.
pasidd "$consumer" org.pasidd1.Consumer Free u "${numbers%% *}"
cat >/dev/null
pasidd "$consumer" org.pasidd1.Consumer Exit
