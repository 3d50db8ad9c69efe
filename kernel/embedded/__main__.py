"""Removes the private servers of the given folders with all their data, for `make clean`."""

import sys
from pathlib import Path

from kernel.embedded.servers import remove_services
from kernel.errors import TrovatoError

if __name__ == "__main__":
    try:
        for name in sys.argv[1:]:
            remove_services(Path(name))
    except TrovatoError as error:
        sys.exit(error.message)
