"""Two minutes of editors' work while everything around them dies: `python -m tests.chaos` (docs/chaos.md)."""

import argparse
import asyncio
import secrets
import signal
import sys
from pathlib import Path

from kernel.log import configure_logging
from tests.chaos.plan import make_plan
from tests.chaos.report import (
    find_shortfalls,
    print_counts,
    print_plan,
    print_shortfalls,
    print_violations,
)
from tests.chaos.run import run_chaos
from tests.chaos.sabotage import SABOTAGES

# Beyond the load: starting, finishing what was asked, quiet, judging, stopping.
_EVERYTHING_ELSE_S = 300.0


def read_arguments():
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(100_000))
    parser.add_argument("--seconds", type=float, help="how long the load lasts")
    parser.add_argument("--editors", type=int)
    parser.add_argument("--short", action="store_true", help="20 seconds with one fault of each kind")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="where to leave the logs of all processes"
    )
    for name, sabotage in SABOTAGES.items():
        parser.add_argument(
            f"--without-{name}", dest="without", action="append_const", const=name, help=sabotage.meaning
        )
    return parser.parse_args()


async def run(plan):
    task = asyncio.current_task()
    # As Ctrl-C does: everything is ended in order.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with asyncio.timeout(plan.seconds + _EVERYTHING_ELSE_S):
        return await run_chaos(plan, lambda text: print(text, flush=True))


def main():
    arguments = read_arguments()
    is_short = arguments.short
    plan = make_plan(
        seed=arguments.seed,
        seconds=arguments.seconds or (20.0 if is_short else 120.0),
        editors=arguments.editors or (6 if is_short else 12),
        is_short=is_short,
        without=arguments.without or (),
        kept=arguments.keep,
    )
    configure_logging("CRITICAL", "console")
    print_plan(plan)
    outcome = asyncio.run(run(plan))
    print_counts("what the processes logged:", outcome.log_lines)
    print_counts("exceptions among that:", outcome.unforeseen)
    print_counts("counted:", outcome.counts)
    print_violations(outcome.violations)
    shortfalls = find_shortfalls(outcome.counts, plan.minimum)
    print_shortfalls(shortfalls)
    return 1 if outcome.violations or shortfalls else 0


if __name__ == "__main__":
    sys.exit(main())
