"""Tells in a few lines what a run did and found."""

from collections import Counter

import orjson

_SHOWN = 12


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


def count_log_lines(folder):
    """What the processes wrote at the level of warnings and above, by their own words; and the texts of what nobody
    foresaw."""
    counts: Counter = Counter()
    unforeseen = []
    for path in sorted(folder.glob("*.log")):
        for line in path.read_bytes().splitlines():
            try:
                entry = orjson.loads(line)
            except orjson.JSONDecodeError:
                unforeseen.append(f"{path.stem}: {line.decode(errors='replace')[:300]}")
                continue
            level = entry.get("level", "")
            if level in ("warning", "error", "critical"):
                counts[f"{level}: {entry.get('event', '')[:90]}"] += 1
            if "exception" in entry:
                unforeseen.append(
                    f"{path.stem}: {entry['event'][:100]}: {entry['exception'].splitlines()[-1][:200]}"
                )
    return counts, unforeseen
