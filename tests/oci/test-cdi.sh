#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# pasidctl cdi: what it writes, word for word and by the rules of CDI, which are
# first tried on specifications that break them; and how it writes it.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
# shellcheck source=tests/oci/kit.sh
. "$top_srcdir/tests/oci/kit.sh"

file=pasidd.org-pasid.json
# What is installed here, if anything is, is not what is tested.
hook=$(realpath "$hook")
cdi() { "$ctl" cdi --hook="$hook" "$@"; }

cleanup() {
        [ -z "$daemon" ] || kill "$daemon" 2>/dev/null || true
        wait 2>/dev/null || true
        rm -rf "$work"
}
trap cleanup EXIT

# NAME STATUS WORDS COMMAND...: fails with one line
fails() {
        fails_name=$1 fails_status=$2 fails_words=$3
        shift 3
        got=0
        "$@" >"$work/out" 2>"$work/err" || got=$?
        tap_equal "$fails_name" "$fails_status 1 1 0" \
                "$got $(wc -l <"$work/err") $(grep -c "^pasidctl: .*$fails_words" "$work/err") $(wc -c <"$work/out")"
}

valid() { python3 "$top_srcdir/tests/oci/check-cdi.py" 2>&1; }

make_world
start_daemon
mkdir "$work/cdi"
umask 077
tap_equal "it says nothing" "" "$(cdi --output="$work/cdi" 2>&1)"
umask 022
tap_equal "there is one file, for all to read" "$file 644" "$(cd "$work/cdi" && find . -type f -printf '%f %m\n')"
tap_equal "the file" '{
  "cdiVersion": "0.5.0",
  "kind": "pasidd.org/pasid",
  "containerEdits": {
    "hooks": [
      {
        "hookName": "poststop",
        "path": "LIBEXEC/pasid-oci-hook",
        "args": [
          "pasid-oci-hook",
          "poststop"
        ]
      }
    ]
  },
  "devices": [
    {
      "name": "0000:01:00.0",
      "containerEdits": {
        "hooks": [
          {
            "hookName": "createRuntime",
            "path": "LIBEXEC/pasid-oci-hook",
            "args": [
              "pasid-oci-hook",
              "--device=0000:01:00.0",
              "createRuntime"
            ]
          }
        ]
      }
    },
    {
      "name": "0000:02:00.0",
      "containerEdits": {
        "hooks": [
          {
            "hookName": "createRuntime",
            "path": "LIBEXEC/pasid-oci-hook",
            "args": [
              "pasid-oci-hook",
              "--device=0000:02:00.0",
              "createRuntime"
            ]
          }
        ]
      }
    }
  ]
}' "$(sed 's|"/.*/pasid-oci-hook"|"LIBEXEC/pasid-oci-hook"|' "$work/cdi/$file" | sed -E 's/":([^ ])/": \1/; s/\[ *$/[/')"

cdi --output=- >"$work/stdout"
for version in 0.5.0 0.6.0 0.7.0 0.8.0 1.0.0 1.1.0; do
        cdi --cdi-version=$version --output=- >"$work/versioned"
        tap_equal "of version $version it is the same" "$(sed "s/\"0.5.0\"/\"$version\"/" "$work/stdout")" "$(cat "$work/versioned")"
        ! command -v python3 >/dev/null || tap_none "and keeps the rules" "$(valid <"$work/versioned")"
done
for version in 0.4.0 1.2.0 1.1 ''; do
        fails "version \"$version\"" 2 "--cdi-version takes 0.5.0, .* or 1.1.0, not \"$version\"" cdi --cdi-version=$version --output=-
done
tap_equal "standard output gets the same" "" "$(diff "$work/cdi/$file" "$work/stdout")"
tap_equal "--json=short is one line" 1 "$(cdi --output=- --json=short | wc -l)"
tap_equal "an address that is given is written, too" 3 \
        "$(cdi --address="$PASIDD_ADDRESS" --output=- --json=short | grep -o "\"--address=$PASIDD_ADDRESS\"" | wc -l)"
printf 'old' >"$work/cdi/$file"
ln "$work/cdi/$file" "$work/old"
cdi --output="$work/cdi"
tap_equal "an old file is replaced, not written over" old "$(cat "$work/old")"
rm "$work/cdi/$file"
echo precious >"$work/precious"
ln -s "$work/precious" "$work/cdi/$file"
cdi --output="$work/cdi"
tap_equal "a link is replaced, not followed" "precious 644" "$(cat "$work/precious") $(stat -c %a "$work/cdi/$file")"

fails "no directory" 1 "Directory $work/none cannot be opened: No such file" cdi --output="$work/none"
fails "a file for one" 1 "Directory $work/stdout cannot be opened: Not a directory" cdi --output="$work/stdout"
fails "no value" 2 "takes a directory" cdi --output=
fails "an argument" 2 "no arguments; what is \"x\"" cdi x
# shellcheck disable=SC2016
fails "a full disk" 1 "cannot be written: No space" sh -c '"$0" cdi --hook="$1" --output=- >/dev/full' "$ctl" "$hook"
rm "$work/cdi/$file"
mkdir "$work/cdi/$file"
fails "a directory in its place" 1 "$file cannot be written: Is a directory" cdi --output="$work/cdi"
tap_equal "leaves nothing" "$file" "$(ls -A "$work/cdi")"
rmdir "$work/cdi/$file"

