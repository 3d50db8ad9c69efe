"""One run from the first server to the verdict: a private site, its editors, the faults, quiet, and the judge."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

import asyncpg

from kernel.app.open import open_kernel
from kernel.app.prepare import prepare_site
from kernel.app.processes import PROJECT_ROOT
from kernel.config import Config
from kernel.user.account import create_api_token, create_user
from tests.chaos.batches import Importer, count_takeovers
from tests.chaos.client import Client
from tests.chaos.content import check_jobs, check_pages, count_unfinished, read_items, read_revisions
from tests.chaos.cron import CronLoad, check_cron
from tests.chaos.editor import Desk, Editor, ask_again, read_pages
from tests.chaos.faults import Faults
from tests.chaos.fleet import open_fleet
from tests.chaos.judge import Violation, find_deleted, judge
from tests.chaos.plan import SAVE_WAIT_S, WEB_PROCESSES, WORKER_SETTINGS, WORKERS
from tests.chaos.record import ClientLog, read_log
from tests.chaos.report import count_log_lines
from tests.chaos.servers import find_port, open_folder, open_servers

# A job's third pause may last half a minute. Who goes without a safeguard is not waited for.
_QUIET_S = 90.0
_SABOTAGED_QUIET_S = 8.0
_ASKED_AGAIN = 200
CLIENTS_LOG = "clients.log"


@dataclass(slots=True)
class Outcome:
    """What was counted, what was found, and what the processes wrote to their logs."""

    counts: Counter = field(default_factory=Counter)
    violations: list = field(default_factory=list)
    log_lines: Counter = field(default_factory=Counter)
    unforeseen: Counter = field(default_factory=Counter)


@dataclass(slots=True)
class Run:
    """What the parts of one run share."""

    plan: object
    report: object
    servers: object = None
    fleet: object = None
    config: Config | None = None
    clients: list = field(default_factory=list)
    importer: Importer | None = None
    faults: Faults | None = None
    desk: Desk | None = None
    cron: CronLoad | None = None
    chance: random.Random = field(default_factory=random.Random)
    outcome: Outcome = field(default_factory=Outcome)


async def run_chaos(plan, report):
    """The outcome of a run. Everything that it started has ended when this returns or raises."""
    run = Run(plan, report, chance=random.Random(plan.seed))
    async with AsyncExitStack() as stack:
        folder = await stack.enter_async_context(open_folder(plan.kept))
        report("starting a site: PostgreSQL, Redis, two web processes, three workers")
        run.servers = await stack.enter_async_context(open_servers(folder))
        run.config = make_config(run.servers.urls)
        run.cron = CronLoad(run.config)
        *tokens, importers_token = await prepare(run.config, plan.editors + 1)
        shape = {"web": WEB_PROCESSES, "workers": WORKERS, "settings": WORKER_SETTINGS}
        run.fleet = await stack.enter_async_context(
            open_fleet(run.config, folder, **shape, without=plan.without)
        )
        log = ClientLog(folder / CLIENTS_LOG)
        stack.callback(log.close)
        run.desk = Desk(log)
        run.clients = await stack.enter_async_context(open_clients(run, tokens))
        run.importer = open_importer(run, importers_token)
        stack.push_async_callback(run.importer.close)
        await load(run)
        report("quiet: what was left undone is done")
        await become_quiet(run)
        report("judging")
        await judge_run(run, log)
        logs = [member.log for member in run.fleet.members]
        run.outcome.log_lines, run.outcome.unforeseen = count_log_lines(logs)
    return run.outcome


def make_config(urls):
    return Config(
        database_url=urls.database_url,
        database_url_worker=urls.database_url_worker,
        database_url_web=urls.database_url_web,
        redis_url=urls.redis_url,
        redis_prefix="chaos",
        port=find_port(),
        # Native code is kept between runs.
        var=PROJECT_ROOT / "var" / "test",
        plugins_dir=PROJECT_ROOT / "plugins",
        templates_dir=PROJECT_ROOT / "templates",
        save_wait_s=SAVE_WAIT_S,
        log_level="WARNING",
    )


async def prepare(config, count):
    """Migrations and plugins; the tokens of so many editors."""
    await prepare_site(config, lambda _: None)
    async with open_kernel(config, role="worker", with_plugins=False) as rt:
        users = [
            await create_user(rt.db, name=f"editor {n}", password=None, is_admin=True) for n in range(count)
        ]
        return [await create_api_token(rt.db, user_id=user.id, label="chaos", expires=None) for user in users]


@asynccontextmanager
async def open_clients(run, tokens):
    """A program for each editor, each with chances of its own."""
    clients = [
        Client(
            run.fleet.doors,
            token,
            run.desk.log,
            run.outcome.counts,
            random.Random(f"{run.plan.seed} {number}"),
        )
        for number, token in enumerate(tokens)
    ]
    try:
        yield clients
    finally:
        for client in clients:
            await client.close()


def open_importer(run, token):
    chance = random.Random(f"{run.plan.seed} importer")
    return Importer(run.desk, run.fleet.doors, token, run.outcome.counts, chance, lines=run.plan.lines)


async def load(run):
    """Editors and readers at work while the faults happen; what was asked is seen through to its end."""
    until = asyncio.Event()
    plan, counts = run.plan, run.outcome.counts
    faults = run.faults = Faults(plan, run.servers, run.fleet, counts, run.chance)
    editors = [
        Editor(run.desk, client, random.Random(f"{plan.seed} editor {number}"), haste=plan.haste)
        for number, client in enumerate(run.clients)
    ]
    started = monotonic()
    async with asyncio.TaskGroup() as group:
        for editor in editors:
            group.create_task(editor.work(until))
        group.create_task(run.importer.work(until))
        group.create_task(read_pages(run.fleet.doors, run.desk, run.chance, counts, until))
        group.create_task(run.cron.ask(until))
        group.create_task(faults.deliver_again(run.config, until))
        damage = group.create_task(faults.inflict())
        while monotonic() - started < plan.seconds:
            await asyncio.sleep(min(10.0, started + plan.seconds - monotonic()))
            run.report(
                f"{monotonic() - started:4.0f} s: {counts['answers 200'] + counts['answers 201']} answers"
            )
        await damage
        until.set()
    counts["seconds of load"] = round(monotonic() - started)


async def become_quiet(run):
    """Every process runs, no job waits, and requests of the run, asked once more, are answered as before."""
    await run.fleet.wait_until_healthy()
    give_up_at = monotonic() + (_SABOTAGED_QUIET_S if run.plan.without else _QUIET_S)
    conn = await asyncpg.connect(run.servers.database_url)
    while await count_unfinished(conn) and monotonic() < give_up_at:
        await asyncio.sleep(0.2)
    await conn.close()
    await ask_again(run.desk, run.chance, _ASKED_AGAIN)
    run.outcome.violations += await run.cron.ask_for_one_more()


async def judge_run(run, log):
    requests = read_log(log.path)
    conn = await asyncpg.connect(run.servers.database_url)
    items, revisions = await read_items(conn), await read_revisions(conn)
    counts = run.outcome.counts
    found = judge(requests, items, revisions) + await check_jobs(conn)
    found += await check_cron(conn, run.cron.asked, counts)
    found += run.importer.violations
    counts["batches taken up again after a kill"] = await count_takeovers(conn, run.faults.cut_batches)
    await conn.close()
    gone = [item for item, is_certain in find_deleted(requests.values()).items() if is_certain]
    found += await check_pages(run.fleet.doors, items, gone, run.chance)
    found += [Violation("process ended by itself", death) for death in run.fleet.deaths]
    run.outcome.violations += found
    counts["accepted saves"] = sum(request.is_accepted for request in requests.values() if request.title)
    counts["accepted deletes"] = sum(
        request.is_accepted for request in requests.values() if not request.title
    )
    counts["conflicts, as they should be"] = sum(request.is_refused for request in requests.values())
    counts["never answered"] = sum(request.is_unknown for request in requests.values())
    counts["answered with a job"] = sum(bool(request.promised) for request in requests.values())
    counts["items"], counts["revisions"] = len(items), len(revisions)
    counts["starts that found no server"] = run.fleet.failed_starts
    counts["redis flushes and restarts"] = counts["redis flushes"] + counts["redis restarts"]
    counts["postgres restarts"] = counts["postgres stops"] + counts["postgres crashes"]
