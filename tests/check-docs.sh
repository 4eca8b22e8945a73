#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# What stands twice says the same: interface XML, bus policy, manual pages,
# table of errors, settings and options. Each comparison is first tried on a
# copy with a planted difference.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
: "${top_builddir:=.}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"
export LC_ALL=C

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
xml=$top_srcdir/dbus/org.pasidd1.xml
policy=$top_srcdir/dbus/org.pasidd1.conf
page5=$top_srcdir/man/org.pasidd1.5.scd

# --- lists, one thing a line ---

# XML: "interface Member(in) -> (out)", "interface Property type[, constant|, unsignalled]"
xml_members() {
        awk '
        function attribute(name,    s) {
                s = $0
                if (!sub(".* " name "=\"", "", s)) return ""
                sub(/".*/, "", s)
                return s
        }
        function finish() {
                print iface, member "(" args["in"] ")" (args["out"] != "" ? " -> (" args["out"] ")" : "")
        }
        /<interface / { iface = attribute("name") }
        /<method |<signal / {
                member = attribute("name")
                args["in"] = args["out"] = ""
                if (/\/>/) finish()
        }
        /<arg / {
                d = attribute("direction")
                if (d == "") d = "in"
                args[d] = args[d] (args[d] != "" ? ", " : "") attribute("type") " " attribute("name")
        }
        /<\/method>|<\/signal>/ { finish() }
        /<property / {
                property = iface " " attribute("name") " " attribute("type")
                if (/\/>/) print property
        }
        /EmitsChangedSignal" value="const"/ { property = property ", constant" }
        /EmitsChangedSignal" value="false"/ { property = property ", unsignalled" }
        /<\/property>/ { print property }
        ' "$1"
}

# PAGE: the same from the manual page
page_members() {
        awk '
        /^# / { iface = ($2 ~ /^org\.pasidd1\./) ? $2 : "" }
        # _ is an accent, \_ a letter
        iface != "" && /^\*[A-Z]/ { gsub(/\\_/, "\001"); gsub(/[*_]/, ""); gsub(/\001/, "_"); print iface, $0 }
        ' "$1"
}

# XML: "interface Method" of each method
xml_methods() {
        awk -F'"' '/<interface /{ iface = $2 } /<method /{ print iface, $2 }' "$1" | sort
}

# POLICY: the same of what everybody may call
policy_methods() {
        sed -n 's/.*allow send_destination="org.pasidd1" send_interface="\(org.pasidd1[^"]*\)" send_member="\([^"]*\)".*/\1 \2/p' \
                "$1" | sort
}

# XML: members and arguments that no comment explains
xml_undocumented() {
        awk '
        /<!--/ { comment = ""; in_comment = 1 }
        in_comment { comment = comment "\n" $0 }
        /-->/ { in_comment = 0; next }
        in_comment { next }
        /<(method|signal|property) / {
                split($0, part, "\"")
                member = part[2]
                if (comment !~ "(<!--|\n)[ \t]*" member ": ") print member ": no comment"
                doc = comment
                comment = ""
        }
        /<arg / {
                split($0, part, "\"")
                if (doc !~ "@" part[2] ":") print member ": argument " part[2]
        }
        ' "$1"
}

# HEADER: "Name ERRNO" of the table of errors
header_errors() {
        sed -n -e 's/.*X(PASIDD_ERROR_PREFIX "\([A-Za-z]*\)", \([A-Z]*\),.*/\1 \2/p' \
                -e 's/.*X("org\.freedesktop\.DBus\.Error\.\([A-Za-z]*\)", \([A-Z]*\),.*/\1 \2/p' "$1" | sort
}

# PAGE: the same from its tables
page_errors() {
        awk '
        /^# / { in_errors = ($2 == "ERRORS") }
        in_errors && /^[]|]\[ \*/ { name = $2; gsub(/\*/, "", name); getline; print name, $2 }
        ' "$1" | sort
}

# ERRORS XML: names of the table that the XML does not speak of
errors_not_in_xml() {
        while read -r name _; do
                grep -q "[^A-Za-z]${name}[^A-Za-z]" "$2" || echo "$name"
        done <"$1"
}

# settings.c: "Section Key"
settings_keys() {
        sed -n 's/^ *{ "\([A-Z][A-Za-z]*\)", "\([A-Z][A-Za-z]*\)", VALUE_.*/\1 \2/p' "$1" | sort
}

# pasidd.conf.5.scd: "Section Key default"; the headings name the sections as they are typed
page_keys() {
        awk '
        /^# / { section = ($2 == "SECTION") ? substr($3, 2, length($3) - 2) : "" }
        section != "" && /^\*[A-Z][A-Za-z]*=\*$/ { key = $0; gsub(/[*=]/, "", key) }
        section != "" && /Default: _/ { value = $0; sub(/.*Default: _/, "", value); sub(/_.*/, "", value); print section, key, value }
        ' "$1" | sort
}

# pasidd.conf: the same
example_keys() {
        awk -F= '
        /^\[/ { section = substr($0, 2, length($0) - 2) }
        /^#[A-Z][A-Za-z]*=/ { print section, substr($1, 2), $2 }
        ' "$1" | sort
}

help_options() {
        grep -o -e '--[a-z][a-z-]*' | sort -u
}

# PAGE: options that it explains, or shows in its synopsis
page_options() {
        grep -o -e '--[a-z][a-z-]*' "$1" | sort -u
}

# --- comparisons ---

# NAME WANTED GOT: both are files
same() {
        tap_none "$1" "$(diff "$2" "$3" | grep '^[<>]' || true)"
}

# NAME WANTED GOT: each file of a comparison that must fail
differ() {
        if cmp -s "$2" "$3"; then
                tap_not_ok "$1" "no difference seen"
        else
                tap_ok "$1"
        fi
}

# LIST FUNCTION FILE [SED]: what the function makes of the file, into scratch/LIST
list() {
        sed -e "${4:-}" "$3" >"$scratch/input"
        "$2" "$scratch/input" >"$scratch/$1"
        [ -s "$scratch/$1" ] || tap_not_ok "$1: something was found" "nothing in $3"
}

list xml xml_members "$xml"
list page page_members "$page5"
list planted page_members "$page5" '/^\*FreeToken\*/d'
differ "a member missing in org.pasidd1(5) is found" "$scratch/xml" "$scratch/planted"
list planted page_members "$page5" 's/^\(\*Find\*(\)u/\1t/'
differ "a wrong type in org.pasidd1(5) is found" "$scratch/xml" "$scratch/planted"
same "org.pasidd1(5) has the members of the XML" "$scratch/xml" "$scratch/page"

list methods xml_methods "$xml"
list policy policy_methods "$policy"
list planted policy_methods "$policy" '/send_member="Exit"/d'
differ "a method missing in the bus policy is found" "$scratch/methods" "$scratch/planted"
same "the bus policy allows the methods of the XML" "$scratch/methods" "$scratch/policy"

sed '/@token:/d' "$xml" >"$scratch/input"
tap_equal "an argument without a comment is found" "FreeToken: argument token" "$(xml_undocumented "$scratch/input")"
tap_none "each member and argument of the XML is explained" "$(xml_undocumented "$xml")"
if command -v xmllint >/dev/null; then
        tap_none "XML files are well formed" \
                "$(xmllint --noout --nonet "$xml" "$policy" "$top_srcdir/systemd/org.pasidd1.policy" 2>&1)"
else
        tap_skip "XML files are well formed" "no xmllint"
fi

list errors header_errors "$top_srcdir/include/internal/errors.h"
list page page_errors "$page5"
list planted page_errors "$page5" 's/ENOLINK/ENOENT/'
differ "a wrong errno in org.pasidd1(5) is found" "$scratch/errors" "$scratch/planted"
same "org.pasidd1(5) has the errors of errors.h" "$scratch/errors" "$scratch/page"
sed 's/CoolingDown/Cooling/g' "$xml" >"$scratch/input"
tap_equal "an error missing in the XML is found" "CoolingDown" "$(errors_not_in_xml "$scratch/errors" "$scratch/input")"
tap_none "the XML speaks of each error" "$(errors_not_in_xml "$scratch/errors" "$xml")"

list settings settings_keys "$top_srcdir/daemon/settings.c"
list page page_keys "$top_srcdir/man/pasidd.conf.5.scd"
list example example_keys "$top_srcdir/systemd/pasidd.conf"
list planted page_keys "$top_srcdir/man/pasidd.conf.5.scd" 's/Default: _64_/Default: _65_/'
differ "a wrong default in pasidd.conf(5) is found" "$scratch/example" "$scratch/planted"
same "pasidd.conf(5) has the settings and defaults of the example" "$scratch/example" "$scratch/page"
cut -d' ' -f1,2 "$scratch/page" >"$scratch/page-keys"
same "pasidd.conf(5) has the settings that the daemon reads" "$scratch/settings" "$scratch/page-keys"

if [ -x "$top_builddir/pasidd" ]; then
        "$top_builddir/pasidd" --help | help_options >"$scratch/help"
        page_options "$top_srcdir/man/pasidd.8.scd" >"$scratch/page"
        # Those of other programs, in the examples
        grep -vx -e --address "$scratch/page" >"$scratch/own" || true
        same "pasidd(8) has the options of pasidd --help" "$scratch/help" "$scratch/own"
else
        tap_skip "pasidd(8) has the options of pasidd --help" "pasidd is not built"
fi

if [ -x "$top_builddir/pasid-oci-hook" ]; then
        "$top_builddir/pasid-oci-hook" --help | help_options >"$scratch/help"
        page_options "$top_srcdir/man/pasid-oci-hook.8.scd" >"$scratch/page"
        # Those of crun and podman
        grep -vx -e --annotation -e --log -e --read-only "$scratch/page" >"$scratch/own" || true
        same "pasid-oci-hook(8) has the options of pasid-oci-hook --help" "$scratch/help" "$scratch/own"
        printf '{"id":"x","bundle":"%s","pid":1}' "$scratch" >"$scratch/state"
        echo '{"annotations":{"org.pasidd.":""}}' >"$scratch/config.json"
        "$top_builddir/pasid-oci-hook" createRuntime <"$scratch/state" 2>&1 |
                sed 's/.* there are //' | grep -o 'org[.]pasidd[.][a-z]*' | sort >"$scratch/known" || true
        sed -n 's/^\*\(org[.]pasidd[.][a-z]*\)\*$/\1/p' "$top_srcdir/man/pasid-oci-hook.8.scd" | sort >"$scratch/page"
        same "pasid-oci-hook(8) has the annotations that it knows" "$scratch/known" "$scratch/page"
else
        tap_skip "pasid-oci-hook(8) has its options and annotations" "it is not built"
fi

# --- manual pages ---

unlisted=
for page in "$top_srcdir"/man/*.scd; do
        name=$(basename "$page" .scd)
        grep -q "man/$name\( \|\\\\\|\$\)" "$top_srcdir/man/Makemodule.am" || unlisted="$unlisted $name"
done
tap_none "each page is listed in man/Makemodule.am" "$unlisted"

for page in "$top_srcdir"/man/*.scd; do
        name=$(basename "$page" .scd)
        echo "${name%.*}(${name##*.})"
        case $name in
        *.3) sh "$top_srcdir/man/aliases.sh" "$page" | sed 's/$/(3)/' ;;
        esac
done | sort >"$scratch/pages"
tap_none "no two pages have the same name" "$(uniq -d "$scratch/pages")"
grep -ho '\*[a-z_.0-9]*pasid[a-z_.0-9]*\*([0-9])' "$top_srcdir"/man/*.scd | tr -d '*' | sort -u |
        comm -23 - "$scratch/pages" >"$scratch/dangling"
tap_none "pages refer only to pages that there are" "$(cat "$scratch/dangling")"
tap_done
