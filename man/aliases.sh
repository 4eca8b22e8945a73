#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Prints what else a manual page describes: the names of the NAME section of
# PAGE.scd but for the page's own, one a line.
set -eu

page=${1:?usage: aliases.sh PAGE.scd}
own=$(basename "$page" | sed 's/\.[0-9]\.scd$//')
# The names may go over several lines; they end at the dash before the description.
awk '/^# /{ in_name = ($2 == "NAME") } in_name && !/^# / { print }' "$page" |
        tr '\n' ' ' | sed -e 's/ - .*//' -e 's/[,*\\]/ /g' | tr -s ' ' '\n' |
        { grep -vx -e "$own" -e '' || true; }
