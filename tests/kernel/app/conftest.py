"""The `trovato` command as a person runs it, in a process of its own, and a worker that answers it."""

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from kernel.app.open import open_kernel
from tests.fixtures.database import ROOT
from workers.handlers import HANDLERS
from workers.worker import run_worker

# The command on a machine whose clock is wrong: that of kernel/clock.py, and the one that ids are made from.
SKEWED = """
import sys, time
from datetime import timedelta
from kernel import clock
skew_s, now, time_ns = int(sys.argv.pop(1)), clock.now, time.time_ns
clock.now = lambda: now() + timedelta(seconds=skew_s)
time.time_ns = lambda: time_ns() + skew_s * 10**9
from kernel.__main__ import main
main()
"""


@dataclass(frozen=True, slots=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def trovato(config):
    """`await trovato("jobs", "list")`; `given` is what the command reads from a pipe, `skew_s` how far ahead the clock
    of its machine is."""
    environment = {
        **os.environ,
        "DATABASE_URL": config.database_url,
        "REDIS_URL": config.redis_url,
        "REDIS_PREFIX": config.redis_prefix,
        "TROVATO_VAR": str(config.var),
    }

    async def run(*arguments, given=None, skew_s=0):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *(("-c", SKEWED, str(skew_s)) if skew_s else ("-m", "kernel")),
            *map(str, arguments),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await process.communicate(given)
        return Ran(process.returncode, out.decode(), err.decode())

    return run


@pytest.fixture
def run_worker_here(config, renderer):
    """`async with run_worker_here() as rt`: a worker without plugins, in the test's own process."""

    @asynccontextmanager
    async def run():
        async with open_kernel(config, role="worker", with_plugins=False, renderer=renderer) as rt:
            stop = asyncio.Event()
            work = asyncio.create_task(run_worker(rt, HANDLERS, stop))
            try:
                yield rt
            finally:
                stop.set()
                await work

    return run
