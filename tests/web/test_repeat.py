"""A program that repeats a request with the same Idempotency-Key gets the first answer, and nothing happens twice."""

import asyncio

import pytest

POST = {"title": "Once", "fields": {"field_body": {"value": "<p>Words</p>", "format": "filtered_html"}}}
KEY = {"Idempotency-Key": "7e0c6d3a-first"}


async def count_revisions(site):
    async with site.worker.db.acquire() as conn:
        return await conn.fetchval("SELECT count(*) FROM item_revision")


@pytest.fixture
async def program(site):
    """A program that acts as an administrator."""
    editor = await site.make_user("ada", is_admin=True)
    async with site.client(token=await site.make_token(editor)) as client:
        yield client


async def test_two_creates_with_one_key_at_once_are_one_item(site, program):
    first, second = await asyncio.gather(
        *(program.post("/item/add/blog", json=POST, headers=KEY) for _ in "ab")
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert first.headers["Location"] == second.headers["Location"]
    assert await count_revisions(site) == 1


async def test_a_save_that_is_repeated_later_gets_its_first_answer(site, program):
    path = (await program.post("/item/add/blog", json=POST)).json()["path"]
    edit = {"title": "Twice"}
    first = await program.post(f"{path}/edit", json=edit, headers=KEY)
    await program.post(f"{path}/edit", json={"title": "Three times"})
    again = await program.post(f"{path}/edit", json=edit, headers=KEY)
    assert (again.status_code, again.json()) == (200, first.json())
    assert await count_revisions(site) == 3
    assert (await program.get(path, headers={"Accept": "application/json"})).json()["title"] == "Three times"


async def test_a_conflict_stays_a_conflict(site, program):
    made = (await program.post("/item/add/blog", json=POST)).json()
    await program.post(f"{made['path']}/edit", json={"title": "Theirs"})
    late = {"title": "Mine", "revision": made["revision_id"]}
    answers = [await program.post(f"{made['path']}/edit", json=late, headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [409, 409]
    assert await count_revisions(site) == 2


async def test_a_delete_that_is_repeated_is_told_again_and_one_without_a_key_is_not_found(program):
    made = (await program.post("/item/add/blog", json=POST)).json()
    answers = [await program.post(f"{made['path']}/delete", json={}, headers=KEY) for _ in range(2)]
    assert [(answer.status_code, answer.json()) for answer in answers] == 2 * [(200, {"deleted": made["id"]})]
    assert (await program.post(f"{made['path']}/delete", json={})).status_code == 404


async def test_another_document_another_address_and_no_key_are_other_requests(site, program):
    ids = {
        (await program.post(f"/item/add/{type_name}", json=sent, headers=headers)).json()["id"]
        for type_name, sent, headers in (
            ("blog", POST, KEY),
            ("blog", {**POST, "title": "Corrected"}, KEY),
            ("page", POST, KEY),
            ("blog", POST, {}),
            ("blog", POST, {}),
            ("blog", dict(reversed(POST.items())), KEY),  # the first one, written in another order
        )
    }
    assert len(ids) == 5


async def test_nobody_is_given_the_answer_of_somebody_else(site, program):
    first = await program.post("/item/add/blog", json=POST, headers=KEY)
    other = await site.make_user("bea", is_admin=True)
    async with site.client(token=await site.make_token(other)) as stranger:
        second = await stranger.post("/item/add/blog", json=POST, headers=KEY)
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


@pytest.mark.parametrize(
    "key", ["", " ", "x" * 129, "a b", "ä"], ids=["empty", "blank", "long", "space", "ascii"]
)
async def test_a_key_that_is_none_is_refused_before_anything_happens(site, program, key):
    answer = await program.post("/item/add/blog", json=POST, headers={"Idempotency-Key": key.encode()})
    assert answer.status_code == 400
    assert "Idempotency-Key" in answer.json()["error"]["message"]
    assert await count_revisions(site) == 0


async def test_numbers_that_no_field_can_hold_are_told_as_without_a_key(program):
    answer = await program.post(
        "/item/add/blog",
        content='{"title": "x", "fields": {"field_reading_minutes": {"value": 123456789012345678901234567890}}}',
        headers={**KEY, "Content-Type": "application/json"},
    )
    assert answer.status_code == 422
