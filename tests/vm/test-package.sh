# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# Needs: packages
# Debian's packages on a system that never saw pasidd: installed they serve,
# an upgrade keeps what is attached while its device reads memory, and a purge
# leaves neither a file nor an attachment.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

RW=3 FIXED=4

main_pid() { systemctl show --value --property=MainPID pasidd.service; }
socket_since() { systemctl show --value --property=ActiveEnterTimestampMonotonic pasidd.socket; }
has_begun() { grep -q begun /run/read.out; }

# What was copied to the disk beside dpkg, and the user, go away until the end.
forget() {
        systemctl stop pasidd.socket pasidd.service 2>/dev/null
        systemctl clean --what=fdstore pasidd.service 2>/dev/null
        tar -C / -cf /run/stage.tar -T /tests/stage.list
        (cd / && xargs rm -f </tests/stage.list)
        rm -rf /run/pasidd /var/lib/pasidd /etc/pasidd /run/systemd/system/pasidd.service.d /run/read.in
        mkdir /run/accounts
        cp -p /etc/passwd /etc/group /etc/shadow /etc/gshadow /run/accounts/
        sed -i '/^pasid/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
        tell_system
}

# shellcheck disable=SC2317 # by the trap
remember() {
        tar -C / -xf /run/stage.tar
        cp -p /run/accounts/* /etc/
        rm -rf /run/accounts /run/stage.tar
        ldconfig
        tell_system
}

tell_system() {
        systemctl daemon-reload
        systemctl reload dbus.service
        udevadm control --reload
        udevadm trigger --settle --sysname-match=iommu
}

# VERSION: the files of all packages; none has a blank in its name
debs() {
        for name in pasidd pasidd-tools libpasid1 libpasid-dev pasidd-oci pasidd-libvirt; do
                echo "/tests/packages/$1/${name}"_*.deb
        done
}

# WHAT COMMAND...: its output is shown if it fails
succeeds() {
        succeeds_what=$1
        shift
        if "$@" >/run/why 2>&1; then
                tap_ok "$succeeds_what"
        else
                tap_not_ok "$succeeds_what" "$(cat /run/why)"
        fi
}

# What is still there of pasidd, but for the tests themselves
traces() {
        find /etc /run /usr /var -xdev -iname '*pasid*' ! -path '/usr/lib/pasidd-tests*' ! -path '/run/log/*' \
                ! -path '/run/systemd/transient*' ! -path /run/pasidd.log
}

forget
trap remember EXIT
tap_none "nothing of pasidd is here" "$(traces)"
bind_vfio $WIDE
# shellcheck disable=SC2046
succeeds "the packages are installed" dpkg -i $(debs 1)
tap_equal "a program finds the library" "-lpasid" "$(sed -n 's/^Libs:.* \(-lpasid\).*/\1/p' /usr/lib/*/pkgconfig/libpasid.pc)"
tap_equal "the hook for containers says what is lacking" 1 \
        "$(echo nothing | /usr/libexec/pasid-oci-hook createRuntime 2>&1 | grep -c '^pasid-oci-hook: ')"
tap_equal "so does the one for libvirt" 1 \
        "$(echo nothing | pasid-libvirt-hook vm prepare begin - 2>&1 | grep -c '^pasid-libvirt-hook: ')"
tap_equal "socket and daemon run" "active active" "$(systemctl is-active pasidd.socket pasidd.service | paste -sd' ')"
systemctl --quiet is-active pasidd.service ||
        journalctl --boot --unit=pasidd.service --output=cat --no-pager --lines=20 | sed 's/^/# /'
tap_equal "now and after each boot" "enabled enabled" "$(systemctl is-enabled pasidd.socket pasidd.service | paste -sd' ')"
tap_equal "the daemon is its own user" pasidd:pasid "$(stat -c %U:%G "/proc/$(main_pid)")"
tap_equal "who may open the device that was there before" pasidd "$(stat -c %U /dev/vfio/devices/*)"
tap_equal "and /dev/iommu" pasidd "$(stat -c %U /dev/iommu)"
tap_equal "it is on the bus" "" "$(busctl --system status org.pasidd1 2>&1 >/dev/null)"

start_tenant a
expect "a consumer" ok a init vm $WIDE
expect "a number, attached" "ok 100" a alloc 100 100 attach
expect "its memory" "ok 0" a memory 1048576 0x41
expect "mapped" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
mkfifo /run/read.in
dma $WIDE 100 repeat 0x1000000 64 </run/read.in >/run/read.out 4>&- 5>&- 6>&- &
reader=$!
sleep 100000 >/run/read.in 4>&- 5>&- 6>&- &
stopper=$!
wait_for has_begun
tap_equal "the device reads" 0 $?

pid=$(main_pid) since=$(socket_since)
# shellcheck disable=SC2046
succeeds "an upgrade" dpkg -i $(debs 2)
tap_equal "which is a later version" 1 "$(dpkg --compare-versions "$(dpkg-query -W -f '${Version}' pasidd)" gt \
        "$(dpkg-deb -f /tests/packages/1/pasidd_*.deb Version)" && echo 1)"
tap_equal "has started another daemon" active "$([ "$(main_pid)" != "$pid" ] && systemctl is-active pasidd.service)"
tap_equal "behind the same socket" "$since" "$(socket_since)"
expect "the client comes back" ok a reconnect
tap_equal "what was attached is" "[1,0,0]" \
        "$(pasidctl status --json=short | jq -c '[.[0] | .restored_kept, .restored_detached, .restored_lost]')"
kill $stopper
wait $reader
result=$(tail -n 1 /run/read.out)
echo "# $result"
tap_equal "and was all the while" "0 failed" "${result#* done, }"

pasidctl init kept --hold persistent
succeeds "removed" dpkg --remove pasidd pasidd-oci pasidd-libvirt
tap_equal "the daemon is gone" inactive "$(systemctl is-active pasidd.service)"
is_refused() {
        case $(dma "$WIDE" 100 read 0x1000000 4) in
        fault* | no-bus-master) ;;
        *) return 1 ;;
        esac
}
wait_for is_refused
tap_equal "and with it what was attached" 0 $?
tap_equal "the table is kept" "/var/lib/pasidd/pasidd.db" "$(echo /var/lib/pasidd/pasidd.db*)"
end_tenant a
succeeds "purged" dpkg --purge pasidd pasidd-tools libpasid1 libpasid-dev pasidd-oci pasidd-libvirt
tap_none "and nothing is left" "$(traces)"
tap_none "nor has anything failed" "$(systemctl --failed --no-legend --plain)"
tap_done
