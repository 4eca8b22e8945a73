#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""PASIDs in Python, with nothing but python3-dbus and the system bus.

    take-numbers.py COUNT [DEVICE]...

takes COUNT numbers, prints them with what pasidd knows of each, waits until
its standard input ends, and gives them back by going away.
"""
import sys

import dbus

CONSUMER = "org.pasidd1.Consumer"
MANAGER = "org.pasidd1.Manager"


def take_numbers(bus, count, devices):
    """A consumer that lives as long as this connection, and its numbers."""
    manager = dbus.Interface(bus.get_object("org.pasidd1", "/org/pasidd1"), MANAGER)
    options = dbus.Dictionary({}, signature="sv")
    if devices:
        options["devices"] = dbus.Array(devices, signature="s")
    path = manager.Init("python-example", options)
    consumer = dbus.Interface(bus.get_object("org.pasidd1", path), CONSUMER)
    private = dbus.ByteArray(b"of an example")
    # 0, 0: from the whole range. All of them or none.
    numbers = consumer.AllocMany(
        dbus.UInt32(count), dbus.UInt32(0), dbus.UInt32(0), private, dbus.Dictionary({}, signature="sv")
    )
    return manager, consumer, [int(n) for n in numbers]


def show(manager, consumer, number):
    private, info = consumer.Find(dbus.UInt32(number), byte_arrays=True)
    holders = manager.WhoHas(dbus.UInt32(number))
    print(f"{number} {info['state']} {bytes(private).decode()!r}, held by {len(holders)}", flush=True)


def main():
    if len(sys.argv) < 2 or not sys.argv[1].isdigit():
        sys.exit(__doc__)
    try:
        manager, consumer, numbers = take_numbers(dbus.SystemBus(), int(sys.argv[1]), sys.argv[2:])
        for number in numbers:
            show(manager, consumer, number)
        # A number can go back by itself; what is left goes with the connection.
        consumer.Free(dbus.UInt32(numbers[0]))
        sys.stdin.read()
    except dbus.DBusException as e:
        # org.pasidd1.Error.Exhausted and so on, with a sentence; org.pasidd1(5) lists them.
        sys.exit(f"{e.get_dbus_name()}: {e.get_dbus_message()}")


if __name__ == "__main__":
    main()
