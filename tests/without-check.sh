#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Stands for the tests in C where there is no Check, so that a run of the others is not taken for all.
set -eu
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"

tap_skip "the tests in C" "they need the library Check; install it (Debian: check) and run configure again"
tap_done
