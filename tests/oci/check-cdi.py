#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks that standard input is a specification of the Container Device Interface.

The rules are those of its SPEC.md and schema, version 1.1.0, and of the parser
that runtimes share: types, required members, no member that is not known
(loading fails on one), the forms of kind and names, and a cdiVersion that is
not older than what is used. Prints what is wrong, a line each, and exits 1.
"""
import json
import re
import sys

VERSIONS = ["0.3.0", "0.4.0", "0.5.0", "0.6.0", "0.7.0", "0.8.0", "1.0.0", "1.1.0"]
OCCASIONS = ["createRuntime", "createContainer", "startContainer", "poststart", "poststop"]

errors = []


def wrong(place, text):
    errors.append(f"{place}: {text}")


def is_integer(value):
    return isinstance(value, int) and not isinstance(value, bool)


def text(place, value):
    if not isinstance(value, str) or not value:
        wrong(place, "is no string, or empty")
        return False
    return True


def path(place, value):
    if text(place, value) and not value.startswith("/"):
        wrong(place, "is no absolute path")


def texts(place, value, form=None):
    if not isinstance(value, list):
        return wrong(place, "is no array")
    for i, item in enumerate(value):
        if text(f"{place}[{i}]", item) and form and not re.fullmatch(form, item):
            wrong(f"{place}[{i}]", f"is not of the form {form}")


def number(least, greatest):
    def check(place, value):
        if not is_integer(value) or not least <= value <= greatest:
            wrong(place, f"is no integer from {least} to {greatest}")
    return check


def boolean(place, value):
    if not isinstance(value, bool):
        wrong(place, "is no boolean")


def annotations(place, value):
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        wrong(place, "is no object of strings")


def members(place, value, required, optional):
    """required, optional: what checks each member."""
    if not isinstance(value, dict):
        return wrong(place, "is no object")
    for name in required:
        if name not in value:
            wrong(place, f"has no \"{name}\"")
    for name, item in value.items():
        check = required.get(name) or optional.get(name)
        if check:
            check(f"{place}.{name}", item)
        else:
            wrong(place, f"has an unknown \"{name}\"")


def array_of(required, optional):
    def check(place, value):
        if not isinstance(value, list):
            return wrong(place, "is no array")
        for i, item in enumerate(value):
            members(f"{place}[{i}]", item, required, optional)
    return check


def occasion(place, value):
    if value not in OCCASIONS:
        wrong(place, f"is none of {', '.join(OCCASIONS)}")


def permissions(place, value):
    if value != "none" and not (isinstance(value, str) and set(value) <= set("rwm")):
        wrong(place, "is neither of r, w, m nor none")


uint32 = number(0, 2**32 - 1)
int64 = number(-(2**63), 2**63 - 1)

EDITS = {
    "env": lambda place, value: texts(place, value, r"[^=]+=.*"),
    "deviceNodes": array_of({"path": path}, {
        "hostPath": path, "permissions": permissions, "type": text, "major": int64, "minor": int64,
        "fileMode": int64, "uid": uint32, "gid": uint32}),
    "netDevices": array_of({"hostInterfaceName": text, "name": text}, {}),
    "mounts": array_of({"hostPath": path, "containerPath": path}, {"options": texts, "type": text}),
    "hooks": array_of({"hookName": occasion, "path": path}, {
        "args": texts, "env": lambda place, value: texts(place, value, r"[^=]+=.*"), "timeout": number(1, 2**32 - 1)}),
    "intelRdt": lambda place, value: members(place, value, {}, {
        "closID": text, "l3CacheSchema": text, "memBwSchema": text, "schemata": texts, "enableMonitoring": boolean}),
    "additionalGids": lambda place, value: isinstance(value, list) and [uint32(place, gid) for gid in value],
}


def edits(place, value):
    members(place, value, {}, EDITS)
    if value == {}:
        wrong(place, "has nothing in it")


def kind(place, value):
    if not text(place, value):
        return
    vendor, slash, name = value.partition("/")
    label = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
    if not slash or len(vendor) > 253 or not re.fullmatch(rf"{label}(\.{label})*", vendor) or not vendor[0].isalpha():
        wrong(place, "has no vendor that is a DNS subdomain and begins with a letter")
    if not re.fullmatch(r"[A-Za-z]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?", name):
        wrong(place, "has no class of 1 to 63 letters, digits, _, - and .")


def device_name(place, value):
    # SPEC.md has no colon in its list; the parser and its documentation do.
    if text(place, value) and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?", value):
        wrong(place, "is no device's name")


def devices(place, value):
    array_of({"name": device_name, "containerEdits": edits}, {"annotations": annotations})(place, value)
    if value == []:
        wrong(place, "has no device")
    if isinstance(value, list):
        names = [item.get("name") for item in value if isinstance(item, dict)]
        if len(names) != len({str(name) for name in names}):
            wrong(place, "has a name twice")


def version(place, value):
    if value not in VERSIONS:
        wrong(place, f"is none of {', '.join(VERSIONS)}")


def least_version(value):
    """SPEC.md, "Released versions", of what is used."""
    least = "0.3.0"
    blocks = [value.get("containerEdits", {})] + [item.get("containerEdits", {}) for item in value["devices"]]
    for block in blocks:
        if any("type" in mount for mount in block.get("mounts", [])):
            least = max(least, "0.4.0")
        if any("hostPath" in node for node in block.get("deviceNodes", [])):
            least = max(least, "0.5.0")
        if "intelRdt" in block or "additionalGids" in block:
            least = max(least, "0.7.0")
        if "netDevices" in block or {"schemata", "enableMonitoring"} & set(block.get("intelRdt", {})):
            least = max(least, "1.1.0")
    if any(not item["name"][0].isalpha() for item in value["devices"]):
        least = max(least, "0.5.0")
    if "annotations" in value or any("annotations" in item for item in value["devices"]) or "." in value["kind"].split("/")[1]:
        least = max(least, "0.6.0")
    return least


def main():
    try:
        value = json.load(sys.stdin)
    except ValueError as error:
        sys.exit(f"no JSON: {error}")
    members("specification", value, {"cdiVersion": version, "kind": kind, "devices": devices},
            {"annotations": annotations, "containerEdits": edits})
    if not errors and value["cdiVersion"] < least_version(value):
        wrong("cdiVersion", f"is older than {least_version(value)}, which has all that is used")
    print("\n".join(errors), end="\n" if errors else "")
    sys.exit(1 if errors else 0)


main()
