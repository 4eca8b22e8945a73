# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The programs of this build: past libtool's scripts, which take longer than
# what they start.

[ ! -d "$top_builddir/.libs" ] || export LD_LIBRARY_PATH="$top_builddir/.libs${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"

# NAME: its path
program() {
        if [ -x "$top_builddir/.libs/$1" ]; then
                echo "$top_builddir/.libs/$1"
        else
                echo "$top_builddir/$1"
        fi
}
