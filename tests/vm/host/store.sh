# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What takes long to make (kernel, QEMU, the guest's system) is kept outside the
# tree, for all clones of a user, in a directory named after what it is made
# from. Read by tests/vm/run.

# FILE-OR-WORD...: prints a short hash of what the files say and of the words
hash_of() {
        local item

        for item; do
                if [[ -f $item ]]; then
                        sha256sum <"$item"
                else
                        printf '%s\n' "$item"
                fi
        done | sha256sum | cut -c 1-16
}

# NAME KEY COMMAND...: prints the directory of that thing; if it isn't there, COMMAND DIRECTORY makes it
stored() {
        local name=$1 key=$2 dir begin=$SECONDS

        shift 2
        dir=$store/$name-$key
        (
                local status

                flock 9
                [[ ! -e $dir ]] || exit 0
                rm -rf "$store/$name"-*.new
                mkdir -p "$dir.new"
                say "$name: being made, see $store/$name.log" >&2
                # Not in a condition: set -e would be off inside.
                set +e
                (
                        set -e
                        "$@" "$dir.new"
                ) </dev/null >"$store/$name.log" 2>&1 9>&-
                status=$?
                set -e
                if [[ $status -ne 0 ]]; then
                        grep -nE '(error|Error|lost):|\*\*\* |^E: ' "$store/$name.log" | head -n 20 >&2 || true
                        tail -n 20 "$store/$name.log" >&2
                        rm -rf "$dir.new"
                        die "$name could not be made; all that was said is in $store/$name.log"
                fi
                mv "$dir.new" "$dir"
                say "$name: made in $((SECONDS - begin)) s" >&2
        ) 9>"$store/$name.lock"
        touch "$dir"
        # Another clone may use another one; a fortnight later nobody does.
        find "$store" -maxdepth 1 -type d -name "$name-????????????????" ! -path "$dir" -mtime +14 -exec rm -rf {} +
        printf '%s\n' "$dir"
}
