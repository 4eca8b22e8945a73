#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs every benchmark and prints one table after the other: `make bench`.
set -eu
builddir=${top_builddir:?run it by make bench}
cd "$builddir"

export PASIDD="$builddir/pasidd" PASIDD_FAKE="$builddir/tests/bus/pasidd-fake"
for bench in bench-core bench-store bench-bare bench-bus bench-mediated bench-fair bench-others; do
        echo "== $bench"
        if [ -x "tests/bench/$bench" ]; then
                "tests/bench/$bench"
        else
                echo "left out: it needs Check"
        fi
        echo
done
