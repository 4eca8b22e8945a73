# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads OpenMetrics 1.0 text from standard input by the grammar and the rules of its specification, and no more
leniently; prints each sample as NAME{LABELS} VALUE, labels sorted, or says what is wrong and fails."""
import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r"[a-zA-Z_][a-zA-Z0-9_]*"
ESCAPED = r'(?:[^"\\\n]|\\["\\n])*'
NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|[+-]?Inf|NaN"
DESCRIPTOR = re.compile(rf"# (TYPE|HELP|UNIT) ({NAME}) ({ESCAPED})")
SAMPLE = re.compile(rf'({NAME})(?:\{{((?:{LABEL}="{ESCAPED}")(?:,{LABEL}="{ESCAPED}")*)\}})? ({NUMBER})')
PAIR = re.compile(rf'({LABEL})="({ESCAPED})"')
SUFFIXES = {
    "gauge": [""], "counter": ["_total", "_created"], "info": ["_info"], "unknown": [""], "stateset": [""],
    "histogram": ["_bucket", "_count", "_sum", "_created"], "summary": ["", "_count", "_sum", "_created"],
}


class Bad(Exception):
    pass


def check_histogram(family, samples):
    groups = {}
    for name, labels, value in samples:
        rest = tuple((k, v) for k, v in labels if k != "le")
        groups.setdefault(rest, []).append((name[len(family):], dict(labels).get("le"), value))
    for rest, group in groups.items():
        buckets = [(float(le), value) for suffix, le, value in group if suffix == "_bucket"]
        counts = [value for suffix, _, value in group if suffix == "_count"]
        if not buckets or buckets[-1][0] != float("inf"):
            raise Bad(f"{family}{rest}: the last bucket is not +Inf")
        if buckets != sorted(buckets) or [v for _, v in buckets] != sorted(v for _, v in buckets):
            raise Bad(f"{family}{rest}: buckets do not ascend")
        if counts != [buckets[-1][1]] or sum(suffix == "_sum" for suffix, _, _ in group) != 1:
            raise Bad(f"{family}{rest}: _count is not that of the last bucket, or there is no _sum")


def end_family(family, kind, samples, seen):
    if family is None:
        return
    if kind is None or not samples:
        raise Bad(f"{family} has no type or no sample")
    for name, labels, value in samples:
        if (name, labels) in seen:
            raise Bad(f"{name}{labels} is there twice")
        seen.add((name, labels))
        if kind == "counter" and not value >= 0:
            raise Bad(f"{name} counts {value}")
        if kind == "info" and value != 1:
            raise Bad(f"{name} is {value}, not 1")
    if kind == "histogram":
        check_histogram(family, samples)


def parse(text):
    if not text.endswith("# EOF\n"):
        raise Bad("it does not end with # EOF")
    family, kind, samples, told, families, seen = None, None, [], set(), set(), set()
    lines = text[:-len("# EOF\n")].split("\n")
    if lines.pop() != "":
        raise Bad("# EOF is on no line of its own")
    for line in lines:
        descriptor = DESCRIPTOR.fullmatch(line)
        if descriptor:
            what, name, rest = descriptor.groups()
            if name != family:
                end_family(family, kind, samples, seen)
                if name in families:
                    raise Bad(f"{name} is in two places")
                families.add(name)
                family, kind, samples, told = name, None, [], set()
            if samples or what in told:
                raise Bad(f"a second {what} of {name}, or one behind its samples")
            told.add(what)
            if what == "TYPE":
                if rest not in SUFFIXES:
                    raise Bad(f"{name} has type {rest}")
                kind = rest
            continue
        sample = SAMPLE.fullmatch(line)
        if not sample:
            raise Bad(f"not of the grammar: {line}")
        name, labels, value = sample.groups()
        pairs = PAIR.findall(labels or "")
        if len({k for k, _ in pairs}) != len(pairs):
            raise Bad(f"a label twice: {line}")
        if family is None or name not in [family + suffix for suffix in SUFFIXES[kind or "unknown"]]:
            raise Bad(f"{name} is not of family {family}, a {kind}")
        samples.append((name, tuple(sorted(pairs)), float(value)))
        yield name, tuple(sorted(pairs)), value
    end_family(family, kind, samples, seen)


try:
    for name, labels, value in list(parse(sys.stdin.read())):
        print(name + ("{" + ",".join(f'{k}="{v}"' for k, v in labels) + "}" if labels else "") + " " + value)
except Bad as bad:
    sys.exit(f"openmetrics: {bad}")
