#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes ./configure in a clone; a release tarball has it.
set -eu
cd "$(dirname "$0")"
mkdir -p m4 build-aux
exec autoreconf --install
