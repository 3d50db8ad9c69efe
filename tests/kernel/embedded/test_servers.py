"""The private servers start, are shared, survive what machines do to them, and stop; with real ones throughout."""

import asyncio
import json
import multiprocessing
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
import redis

from kernel.config import Config
from kernel.db.migrate import migrate
from kernel.db.pool import Database
from kernel.embedded.place import find_package
from kernel.embedded.process import is_running, wait_until
from kernel.embedded.servers import EmbeddedServices, remove_services
from kernel.errors import ConfigError

pytestmark = pytest.mark.adversity

IS_ROOT = os.geteuid() == 0
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def parent():
    """A folder that the servers' user can enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp(prefix="trovato-test-", dir="/var/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def var(parent):
    """A folder whose data was made, once for all tests; each of them leaves it with nothing running."""

    async def start_and_stop():
        services = EmbeddedServices()
        await services.start(parent / "var", lambda _: None)
        await services.stop()

    asyncio.run(start_and_stop())
    yield parent / "var"
    remove_services(parent / "var")


@pytest.fixture
def new_var(parent, var):
    """A copy of that folder, for tests that leave more than a table behind."""
    folder = Path(tempfile.mkdtemp(prefix="var-", dir=parent))
    folder.chmod(0o755)
    subprocess.run(["cp", "-a", f"{var}/.", str(folder)], check=True)
    return folder


@pytest.fixture
async def open_services():
    """Starts services and stops, at the end, those that the test did not stop."""
    opened = []

    async def start(var, report=lambda _: None):
        services = EmbeddedServices()
        opened.append(services)
        return services, await services.start(var, report)

    yield start
    for services in opened:
        await services.stop()


def read_pids(var):
    """PostgreSQL's and Redis's process ids, as the servers were last started."""
    embedded = var / "embedded"
    servers = embedded / "elsewhere" if (embedded / "elsewhere").exists() else embedded
    postgres = int((servers / "postgres" / "postmaster.pid").read_text().split()[0])
    return postgres, json.loads((embedded / "servers.json").read_text())["redis_pid"]


def are_running(pids):
    return [is_running(pid) for pid in pids]


def kill(pids, number=signal.SIGKILL):
    for pid in pids:
        os.kill(pid, number)
    if number == signal.SIGKILL:
        assert wait_until(lambda: not any(are_running(pids)), 5)


async def write_note(urls, text):
    conn = await asyncpg.connect(urls.database_url)
    await conn.execute("DROP SCHEMA IF EXISTS test CASCADE")
    await conn.execute("CREATE SCHEMA test")
    await conn.execute("CREATE TABLE test.note (text text)")
    await conn.execute("INSERT INTO test.note VALUES ($1)", text)
    await conn.close()


async def read_notes(urls):
    conn = await asyncpg.connect(urls.database_url)
    rows = await conn.fetch("SELECT text FROM test.note ORDER BY text")
    await conn.close()
    return [row[0] for row in rows]


def ping(urls):
    with redis.Redis.from_url(urls.redis_url) as client:
        return client.ping()


async def test_the_first_start_makes_the_data_and_says_so(parent, open_services):
    said = []
    _, urls = await open_services(parent / "first", said.append)
    assert said == ["Preparing a private PostgreSQL (once)", "Starting PostgreSQL", "Starting Redis"]
    assert ping(urls)
    assert oct((parent / "first" / "embedded" / "password").stat().st_mode)[-3:] == "600"


async def test_a_second_start_finds_the_data_of_the_first_at_the_same_address(var, open_services):
    services, first = await open_services(var)
    await write_note(first, "kept")
    pids = read_pids(var)
    await services.stop()
    assert are_running(pids) == [False, False]
    _, second = await open_services(var)
    assert second == first
    assert await read_notes(second) == ["kept"]
    assert ping(second)


async def test_committed_rows_survive_the_sudden_end_of_both_servers(var, open_services):
    _, first = await open_services(var)
    await write_note(first, "kept")
    kill(read_pids(var))
    _, second = await open_services(var)
    assert await read_notes(second) == ["kept"]
    assert ping(second)


async def test_servers_that_outlived_their_program_are_used_again(var, open_services):
    program = f"""
import asyncio, os, pathlib, signal
from kernel.embedded.servers import EmbeddedServices
asyncio.run(EmbeddedServices().start(pathlib.Path({str(var)!r}), print))
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, cwd=ROOT, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    pids = read_pids(var)
    assert are_running(pids) == [True, True]
    said = []
    services, _ = await open_services(var, said.append)
    assert said == []
    assert read_pids(var) == pids
    await services.stop()
    assert are_running(pids) == [False, False]


async def test_a_pid_file_that_names_a_stranger_is_no_obstacle(var, open_services):
    services, urls = await open_services(var)
    pid_file = var / "embedded" / "postgres" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    await services.stop()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]))
    state = var / "embedded" / "servers.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"redis_pid": os.getpid()}))
    _, again = await open_services(var)
    assert again == urls
    assert ping(again)


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"redis_port": "no"}'])
async def test_a_damaged_record_of_ports_is_no_obstacle(var, open_services, content):
    (var / "embedded" / "servers.json").write_text(content)
    _, urls = await open_services(var)
    assert ping(urls)


async def test_a_port_that_was_taken_is_left_to_its_owner(var, open_services):
    services, first = await open_services(var)
    await services.stop()
    taken = [urlsplit(url).port for url in (first.database_url, first.redis_url)]
    sockets = [socket.create_server(("127.0.0.1", port)) for port in taken]
    try:
        _, second = await open_services(var)
        assert {urlsplit(url).port for url in (second.database_url, second.redis_url)}.isdisjoint(taken)
        assert ping(second)
    finally:
        for one in sockets:
            one.close()


