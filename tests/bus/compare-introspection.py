# SPDX-License-Identifier: GPL-2.0-or-later
"""Compares one D-Bus interface of two introspection documents.

compare-introspection.py CONTRACT LIVE INTERFACE

Prints what differs, and exits with 1 if anything does. The order of members
does not count, that of arguments does.
"""
import sys
import xml.etree.ElementTree as ET


def annotations(element):
    return sorted((a.get("name"), a.get("value")) for a in element.findall("annotation"))


def arguments(member):
    # the direction of a method's argument is "in" if it is not said, a signal's is always "out"
    default = "out" if member.tag == "signal" else "in"
    return [(a.get("direction", default), a.get("type"), a.get("name")) for a in member.findall("arg")]


def describe(interface):
    members = {}
    for member in interface:
        if member.tag == "annotation":
            continue
        key = (member.tag, member.get("name"))
        members[key] = {
            "arguments": arguments(member),
            "annotations": annotations(member),
            "type": member.get("type"),
            "access": member.get("access"),
        }
    members["interface"] = {"annotations": annotations(interface)}
    return members


def find(path, name):
    for interface in ET.parse(path).getroot().iter("interface"):
        if interface.get("name") == name:
            return describe(interface)
    sys.exit(f"{path} has no interface {name}")


def main():
    contract, live = (find(path, sys.argv[3]) for path in sys.argv[1:3])
    differs = False
    for key in sorted(set(contract) | set(live), key=str):
        if contract.get(key) != live.get(key):
            differs = True
            print(f"{key}:\n  contract: {contract.get(key)}\n  live:     {live.get(key)}")
    return 1 if differs else 0


sys.exit(main())
