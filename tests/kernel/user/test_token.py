"""An API token lets a program act as its user until it expires."""

import re
from datetime import timedelta

import pytest

from kernel.app.open import open_kernel
from kernel.clock import now
from kernel.errors import Invalid
from kernel.user.account import create_api_token
from kernel.user.load import PERMISSIONS_TAG
from kernel.user.model import user_tag
from kernel.user.store import (
    assign_role,
    delete_api_token,
    grant_permission,
    insert_role,
    list_api_tokens,
    revoke_permission,
    unassign_role,
)
from kernel.user.token import USE_API_TOKENS, build_api_token, digest_api_token, find_token_actor


@pytest.fixture
async def ada(ada, database):
    """Who may use tokens."""
    async with database.transaction() as tx:
        await insert_role(tx.conn, "program")
        await grant_permission(tx.conn, "program", USE_API_TOKENS)
        await assign_role(tx.conn, ada.id, "program")
    return ada


async def test_whoever_may_use_no_tokens_any_more_has_none_that_is_good_in_any_process(
    rt, config, ada, database
):
    limited = await create_api_token(
        database, user_id=ada.id, label="limited", expires=None, scope=["access content"]
    )
    whole = await create_api_token(database, user_id=ada.id, label="whole", expires=None)
    async with open_kernel(config, role="web", with_plugins=False) as other:
        processes = (rt, other)

        async def see():
            return [
                await find_token_actor(process, token) is not None
                for process in processes
                for token in (whole, limited)
            ]

        assert await see() == [True] * 4
        assert "use api tokens" not in (await find_token_actor(rt, limited)).permissions
        for take, give, whose in (
            (revoke_permission, grant_permission, ("program", USE_API_TOKENS)),
            (unassign_role, assign_role, (ada.id, "program")),
        ):
            async with database.transaction() as tx:
                await take(tx.conn, *whose)
            await rt.cache.drop([PERMISSIONS_TAG])
            # As at the beginning of each request with a token.
            await other.cache.refresh()
            assert await see() == [False] * 4
            async with database.transaction() as tx:
                await give(tx.conn, *whose)
            await rt.cache.drop([PERMISSIONS_TAG])
            await other.cache.refresh()
            assert await see() == [True] * 4


async def test_a_token_stands_for_its_user_until_it_is_taken_back(rt, ada, database):
    token = await create_api_token(database, user_id=ada.id, label=" nightly import ", expires=None)
    other = await create_api_token(database, user_id=ada.id, label="other", expires=None)
    assert (await find_token_actor(rt, token)).id == ada.id
    async with database.acquire() as conn:
        kept = {entry.label: entry for entry in await list_api_tokens(conn, ada.id)}
        assert set(kept) == {"nightly import", "other"}
        assert await delete_api_token(conn, kept["nightly import"].id)
        assert not await delete_api_token(conn, kept["nightly import"].id)
    assert await find_token_actor(rt, token) is None
    assert (await find_token_actor(rt, other)).id == ada.id


async def test_only_a_digest_is_stored(ada, database):
    token = await create_api_token(database, user_id=ada.id, label="import", expires=None)
    async with database.acquire() as conn:
        row = await conn.fetchrow("SELECT t.*, t::text AS whole FROM api_token t")
    assert row["digest"] == digest_api_token(token)
    assert token not in row["whole"]


async def test_a_token_expires(rt, ada, database, monkeypatch):
    expires = now() + timedelta(hours=1)
    token = await create_api_token(database, user_id=ada.id, label="import", expires=expires)
    assert (await find_token_actor(rt, token)).id == ada.id
    monkeypatch.setattr("kernel.clock.now", lambda: expires)
    assert await find_token_actor(rt, token) is None


async def test_the_token_of_a_blocked_user_is_worth_nothing(rt, ada, database):
    token = await create_api_token(database, user_id=ada.id, label="import", expires=None)
    assert (await find_token_actor(rt, token)).name == "Ada"
    async with database.acquire() as conn:
        await conn.execute("UPDATE users SET status = 0 WHERE id = $1", ada.id)
    await rt.cache.drop([user_tag(ada.id)])
    assert await find_token_actor(rt, token) is None


def test_tokens_are_long_recognisable_and_differ():
    tokens = {build_api_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"trovato_[0-9A-Za-z]{43}", token) for token in tokens)


@pytest.mark.parametrize(
    "token",
    [
        pytest.param("", id="empty"),
        pytest.param("trovato_" + "a" * 43, id="guessed"),
        pytest.param("trovato_" + "\ud800" * 43, id="surrogates"),
        pytest.param("trovato_" + "٣" * 43, id="digits-of-another-script"),
        pytest.param("trovato_" + "a" * 100_000, id="endless"),
    ],
)
async def test_anything_else_is_nobody(rt, token):
    assert await find_token_actor(rt, token) is None


@pytest.mark.parametrize(
    "label", ["", "  ", "x" * 101, "a\nb", "a\x00b"], ids=["empty", "blank", "long", "line-break", "nul"]
)
async def test_a_token_says_what_it_is_for(ada, database, label):
    with pytest.raises(Invalid) as raised:
        await create_api_token(database, user_id=ada.id, label=label, expires=None)
    assert list(raised.value.problems) == ["label"]
