# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Runs the tests that /tests/list names, in either guest, and tells the host
# where each begins and ends in lines of the virtio console that begin with
# "@@". Read by guest/init, and run as a service of the guest with systemd.

# VALUE: ends the machine; QEMU exits with 2 * VALUE + 1
leave() {
        sync
        # shellcheck disable=SC2059
        printf "\\$(printf %o "$1")" | dd of=/dev/port bs=1 seek=244 count=1 2>/dev/null
        poweroff -f
}

# TEST: the machine starts anew, and the tests with that one
restart_with() {
        sed -n "/^$1 /,\$p" /tests/list >/tests/rest
        mv /tests/rest /tests/list
        systemctl reboot
        exec sleep infinity
}

# COMMAND: run before and after each test, so that the next finds nothing of the last
run_tests() {
        while read -r name limit; do
                RESTARTED=
                if [ -e /tests/restarted ]; then
                        RESTARTED=$(cat /tests/restarted)
                        rm /tests/restarted
                else
                        "$1"
                        echo "@@ begin $name"
                fi
                export RESTARTED
                (cd /tmp && exec timeout "$limit" sh "/tests/test-$name.sh") </dev/null 2>&1
                status=$?
                # 124 by coreutils, 143 by busybox
                if [ "$status" -eq 124 ] || [ "$status" -eq 143 ]; then
                        echo "# $name took longer than its limit of $limit s"
                fi
                if [ -e /tests/restarted ]; then
                        restart_with "$name"
                fi
                "$1"
                echo "@@ end $name $status"
        done </tests/list
        echo "@@ up $(cut -d' ' -f1 /proc/uptime)"
}

# COMMAND
run_tests_on_console() {
        # The console's port is announced by the host, after the driver's node is there.
        until (: >/dev/hvc0) 2>/dev/null; do
                sleep 0.02
        done
        run_tests "$1" >/dev/hvc0
        leave 16
}
