# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Guest: systemd
# Machine: first
# The real polkitd, with a rule that allows one user and denies another by
# what pasidd tells of consumer and device; while it thinks, and when it ends
# before it has answered.
# shellcheck source=tests/tap.sh
. /tests/tap.sh
# shellcheck source=tests/vm/guest/kit.sh
. /tests/kit.sh

# Two users that every Debian has, and neither is in a group that matters.
GOOD=games BAD=mail
rules=/etc/polkit-1/rules.d/10-pasidd-test.rules
asked=/run/polkit.asked answer=/run/polkit.answer

# USER COMMAND...: on the system's bus, for the direct socket is the group's
as() {
        as_user=$1
        shift
        PASIDD_ADDRESS=system setpriv --reuid="$as_user" --regid="$as_user" --clear-groups "$@" 2>&1
}

# What is wrong with it, as the user is told
why() { grep -oE 'polkit (does not allow it|could not be asked)'; }

polkit_pid() { systemctl show --value --property=MainPID polkit.service; }
is_idle() { [ "$(polkit_pid)" = 0 ]; }

mkfifo -m 666 $asked $answer
# A rule is asked with exactly what is to be decided; for "vm-slow" it waits until it is told to go on.
cat >$rules <<RULES
polkit.addRule(function(action, subject) {
        var consumer = action.lookup("consumer"), device = action.lookup("device");
        if (action.id == "org.pasidd1.init" && subject.user == "$GOOD" && device === undefined) {
                if (consumer == "vm-slow")
                        polkit.spawn(["/bin/sh", "-c", "echo asked >$asked; read -r word <$answer"]);
                return consumer == "vm" || consumer == "vm-slow" ? polkit.Result.YES : polkit.Result.NO;
        }
        if (action.id == "org.pasidd1.attach" && subject.user == "$GOOD" && consumer == "vm")
                return device == "$WIDE" ? polkit.Result.YES : polkit.Result.NO;
        if (action.id.indexOf("org.pasidd1.") == 0)
                return polkit.Result.NO;
});
RULES

bind_vfio "$WIDE" "$NARROW"
systemctl start pasidd.socket pasidd.service

tap_equal "who is allowed to makes a consumer" "" "$(as $GOOD pasidctl init vm --device $WIDE --mode mediated)"
tap_equal "but none that the rule does not name" "polkit does not allow it" \
        "$(as $GOOD pasidctl init other --device $WIDE --mode mediated | why)"
tap_equal "who is denied makes none of that name either" "polkit does not allow it" \
        "$(as $BAD pasidctl init vm --device $WIDE --mode mediated | why)"
tap_equal "a number" 7 "$(as $GOOD pasidctl alloc vm --min 7 --max 7)"
tap_equal "attached to the device that is allowed" "" "$(as $GOOD pasidctl attach vm 7)"
tap_equal "and it is" '"attached"' "$(pasidctl list "5:vm" --json=short | jq '.[0].state')"
# Root makes what no rule lets the user make, and it is the user's to attach, if polkit agrees.
tap_equal "detached, and the end" "" "$(as $GOOD pasidctl detach vm 7; as $GOOD pasidctl exit vm)"
tap_equal "the same consumer with another device" "" "$(as $GOOD pasidctl init vm --device $NARROW --mode mediated)"
tap_equal "has a number" 7 "$(as $GOOD pasidctl alloc vm --min 7 --max 7)"
tap_equal "which is not attached" "polkit does not allow it" "$(as $GOOD pasidctl attach vm 7 | why)"
tap_equal "because the rule sees which device it is" '"allocated"' "$(pasidctl list "5:vm" --json=short | jq '.[0].state')"
as $GOOD pasidctl exit vm

# The direct socket, where polkit is told the process.
tap_equal "on the direct socket a member of the group makes one" "" \
        "$(setpriv --reuid=$GOOD --regid=$GOOD --groups=pasid pasidctl init vm --device $WIDE --mode mediated 2>&1)"
tap_equal "and is asked about the device" 8 \
        "$(setpriv --reuid=$GOOD --regid=$GOOD --groups=pasid pasidctl alloc vm --min 8 --max 8 --attach 2>&1)"
tap_equal "which another is refused" "polkit does not allow it" \
        "$(setpriv --reuid=$BAD --regid=$BAD --groups=pasid pasidctl init vm --device $WIDE --mode mediated &&
                setpriv --reuid=$BAD --regid=$BAD --groups=pasid pasidctl alloc vm --min 9 --max 9 --attach 2>&1 | why)"
as $GOOD pasidctl exit vm
setpriv --reuid=$BAD --regid=$BAD --groups=pasid pasidctl exit vm

# While polkit thinks
as $GOOD pasidctl init vm-slow >/run/slow.out &
slow=$!
tap_equal "polkit is asked" asked "$(timeout $PATIENCE cat $asked)"
tap_equal "and everybody else is served meanwhile" "$(printf '%s\n' 1 2 3)" \
        "$(pasidctl init meanwhile && pasidctl alloc meanwhile --count 3 && pasidctl exit meanwhile)"
tap_equal "the consumer is not there yet" 0 "$(pasidctl consumers --json=short | jq length)"
echo go >$answer
wait $slow
tap_equal "it is, once polkit has answered" "0 1" "$? $(pasidctl consumers --json=short | jq length)"
as $GOOD pasidctl exit vm-slow

# polkit ends with the question open
as $GOOD pasidctl init vm-slow >/run/slow.out &
slow=$!
tap_equal "polkit is asked again" asked "$(timeout $PATIENCE cat $asked)"
systemctl kill --signal=KILL polkit.service
wait $slow
tap_equal "and is gone: refused" 1 $?
tap_equal "with the reason" "polkit could not be asked" "$(why </run/slow.out)"
wait_for is_idle
systemctl mask --quiet --runtime --now polkit.service 2>/dev/null
tap_equal "without any polkit: refused" "polkit could not be asked" "$(as $GOOD pasidctl init vm | why)"
tap_equal "root needs none" "" "$(pasidctl init meanwhile 2>&1; pasidctl exit meanwhile 2>&1)"
systemctl unmask --quiet --runtime polkit.service
systemctl reset-failed polkit.service 2>/dev/null
tap_equal "with the next polkit all is well" "" "$(as $GOOD pasidctl init vm; as $GOOD pasidctl exit vm)"
tap_equal "and nothing is left" 0 "$(pasidctl consumers --json=short | jq length)"
rm -f $rules $asked $answer
systemctl stop pasidd.service pasidd.socket polkit.service
tap_done
