"""Tells in a few lines what a run did and found."""

import re
from collections import Counter

import orjson

_SHOWN = 12
_NUMBER = re.compile(r"[0-9a-f-]{36}(:\d+)?|\d+\.\d+")


def print_plan(plan):
    print(
        f"chaos: seed {plan.seed}, {plan.seconds:g} s, {plan.editors} editors,"
        f" without {', '.join(plan.without) or 'nothing'}"
    )
    kinds: dict[str, list[float]] = {}
    for fault in plan.faults:
        kinds.setdefault(fault.kind, []).append(fault.at_s)
    for kind, times in sorted(kinds.items()):
        print(f"  {kind:16s} at {' '.join(f'{at_s:g}' for at_s in times)} s")


def print_counts(title, counts):
    print(title)
    for name, count in sorted(counts.items()):
        print(f"  {count:7d}  {name}")


def print_violations(violations):
    if not violations:
        print("violations: none")
        return
    print(f"violations: {len(violations)}")
    for kind, count in Counter(violation.kind for violation in violations).most_common():
        print(f"  {count:7d}  {kind}")
        for violation in [violation for violation in violations if violation.kind == kind][:_SHOWN]:
            print(f"           {violation.text}")
        if count > _SHOWN:
            print(f"           and {count - _SHOWN} more")


def print_shortfalls(shortfalls):
    for name, count, wanted in shortfalls:
        print(f"too few: {name}: {count} of {wanted}")


def find_shortfalls(counts, minimum):
    """What the run did not reach, as (name, count, wanted)."""
    return [(name, counts[name], wanted) for name, wanted in minimum.items() if counts[name] < wanted]


def count_log_lines(paths):
    """What the processes wrote at the level of warnings and above, by their own words without numbers; and how often
    each exception was written that nobody had foreseen."""
    counts: Counter = Counter()
    unforeseen: Counter = Counter()
    for path in paths:
        for line in path.read_bytes().splitlines():
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                unforeseen[line.decode(errors="replace")[:200]] += 1
                continue
            level, event = entry.get("level", ""), _NUMBER.sub("…", entry.get("event", ""))[:80]
            if level in ("warning", "error", "critical"):
                counts[f"{level}: {event}"] += 1
            if "exception" in entry:
                unforeseen[f"{event}: {entry['exception'].splitlines()[-1][:200]}"] += 1
    return counts, unforeseen
