"""Starts one web process: `python -m web [--fd=N]`."""

import sys

from web.serve import main

if __name__ == "__main__":
    descriptors = [
        argument.removeprefix("--fd=") for argument in sys.argv[1:] if argument.startswith("--fd=")
    ]
    main(int(descriptors[0]) if descriptors else None)
