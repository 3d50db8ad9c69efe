"""`variables` asked directly: whose they are, how large they may be, and where a new value goes."""

import pytest

from kernel.context import Context
from kernel.host.variables import list_variable_functions
from kernel.ledger.writes import JobWrites
from kernel.plugin.model import PluginSet
from kernel.plugin_data.variable import NAME_MAX, VALUE_MAX, VARIABLES_MAX
from kernel.sandbox.host import HostError
from kernel.tap.capability import Capabilities
from kernel.tap.catalogue import ITEM_PRESAVE, PAGE, QUEUE_WORKER
from kernel.tap.effects import Wishes
from kernel.tap.registry import TapPlugin, TapRegistry
from kernel.tap.scope import TapScope


class Asker:
    """The plugin `blog`, beside one whose name begins like its own."""

    def __init__(self, db, effects, tap=QUEUE_WORKER):
        self._get, self._set = (function.call for function in list_variable_functions(db))
        blog = TapPlugin("blog", None, {}, Capabilities(variables=frozenset({"site_name"})))
        # One that is loaded beside it, and one that is installed and not loaded.
        others = frozenset({"blog", "blog_extra", "blog_away"})
        registry = TapRegistry((blog, TapPlugin("blog_extra", None, {})), installed=others)
        scope = TapScope(PluginSet(registry=registry), Context(), effects=effects)
        self.state = scope.get_state(blog)
        self.state.tap = tap

    async def get(self, name):
        return await self._get(self.state, name, "default")

    async def set(self, name, value="25"):
        return await self._set(self.state, name, value)


@pytest.fixture
async def writes(database):
    opened = JobWrites(database)
    yield opened
    await opened.abandon()


@pytest.fixture
def job(database, writes):
    return Asker(database, writes)


async def refused(call):
    with pytest.raises(HostError) as caught:
        await call
    assert len(caught.value.as_json()) < 500
    return caught.value.code


@pytest.mark.story("3.13")
async def test_what_was_set_is_read_and_its_tag_is_dropped(job, writes):
    assert await job.get("blog_posts_per_page") == "default"
    assert await job.set("blog_posts_per_page")
    assert await job.set("blog_posts_per_page", "30")
    assert await job.get("blog_posts_per_page") == "30"
    assert list(writes.tags) == ["variable:blog_posts_per_page"]
    assert job.state.record.tags == {"variable:blog_posts_per_page"}
    assert job.state.record.obstacle
    # Until the job ends it is nobody else's.
    assert await Asker(writes._db, None).get("blog_posts_per_page") == "default"


async def test_in_a_request_it_is_a_wish(web_database):
    asker = Asker(web_database, Wishes(), PAGE)
    assert await asker.set("blog_x", "1")
    assert await asker.get("blog_x") == "default"
    (write,) = asker.state.scope.effects.writes
    assert (write.plugin, write.change) == ("blog", {"kind": "variable", "name": "blog_x", "value": "1"})


@pytest.mark.parametrize(
    "name",
    [
        "site_name",
        "blog",
        "blogx",
        "Blog_x",
        "blog_extra_x",
        "blog_away_x",
        "",
        "variable",
        "'; DROP TABLE variable; --",
    ],
)
async def test_only_its_own_variables_are_set(job, name):
    assert await refused(job.set(name)) == "refused-capability"


async def test_a_variable_of_a_plugin_with_a_longer_name_is_not_read(job, database):
    async with database.acquire() as conn:
        await conn.execute(
            """
            INSERT INTO variable
            VALUES ('blog_extra_x', '"hers"'), ('blog_away_x', '"his"'), ('blog_extr', '"mine"')
            """
        )
    assert await job.get("blog_extra_x") == await job.get("blog_away_x") == "default"
    assert await job.get("blog_extr") == "mine"


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("blog_" + "x" * NAME_MAX, "1", "too-large"),
        ("blog_x", "x" * (VALUE_MAX + 1), "too-large"),
        ("blog_\0", "1", "bad-payload"),
        ("blog_x", "\0", "bad-payload"),
        ("blog_\ud800", "1", "bad-payload"),
        ("blog_x", "\ud800", "bad-payload"),
    ],
    ids=["long-name", "long-value", "nul-in-name", "nul", "half-a-character-in-name", "half-a-character"],
)
async def test_what_cannot_be_stored_is_refused(job, name, value, code):
    assert await refused(job.set(name, value)) == code


async def test_a_plugin_has_so_many(job, database):
    async with database.acquire() as conn:
        await conn.execute(
            """INSERT INTO variable SELECT 'blog_' || n, '"x"' FROM generate_series(1, $1::int) n""",
            VARIABLES_MAX,
        )
    assert await job.set("blog_1", "new")
    assert await refused(job.set("blog_0")) == "too-large"


async def test_some_taps_may_read_and_not_set(database):
    for effects, tap in ((None, QUEUE_WORKER), (Wishes(), ITEM_PRESAVE)):
        asker = Asker(database, effects, tap)
        assert await refused(asker.set("blog_x")) == "not-available"
        assert await asker.get("blog_x") == "default"
