"""Starts one web process: `python -m web [--fd=N] [--place=N]`."""

import sys

from web.serve import main


def read_number(name: str) -> int | None:
    given = [a.removeprefix(f"--{name}=") for a in sys.argv[1:] if a.startswith(f"--{name}=")]
    return int(given[0]) if given else None


if __name__ == "__main__":
    main(read_number("fd"), read_number("place"))
