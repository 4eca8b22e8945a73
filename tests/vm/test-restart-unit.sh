# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# A device reads memory through a number that pasidd attached while systemd
# restarts pasidd, sees it killed, and starts itself anew: none of the
# transfers fails.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh
# shellcheck source=tests/vm/guest/tenants.sh
. /tests/tenants.sh

RW=3 FIXED=4

main_pid() { systemctl show --value --property=MainPID pasidd.service; }
stored() { systemctl show --value --property=NFileDescriptorStore pasidd.service; }
restored() { pasidctl status --json=short | jq -c '[.[0] | .restored_kept, .restored_detached, .restored_lost]'; }
is_another() { [ "$(main_pid)" != "$pid" ] && [ "$(main_pid)" != 0 ] && pasidd_answers; }
has_begun() { grep -q begun /run/read.out; }

# WHAT COMMAND...: which leads to another pasidd, that has it all
replace() {
        replace_what=$1
        shift
        pid=$(main_pid)
        "$@"
        wait_for is_another
        tap_equal "$replace_what" 0 $?
        ask a reconnect
        tap_equal "the client comes back" ok "$answer"
        tap_equal "what was attached is" "[1,0,0]" "$(restored)"
}

# FILE: a drop-in for the unit, from stdin
drop_in() {
        mkdir -p /run/systemd/system/pasidd.service.d
        cat >"/run/systemd/system/pasidd.service.d/$1.conf"
        systemctl daemon-reload
}

owners() { stat -c %U /run/pasidd /run/pasidd/pasidd.db /var/lib/pasidd /var/lib/pasidd/pasidd.db "/proc/$(main_pid)" | sort -u; }

bind_vfio $WIDE
# As an administrator would, and as it was before pasidd had a user.
drop_in root <<CONF
[Service]
User=root
Group=root
CapabilityBoundingSet=
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE
CONF
systemctl start pasidd.socket
start_tenant a
expect "a consumer" ok a init vm $WIDE
expect "a number, attached" "ok 100" a alloc 100 100 attach
expect "its memory" "ok 0" a memory 1048576 0x41
expect "mapped" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
tap_equal "systemd keeps the file descriptors" 2 "$(stored)"
tap_equal "so far it is root's" root "$(owners)"

rm -f /run/read.in
mkfifo /run/read.in
dma $WIDE 100 repeat 0x1000000 64 </run/read.in >/run/read.out 4>&- 5>&- 6>&- &
reader=$!
sleep 100000 >/run/read.in 4>&- 5>&- 6>&- &
stopper=$!
wait_for has_begun
tap_equal "the device reads" 0 $?

rm /run/systemd/system/pasidd.service.d/root.conf
systemctl daemon-reload
replace "a restart as another user" systemctl restart pasidd.service
tap_equal "which has all now" pasidd "$(owners)"
tap_equal "and leaves the socket the group's" "pasid 660" "$(stat -c '%G %a' /run/pasidd/pasidd.sock)"
replace "systemctl restart" systemctl restart pasidd.service
replace "SIGKILL" systemctl kill --signal=KILL pasidd.service
drop_in watchdog <<CONF
[Service]
WatchdogSec=2
CONF
replace "systemctl restart again" systemctl restart pasidd.service
replace "it hangs, and the watchdog kills it" systemctl kill --signal=STOP pasidd.service
tap_equal "as the journal says" 1 "$(journalctl --boot --unit=pasidd.service --output=cat --no-pager --quiet | grep -c 'Watchdog timeout')"
rm /run/systemd/system/pasidd.service.d/watchdog.conf
systemctl daemon-reexec
replace "a restart after systemctl daemon-reexec" systemctl restart pasidd.service
pid=$(main_pid)
systemctl stop pasidd.service 2>/dev/null # which says that the socket could start it
systemctl start pasidd.service
tap_equal "stopped and started" 0 "$(is_another; echo $?)"
expect "the client comes back" ok a reconnect
tap_equal "and finds what it had attached" "[1,0,0]" "$(restored)"

kill $stopper
wait $reader
result=$(tail -n 1 /run/read.out)
echo "# $result"
tap_equal "transfers that failed" "0 failed" "${result#* done, }"
expect "what root's pasidd had opened is detached" ok a detach 100
expect "and attached" ok a attach 100
expect "and given memory" "ok 0x1000000" a map 100 0 0 1048576 0x1000000 $((RW | FIXED))
tap_equal "pasidctl check finds no drift" "$AGREES" "$(pasidctl check 2>&1)"
expect "its end" ok a exit
# The fd store lets go of the device a moment later than pasidd, and the kernel ends bus mastering with that.
is_refused() {
        case $(dma "$WIDE" 100 read 0x1000000 4) in
        fault* | no-bus-master) ;;
        *) return 1 ;;
        esac
}
is_refused
tap_equal "after Exit its DMA is refused" 0 $?
end_tenant a
systemctl stop pasidd.socket pasidd.service
tap_done
