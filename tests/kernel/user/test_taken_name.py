"""Nobody gets a name that a reader takes for somebody else's, by whichever door and at whichever moment."""

import asyncio

import pytest

from kernel.clock import now
from kernel.errors import Invalid
from kernel.ids import uuid7
from kernel.people.store import insert_person, update_person
from kernel.user.account import create_user
from kernel.user.name import check_new_name
from kernel.user.proof.store import insert_registered
from kernel.user.skeleton import build_skeleton
from kernel.user.store import insert_user, list_without_skeleton
from kernel.user.taken_name import LOOKALIKE, check_taken_name, fill_skeletons

CYRILLIC_ACE = "\u0430\u0441\u0435"


@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param("ace", CYRILLIC_ACE, id="cyrillic"),
        pytest.param("ace", "\u0410\u0421\u0415", id="cyrillic-capitals"),
        pytest.param("Ace", CYRILLIC_ACE, id="other-case"),
        pytest.param("HOPE", "\u041d\u041e\u0420\u0415", id="cyrillic-capitals-of-small-letters-that-differ"),
        pytest.param("ano", "\u0251no", id="latin-alpha"),
        pytest.param("abc", "\ua4ee\ua4d0\ua4da", id="lisu"),
        pytest.param("Alice", "AIice", id="capital-i-for-l"),
        pytest.param("user1", "userl", id="l-for-1"),
        pytest.param("bob0", "bobo", id="o-for-0"),
        pytest.param("modem", "modern", id="rn-for-m"),
    ],
)
def test_what_looks_alike_has_one_skeleton(name, other):
    assert build_skeleton(name) == build_skeleton(other)


def test_what_looks_different_has_another():
    names = [
        "Zoë",
        "Zoe",
        "user1",
        "user2",
        "Ann",
        "Anna",
        "李明",
        "李朋",
        "κατε",
        "kate",
        "Маша",
        "Masha",
        "o'hara",
    ]
    assert len(set(map(build_skeleton, names))) == len(names)
    assert "is kept for" in check_new_name("the s\u0131te")


async def test_no_door_gives_a_name_that_looks_like_anothers(database):
    ace = await create_user(database, name="Ace", password=None, is_admin=True)
    with pytest.raises(Invalid) as raised:
        await create_user(database, name=CYRILLIC_ACE, password=None)
    assert raised.value.problems == {"name": LOOKALIKE}
    async with database.transaction() as tx:
        assert await check_taken_name("ACE", tx.conn) == "The username ACE is taken. Choose another one."
        assert await check_taken_name(CYRILLIC_ACE, tx.conn) == LOOKALIKE
        # Another spelling of one's own is one's own.
        assert await check_taken_name(CYRILLIC_ACE, tx.conn, owner_id=ace.id, before="Ace") == ""
        registered = {"mail": "a@example.org", "pass_hash": "x", "awaits_approval": True}
        assert await insert_registered(tx.conn, name=CYRILLIC_ACE, **registered) is None
        account = {"mail": None, "is_active": True, "is_admin": True}
        await update_person(tx.conn, user_id=ace.id, name="Kit", **account)
        assert await check_taken_name("ACE", tx.conn) == ""
        assert await check_taken_name("K\u0131t", tx.conn) == LOOKALIKE
        eva = uuid7()
        await insert_person(tx.conn, user_id=eva, name="Eva", mail=None, pass_hash=None, now=now())
        assert await check_taken_name("\u0415va", tx.conn, owner_id=ace.id, before="Kit") == LOOKALIKE


async def test_of_two_who_take_such_names_at_once_one_is_refused(database):
    """Also when neither sees the other's: the index decides."""
    without = {"pass_hash": None, "mail": None, "is_admin": False}
    async with database.acquire() as conn:
        async with database.transaction() as first:
            assert await insert_user(first.conn, name="ace", **without)
            assert await check_taken_name(CYRILLIC_ACE, conn) == ""
            second = asyncio.create_task(insert_user(conn, name=CYRILLIC_ACE, **without))
        assert await second is None


async def test_accounts_that_look_alike_already_keep_their_names_and_get_no_third(database):
    async with database.transaction() as tx:
        for number, name in enumerate(["Ace", CYRILLIC_ACE, "A\u0441e", "Bea"]):
            await tx.conn.execute(
                "INSERT INTO users (id, name, created) VALUES ($1, $2, now() + $3 * interval '1 day')",
                uuid7(),
                name,
                number,
            )
    # A new one that came before they were filled in.
    await create_user(database, name="\u0412\u0435\u0430", password=None)
    assert await fill_skeletons(database) == 4
    assert await fill_skeletons(database) == 0
    async with database.acquire() as conn:
        assert await list_without_skeleton(conn, 10) == []
        rows = await conn.fetch("SELECT name, twin FROM users WHERE name <> '' ORDER BY created, name")
        assert {row["name"]: row["twin"] for row in rows} == {
            "Ace": 0,
            CYRILLIC_ACE: 1,
            "A\u0441e": 2,
            "Bea": 1,
            "\u0412\u0435\u0430": 0,
        }
        await conn.execute("DELETE FROM users WHERE name = 'Ace'")
        # Her twins are still there.
        assert await check_taken_name("\u0410CE", conn) == LOOKALIKE