as_nobody() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
if [ "$(id -u)" -ne 0 ]; then
        tap_skip "a directory that may not be written" "not root"
elif ! as_nobody test -x "$ctl" -a -x "$hook" 2>/dev/null; then
        tap_skip "a directory that may not be written" "only root can read this tree, or there is no setpriv"
else
        chmod 666 "$work/pasidd.sock"
        fails "a directory that may not be written" 1 \
                "$work/cdi/$file cannot be written: Permission denied; root may, or --output= names" \
                as_nobody "$ctl" cdi --hook="$hook" --output="$work/cdi"
        chmod 700 "$work/cdi"
        fails "nor read" 1 "Directory $work/cdi cannot be opened: Permission denied; root may, or --output= names" \
                as_nobody "$ctl" cdi --hook="$hook" --output="$work/cdi"
        chmod 755 "$work/cdi"
        tap_equal "nothing is there" "" "$(ls -A "$work/cdi")"
        mkdir -m 777 "$work/own"
        tap_equal "one of his own may" "" "$(as_nobody "$ctl" cdi --hook="$hook" --output="$work/own" 2>&1)"
        tap_equal "the file is there" $file "$(ls -A "$work/own")"
fi

# --- without the hook ---

remedy="install the package pasidd-oci, or name the hook by --hook="
fails "no hook" 1 "There is no hook for container runtimes at $work/none: No such file or directory; $remedy" \
        "$ctl" cdi --hook="$work/none" --output="$work/cdi"
fails "a file that is none" 1 "$work/precious cannot be executed, so that it is no hook .*; $remedy" \
        "$ctl" cdi --hook="$work/precious" --output="$work/cdi"
fails "a directory" 1 "$work/cdi cannot be executed.*; $remedy" "$ctl" cdi --hook="$work/cdi" --output="$work/cdi"
fails "to standard output, too" 1 "There is no hook .*; $remedy" "$ctl" cdi --hook="$work/none" --output=-
fails "a path that depends on where one is" 2 "--hook takes an absolute path, not \"pasid-oci-hook\"" \
        "$ctl" cdi --hook=pasid-oci-hook
tap_equal "writes nothing" "" "$(ls -A "$work/cdi")"
# Whether it is there or not.
tap_equal "without --hook it is the one that is installed" 1 \
        "$("$ctl" cdi --output=- 2>&1 | grep -c -m 1 '\(runtimes at \|"path": *"\)/.*/pasid-oci-hook')"

# --- the rules ---

# NAME PROGRAM: what the rules say of the file after that change
breaks() {
        broken=$(python3 -c "import json, sys
s = json.load(sys.stdin)
d = s['devices'][0]
h = d['containerEdits']['hooks'][0]
$2
json.dump(s, sys.stdout)" <"$work/stdout" | valid | head -n 1)
        tap_equal "found: $1" yes "$([ -n "$broken" ] && echo yes)"
}

if command -v python3 >/dev/null; then
        breaks "no version" "del s['cdiVersion']"
        breaks "a version that there is not" "s['cdiVersion'] = '0.9.0'"
        breaks "a version that has no names that begin with a digit" "s['cdiVersion'] = '0.4.0'"
        breaks "a kind without a class" "s['kind'] = 'pasidd.org'"
        breaks "a vendor that is no domain" "s['kind'] = 'pasidd_org/pasid'"
        breaks "an unknown member" "s['hooks'] = []"
        breaks "no device" "s['devices'] = []"
        breaks "a device twice" "s['devices'].append(d)"
        breaks "a device's name" "d['name'] = 'a b'"
        breaks "no edits" "del d['containerEdits']"
        breaks "a hook's path" "h['path'] = 'pasid-oci-hook'"
        breaks "a hook's occasion" "h['hookName'] = 'create'"
        breaks "arguments that are no strings" "h['args'] = [1]"
        breaks "a timeout of 0" "h['timeout'] = 0"
        tap_none "what pasidctl writes keeps the rules" "$(valid <"$work/stdout")"
        tap_none "in one line, too" "$(cdi --output=- --json=short | valid)"
else
        tap_skip "what pasidctl writes keeps the rules" "no python3"
fi

# Moved there, as the daemon looks when that happens.
printf '0000:03:00.0 3 idxd\n' >"$work/fake/new"
mv "$work/fake/new" "$work/fake/devices"
none_usable() { ! "$ctl" devices --no-legend --json=short | grep -q '"usable":true'; }
await none_usable
fails "no device that can" 1 "No device can use PASIDs here" cdi --output="$work/cdi"
tap_equal "writes nothing" "" "$(ls -A "$work/cdi")"
stop_daemon TERM
fails "no pasidd" 1 "There is no pasidd at" cdi --output="$work/cdi"
tap_done