async def test_a_redis_that_hangs_is_replaced(var, open_services):
    await open_services(var)
    _, hanging = read_pids(var)
    kill([hanging], signal.SIGSTOP)
    _, urls = await open_services(var)
    assert ping(urls)
    assert not is_running(hanging)


async def test_programs_that_start_at_once_share_the_servers_until_the_last_one_stops(var, open_services):
    (one, first), (other, second) = await asyncio.gather(open_services(var), open_services(var))
    assert first == second
    pids = read_pids(var)
    await one.stop()
    assert are_running(pids) == [True, True]
    assert ping(second)
    await other.stop()
    assert are_running(pids) == [False, False]


async def test_a_start_that_was_given_up_leaves_nothing_running(var):
    services = EmbeddedServices()
    began = asyncio.Event()
    start = asyncio.create_task(services.start(var, lambda _: began.set()))
    await began.wait()
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    await services.stop()
    await services.stop()  # twice is harmless
    assert not (var / "embedded" / "postgres" / "postmaster.pid").exists()
    assert not is_running(json.loads((var / "embedded" / "servers.json").read_text())["redis_pid"])


async def test_servers_in_use_are_not_removed(new_var, open_services):
    services, urls = await open_services(new_var)
    with pytest.raises(ConfigError, match="are in use"):
        remove_services(new_var)
    assert ping(urls)
    await services.stop()
    remove_services(new_var)
    assert not (new_var / "embedded").exists()


async def test_nobody_gets_in_without_the_password(var, open_services):
    _, urls = await open_services(var)
    parts = urlsplit(urls.superuser_url)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(f"postgresql://postgres:guess@{parts.hostname}:{parts.port}/postgres")
    with redis.Redis(port=urlsplit(urls.redis_url).port) as client, pytest.raises(redis.AuthenticationError):
        client.ping()


async def test_the_web_process_cannot_become_another_role(new_var, open_services):
    _, urls = await open_services(new_var)
    config = Config(
        database_url=urls.database_url,
        database_url_worker=urls.database_url_worker,
        database_url_web=urls.database_url_web,
    )
    await migrate(config)
    for role in ("owner", "worker", "web"):
        db = await Database.open(config.url_for_role(role), role=role)
        async with db.acquire() as conn:
            assert await conn.fetchval("SELECT current_user") == f"trovato_{role}"
            if role == "web":
                for statement in ("SET ROLE trovato_worker", "SET ROLE trovato_owner", "SET ROLE trovato"):
                    with pytest.raises(asyncpg.InsufficientPrivilegeError):
                        await conn.execute(statement)
                await conn.execute("SET ROLE NONE")
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await conn.execute("INSERT INTO variable (name, value) VALUES ('a', '1')")
        await db.close()


async def test_sites_that_are_made_at_once_on_a_new_server_share_its_roles(new_var, open_services):
    _, urls = await open_services(new_var)
    admin = await asyncpg.connect(urls.superuser_url)
    names = [f"site_{number}" for number in range(4)]
    for name in names:
        await admin.execute(f"CREATE DATABASE {name} OWNER trovato")
    await admin.close()
    base = urls.database_url.rpartition("/")[0]
    applied = await asyncio.gather(*(migrate(Config(database_url=f"{base}/{name}")) for name in names))
    assert len({tuple(one) for one in applied}) == 1
    assert applied[0]


async def test_data_of_another_release_is_left_alone(var, open_services):
    version = var / "embedded" / "postgres" / "PG_VERSION"
    ours = version.read_text()
    version.write_text("14\n")
    with pytest.raises(ConfigError, match="belongs to PostgreSQL 14, and"):
        await open_services(var)
    version.write_text(ours)


async def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        await EmbeddedServices().start(tmp_path / "file", lambda _: None)
    assert str(tmp_path / "file") in caught.value.message
    assert "TROVATO_VAR" in caught.value.message


def test_a_package_that_is_missing_is_named():
    with pytest.raises(
        ConfigError, match=r"^The package not-there, .* is not installed\. Run `make run`, or set"
    ):
        find_package("not_there")


@pytest.mark.skipif(not IS_ROOT, reason="only root has another user start the servers")
async def test_a_folder_that_the_servers_user_cannot_enter_is_replaced(parent, open_services):
    closed = parent / "closed"
    closed.mkdir(mode=0o700)
    services, urls = await open_services(closed / "var")
    elsewhere = (closed / "var" / "embedded" / "elsewhere").readlink()
    assert (elsewhere / "postgres" / "PG_VERSION").exists()
    assert ping(urls)
    pids = read_pids(closed / "var")
    await services.stop()
    assert are_running(pids) == [False, False]
    remove_services(closed / "var")
    assert not elsewhere.exists()


@pytest.mark.skipif(not IS_ROOT, reason="an ordinary user runs every test here as one")
def test_an_ordinary_user_needs_nobody_else(parent):
    """In a forked process, since the interpreter itself may lie where only root can go."""
    home = parent / "ordinary"
    home.mkdir(mode=0o700)
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    process = multiprocessing.get_context("fork").Process(target=run_as_ordinary_user, args=(home, nobody))
    process.start()
    process.join(50)
    assert process.exitcode == 0
    owners = {path.stat().st_uid for path in home.rglob("*")}
    assert owners == {nobody.pw_uid}


def run_as_ordinary_user(home, user):
    os.setgroups([])
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.environ["HOME"] = str(home)

    async def use():
        for _ in range(2):
            services = EmbeddedServices()
            try:
                urls = await services.start(home / "var", lambda _: None)
                await write_note(urls, "mine")
                assert ping(urls)
            finally:
                await services.stop()

    asyncio.run(use())
