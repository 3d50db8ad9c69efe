"""A web process's runtime and a worker's, and the jobs of people run on the spot."""

from functools import partial

import pytest

from kernel.app.open import open_kernel
from kernel.context import Context
from kernel.jobs import RECORD_LOGIN, SET_PASSWORD
from kernel.ledger.attempt import Attempts
from kernel.ledger.wait import wait_for_job
from kernel.user.account import create_user, run_record_login, run_set_password

PASSWORD = "correct horse battery"


@pytest.fixture
async def rt(config):
    """What a web process has: it may read accounts and submit jobs, and write nothing else."""
    async with open_kernel(config, role="web", with_plugins=False) as runtime:
        yield runtime


@pytest.fixture
async def ada(database):
    return await create_user(database, name="Ada", password=PASSWORD, mail="ada@example.org")


@pytest.fixture
def ctx():
    return Context(request_id="request-1")


@pytest.fixture
async def run_jobs(config, database):
    """Runs every job that is waiting, as a worker would, and answers them in the order in which they came."""
    async with open_kernel(config, role="worker", with_plugins=False) as worker:
        handlers = {RECORD_LOGIN: run_record_login, SET_PASSWORD: run_set_password}
        work = {kind.name: (kind, partial(handler, worker)) for kind, handler in handlers.items()}
        attempts = Attempts(worker.ledger, work)

        async def run():
            rows = await database_rows(database)
            for row in rows:
                await attempts.make(row["id"])
            return [await wait_for_job(worker.ledger, row["id"], 1.0) for row in rows]

        yield run


async def database_rows(database):
    async with database.acquire() as conn:
        return await conn.fetch("SELECT id FROM job WHERE status = 'queued' ORDER BY created, id")
