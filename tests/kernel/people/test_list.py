"""The list of people goes forward and back through everybody once, in each order, and finds what it is asked for."""

import pytest

from kernel.ids import uuid7
from kernel.people.model import SORTS, PeopleFilter
from kernel.people.store import list_counted_roles, list_people, set_roles
from kernel.user.store import insert_role, update_login_time

PAGE = 3


async def fill(conn):
    """Eleven people, of whom several were made at the same moment, some never came, and some are blocked."""
    await insert_role(conn, "editor")
    role = next(role for role in await list_counted_roles(conn) if role.name == "editor")
    for number in range(11):
        user_id = uuid7()
        await conn.execute(
            """
            INSERT INTO users (id, name, mail, status, is_admin, created)
            VALUES ($1, $2, $3, $4, $5, '2026-01-01'::timestamptz + make_interval(days => $6))
            """,
            user_id,
            f"{'Ab'[number % 2]}{'é' if number == 3 else 'e'} {number * 7 % 11:02}",
            None if number % 3 else f"p{number}%_@example.org",
            0 if number % 4 == 1 else 1,
            number == 5,
            number // 4,
        )
        if number % 2:
            at = await conn.fetchval("SELECT now() - make_interval(mins => $1)", number // 3)
            await update_login_time(conn, user_id, at)
            await set_roles(conn, user_id, [role.id])
    return role


@pytest.mark.parametrize("sort", SORTS)
async def test_every_page_holds_whom_the_one_before_does_not(conn, sort):
    await fill(conn)
    chosen = PeopleFilter(sort=sort)
    everybody = (await list_people(conn, chosen, after=None, before=None, limit=50)).people
    assert len(everybody) == 11
    page = await list_people(conn, chosen, after=None, before=None, limit=PAGE)
    pages = [page]
    while page.after is not None:
        page = await list_people(conn, chosen, after=page.after, before=None, limit=PAGE)
        pages.append(page)
    assert [person for page in pages for person in page.people] == everybody
    for earlier, later in zip(pages[-2::-1], pages[:0:-1], strict=True):
        assert await list_people(conn, chosen, after=None, before=later.before, limit=PAGE) == earlier
    assert pages[0].before is None
    # Somebody who was deleted meanwhile is no place to go on from.
    assert await list_people(conn, chosen, after=uuid7(), before=None, limit=PAGE) == pages[0]


async def test_filters_find_parts_of_names_and_addresses_as_they_are_written(conn):
    role = await fill(conn)

    async def count(**chosen):
        page = await list_people(conn, PeopleFilter(**chosen), after=None, before=None, limit=50)
        assert page.total == len(page.people)
        return page.total

    assert await count(text="É") == 1
    assert await count(text="%_@") == 4
    assert await count(text="%") == 4
    assert await count(status="blocked") == 3
    assert await count(role="admin") == 1
    assert await count(role=str(role.id)) == 5
    assert await count(role=str(role.id), status="active") == 2
