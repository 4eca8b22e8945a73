# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# The prompt of tests/vm/run --shell, on the serial console.
cd /tests || exit
cat <<TEXT

pasidd, pasidctl and dma are here, and in this directory the tests (sh test-boot.sh).
". ./kit.sh" has their helpers: bind_vfio \$WIDE, start_pasidd, dma \$WIDE 17 read 0x1000 4.
"exit" or Ctrl-A X leaves.

TEXT
export PATH="/usr/lib/pasidd-tests:$PATH"
if [ -e /bin/busybox ]; then
        setsid cttyhack sh
else
        sh -i
fi
