"""A worker as `python -m workers` starts it, with durations that no variable names: `worker_process SETTINGS [PART …]`.

SETTINGS is a JSON object of values of the configuration. Cron has tasks that can be counted. Each PART is a safeguard
that this worker goes without.
"""

import os
import sys
from dataclasses import replace

import orjson

from kernel.app.processes import end_with_parent
from kernel.config import read_config
from kernel.errors import TrovatoError
from kernel.log import configure_logging, get_logger
from tests.chaos.cron import CRON_HANDLERS
from tests.chaos.sabotage import SABOTAGES
from workers.__main__ import main
from workers.handlers import HANDLERS

if __name__ == "__main__":
    end_with_parent()
    changes = orjson.loads(sys.argv[1])
    settings = read_config(os.environ)
    settings = replace(settings, cron=replace(settings.cron, **changes.pop("cron")), **changes)
    configure_logging(settings.log_level, settings.log_format)
    for part in sys.argv[2:]:
        SABOTAGES[part].take_out()
    try:
        main(settings, {**HANDLERS, **CRON_HANDLERS})
    except TrovatoError as error:
        get_logger(__name__).critical("worker cannot start", reason=error.message, detail=error.detail)
        sys.exit(1)
