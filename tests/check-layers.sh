#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Includes point one way: bus -> service -> {store, kernel} -> core, and each
# foreign library has one place; libvirt has none, as it waits for its hook. First
# this is tried on trees with a planted violation, so that a silent check is known
# to be a working one.
set -eu
: "${top_srcdir:=$(cd "$(dirname "$0")/.." && pwd)}"
# shellcheck source=tests/tap.sh
. "$top_srcdir/tests/tap.sh"

# ROOT: prints "file:line: includes X" for each include against the rules
violations() {
        cd "$1"
        find daemon client include doc -name '*.[ch]' 2>/dev/null | LC_ALL=C sort >"$scratch/files"
        # shellcheck disable=SC2046 # names in the tree have no blanks
        awk '
        BEGIN {
                # What a layer may include of the project, and of the system headers that have a home.
                may["core"] = "core internal"
                may["store"] = "store core internal log"
                may["kernel"] = "kernel core internal log"
                may["service"] = "service store kernel core internal log"
                may["bus"] = "bus service store kernel core internal log"
                may["log"] = "log internal"
                may["daemon"] = "daemon log bus service store kernel core internal"
                may["lib"] = "lib public internal"
                may["ctl"] = "ctl public cleanup"
                may["oci"] = "oci public cleanup"
                may["libvirt"] = "libvirt public cleanup"
                may["example"] = "public"
                may["internal"] = "internal"
                may["cleanup"] = ""
                may["public"] = "public"
                home["systemd/sd-bus"] = "bus lib"
                home["systemd/sd-event"] = "kernel service bus daemon lib"
                home["systemd/sd-device"] = "kernel"
                home["systemd/sd-daemon"] = "daemon bus"
                home["systemd/sd-journal"] = "log"
                home["systemd/sd-id128"] = "daemon bus service"
                home["systemd/"] = ""
                home["sqlite3"] = "store"
                home["linux/"] = "kernel example"
                home["linux/magic.h"] = "kernel store"
                home["linux/openat2.h"] = "oci"
                home["sys/ioctl"] = "kernel bus lib ctl internal example"
                home["pci/"] = "kernel"
                home["ini.h"] = "daemon"
                home["json-c/"] = "ctl oci"
                home["libsmartcols/"] = "ctl"
                home["libxml/"] = "libvirt"
                home["libvirt/"] = ""
                for (h in home)
                        homes[++n_homes] = h
        }
        function layer_of(path) {
                if (path ~ /^daemon\/log(-ids)?\.[ch]$/) return "log"
                if (path ~ /^daemon\/(core|store|kernel|service|bus)\//) { split(path, part, "/"); return part[2] }
                if (path ~ /^daemon\//) return "daemon"
                if (path ~ /^client\/lib\//) return "lib"
                if (path ~ /^client\/ctl\//) return "ctl"
                if (path ~ /^client\/oci\//) return "oci"
                if (path ~ /^client\/libvirt\//) return "libvirt"
                if (path == "include/internal/cleanup.h") return "cleanup"
                if (path ~ /^include\/internal\//) return "internal"
                if (path ~ /^include\//) return "public"
                return "example"
        }
        function has(words, word) { return index(" " words " ", " " word " ") > 0 }
        function resolve(from, target,    dir) {
                dir = from
                sub(/[^\/]*$/, "", dir)
                if ((dir target) in known) return dir target
                if (("daemon/" target) in known) return "daemon/" target
                if (("include/" target) in known) return "include/" target
                return ""
        }
        FILENAME == ARGV[1] { known[$0] = 1; next }
        /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
                target = $0
                sub(/^[^<"]*[<"]/, "", target)
                sub(/[>"].*$/, "", target)
                from = layer_of(FILENAME)
                path = resolve(FILENAME, target)
                bad = 0
                if (path != "") {
                        to = layer_of(path)
                        bad = !has(may[from], to) && !(to == "cleanup" && has(may[from], "internal"))
                } else {
                        best = ""
                        for (i = 1; i <= n_homes; i++)
                                if (index(target, homes[i]) == 1 && length(homes[i]) > length(best)) best = homes[i]
                        if (best != "") bad = !has(home[best], from)
                        if (target ~ /^(core|store|kernel|service|bus|internal)\//) bad = 1
                }
                if (target ~ /\.\./) bad = 1 # a way around the names that the rules are made of
                if (bad) print FILENAME ":" FNR ": includes " target
        }' "$scratch/files" $(cat "$scratch/files") || echo "awk failed"
}

# ROOT: prints "file:line:text" where the hook of libvirt could call libvirt back, by its library or a program like virsh
calls_back() {
        (cd "$1" && {
                grep -nHE '(^|[^[:alnum:]_])(-lvirt|LIBVIRT_(CFLAGS|LIBS)|libvirt(-(qemu|lxc|admin))?[[:blank:]]*([])]|[<>]=))' \
                        configure.ac client/libvirt/Makemodule.am || true
                runs='dlopen|popen|system|v?fork|clone3?|posix_spawnp?|exec(l|lp|le|v|vp|ve|vpe)'
                grep -nHE "(^|[^[:alnum:]_.>])($runs)[[:blank:]]*\\(" client/libvirt/*.[ch] || true
        })
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# FILE INCLUDE: a tree with this one line beside sound ones
planted() {
        rm -rf "$scratch/tree"
        for d in daemon/core daemon/store daemon/kernel daemon/service daemon/bus client/lib client/ctl client/oci client/libvirt include/internal \
                 include/pasid doc/examples; do
                mkdir -p "$scratch/tree/$d"
        done
        for h in daemon/core/core.h daemon/store/store.h daemon/kernel/kernel.h daemon/service/service.h \
                 daemon/bus/bus.h daemon/log.h daemon/manager.h client/lib/lib.h client/ctl/ctl.h client/oci/hook.h include/internal/cleanup.h \
                 include/internal/errors.h include/pasid/pasid.h; do
                echo '#include <stdint.h>' >"$scratch/tree/$h"
        done
        echo '#include "core/core.h"' >"$scratch/tree/daemon/store/store.c"
        echo '#include <systemd/sd-bus.h>' >"$scratch/tree/daemon/bus/bus.c"
        echo "#include $2" >>"$scratch/tree/$1"
}

while read -r file include; do
        planted "$file" "$include"
        got=$(violations "$scratch/tree" | sed 's/:[0-9]*:.*//')
        tap_equal "a planted $include in $file is found" "$file" "$got"
done <<'PLANTED'
daemon/core/core.c "store/store.h"
daemon/core/core.c "service/service.h"
daemon/core/core.c "log.h"
daemon/core/core.h <systemd/sd-event.h>
daemon/core/core.c <sqlite3.h>
daemon/core/core.c <linux/iommufd.h>
daemon/core/core.c <sys/ioctl.h>
daemon/store/store.c "kernel/kernel.h"
daemon/store/table.c "service/service.h"
daemon/kernel/kernel.c "store/store.h"
daemon/kernel/kernel.c <systemd/sd-bus.h>
daemon/service/service.c "bus/bus.h"
daemon/service/service.c "manager.h"
daemon/service/service.c <systemd/sd-bus.h>
daemon/service/service.c <sqlite3.h>
daemon/bus/bus.h "manager.h"
daemon/manager.c <systemd/sd-bus.h>
client/lib/lib.c "core/core.h"
client/lib/lib.c "../../daemon/core/core.h"
client/ctl/ctl.c "internal/errors.h"
client/ctl/ctl.c "../lib/lib.h"
client/ctl/ctl.c <systemd/sd-bus.h>
client/oci/hook.c "internal/errors.h"
client/oci/hook.c <systemd/sd-bus.h>
client/ctl/ctl.c <libxml/tree.h>
client/libvirt/main.c <systemd/sd-bus.h>
client/libvirt/main.c <libvirt/libvirt.h>
client/libvirt/reserve.h <libvirt/virterror.h>
doc/examples/hello.c "internal/cleanup.h"
include/pasid/pasid.h "internal/cleanup.h"
include/internal/errors.h "core/core.h"
PLANTED

while read -r file include; do
        planted "$file" "$include"
        tap_none "a sound $include in $file is not" "$(violations "$scratch/tree")"
done <<'SOUND'
daemon/core/core.c "core.h"
daemon/store/store.c "internal/errors.h"
daemon/service/service.c "kernel/kernel.h"
daemon/bus/bus.c "service/service.h"
daemon/manager.c "bus/bus.h"
client/lib/lib.c <pasid/pasid.h>
client/ctl/ctl.c "internal/cleanup.h"
client/oci/hook.c <json-c/json.h>
SOUND

harmless() {
        planted client/libvirt/main.c '<libxml/parser.h>'
        # shellcheck disable=SC2016
        echo 'pasid_libvirt_hook_LDADD = libpasid.la $(LIBXML2_LIBS)' >"$scratch/tree/client/libvirt/Makemodule.am"
        echo 'PKG_CHECK_MODULES([LIBXML2], [libxml-2.0])' >"$scratch/tree/configure.ac"
}
harmless
tap_none "a sound hook of libvirt is not found" "$(calls_back "$scratch/tree")"
while read -r file line; do
        harmless
        echo "$line" >>"$scratch/tree/$file"
        tap_equal "a planted $line in $file is found" "$file" "$(calls_back "$scratch/tree" | sed 's/:[0-9]*:.*//')"
done <<'PLANTED'
configure.ac PKG_CHECK_MODULES([LIBVIRT], [libvirt])
configure.ac PKG_CHECK_MODULES([VIRT], [libvirt >= 6.5])
configure.ac PKG_CHECK_MODULES([VIRT], [libvirt-qemu])
client/libvirt/Makemodule.am pasid_libvirt_hook_LDADD += -lvirt
client/libvirt/Makemodule.am pasid_libvirt_hook_LDADD += $(LIBVIRT_LIBS)
client/libvirt/main.c r = system("virsh list");
client/libvirt/main.c execvp(argv[0], argv);
client/libvirt/reserve.c f = popen("virsh list", "re");
client/libvirt/domain.c library = dlopen("libvirt.so.0", RTLD_NOW);
PLANTED

tap_none "includes of this tree point one way" "$(violations "$top_srcdir")"
tap_none "the hook of libvirt never calls libvirt" "$(calls_back "$top_srcdir")"
tap_done
