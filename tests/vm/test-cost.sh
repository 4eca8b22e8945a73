# shellcheck shell=sh disable=SC2119
# SPDX-License-Identifier: GPL-2.0-or-later
# Machine: first second
# What pasidd adds to the system calls. The figures are for reading: a slow
# machine fails nothing, only a call that does.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

bind_vfio "$WIDE"
start_pasidd || exit
cost "$WIDE" >/run/cost
tap_equal "all calls of the measurement succeed" 0 $?
sed 's/^/# /' /run/cost
stop_pasidd
tap_done
