"""What is wrong is named, with what to do; nothing is half stored, and nobody sees a traceback."""

import pytest

from kernel.config import read_config
from kernel.errors import ConfigError


@pytest.fixture
async def program(site):
    user = await site.make_user("ada", is_admin=True)
    async with site.client(token=await site.make_token(user)) as client:
        yield client


@pytest.fixture
async def stored(site):
    """How many items and jobs there are, but for the note that a token was used."""

    async def count():
        async with site.worker.db.acquire() as conn:
            return await conn.fetchval(
                "SELECT (SELECT count(*) FROM item)"
                " + (SELECT count(*) FROM job WHERE kind <> 'note_token_use')"
            )

    return count


async def test_an_unknown_type_is_named_with_those_that_exist(program, stored):
    answer = await program.post("/item/add/poem", json={"title": "x"})
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "There is no item type 'poem'. This site has: blog, page."
    assert await stored() == 0


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({}, "title", "The title must be text."),
        ({"title": "  "}, "title", "The title is required."),
        ({"title": "x" * 256}, "title", "The title has 256 characters; 255 is the most."),
        ({"title": "a\x00b"}, "title", "The title holds a character that cannot be stored."),
        ({"title": 3}, "title", "The title must be text."),
        ({"title": "x", "fields": []}, "", "fields must be an object that maps field names to values."),
        ({"title": "x", "fields": {"field_nope": 1}}, "field_nope", "The type Blog post has no such field."),
        (
            {"title": "x", "fields": {"field_summary": "s" * 301}},
            "field_summary",
            "Summary has 301 characters; 300",
        ),
        (
            {"title": "x", "fields": {"field_reading_minutes": "4"}},
            "field_reading_minutes",
            "must be a whole number.",
        ),
        (
            {"title": "x", "fields": {"field_reading_minutes": True}},
            "field_reading_minutes",
            "must be a whole number.",
        ),
        (
            {"title": "x", "fields": {"field_published_on": "1.3.26"}},
            "field_published_on",
            "must be a date like 2026-",
        ),
        ({"title": "x", "fields": {"field_featured": 1}}, "field_featured", "must be true or false."),
        (
            {"title": "x", "fields": {"field_body": {"value": "b", "format": "raw"}}},
            "field_body",
            "must be one of plain_",
        ),
        ({"title": "x", "status": 2}, "status", "status must be true or false."),
        ({"title": "x", "colour": "red"}, "colour", "There is no such key."),
    ],
)
async def test_a_wrong_value_is_named(program, stored, document, field, words):
    answer = await program.post("/item/add/blog", json=document)
    assert answer.status_code == 422
    assert words in answer.json()["error"]["problems"][field]
    assert await stored() == 0


async def test_every_mistake_is_named_at_once(program):
    answer = await program.post("/item/add/blog", json={"title": "", "fields": {"field_featured": "x"}})
    assert sorted(answer.json()["error"]["problems"]) == ["field_body", "field_featured", "title"]


def nest(levels):
    """A document of so many objects and lists within one another."""
    inner = levels - 1
    return b'{"title": ' + b"[" * inner + b"1" + b"]" * inner + b"}"


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[]", b'"x"', b"null", b""])
async def test_malformed_json_is_refused(program, stored, body):
    answer = await program.post("/item/add/page", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "bad-input"
    assert await stored() == 0


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000, nest(5_000), nest(900), nest(33)],
    ids=["open-lists", "open-objects", "lists", "within-a-value", "just-readable", "one-too-many"],
)
async def test_json_that_goes_too_deep_is_refused(program, stored, body):
    for path in ("/item/add/page", "/admin/content/bulk"):
        answer = await program.post(
            path, content=body, headers={"Content-Type": "application/json", "Idempotency-Key": "k"}
        )
        assert answer.status_code == 400
        assert answer.json()["error"] == {
            "code": "bad-input",
            "message": "The body has more than 32 levels of objects and lists within one another.",
        }
    assert await stored() == 0


async def test_a_key_that_is_no_text_is_refused_at_every_door(program):
    for path in ("/item/add/page", "/admin/people/add", "/admin/people/bulk", "/admin/maintenance"):
        for body in (b'{"z\\ud800z": 1}', b'{"title": [{"a": {"\\udc00": 1}}]}'):
            answer = await program.post(path, content=body, headers={"Content-Type": "application/json"})
            assert (answer.status_code, "A key of the body" in answer.text) == (400, True), (
                path,
                answer.text,
            )


async def test_json_that_goes_just_deep_enough_is_read(program):
    answer = await program.post(
        "/item/add/page", content=nest(32), headers={"Content-Type": "application/json"}
    )
    assert answer.json()["error"]["problems"]["title"] == "The title must be text."


async def test_a_body_that_is_too_large_is_refused(program, stored):
    answer = await program.post("/item/add/page", json={"title": "x" * 2_100_000})
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too-large"
    assert await stored() == 0


async def test_a_forged_token_is_refused(site):
    async with site.client(token="trovato_" + "A" * 43) as program:
        answer = await program.post("/item/add/page", json={"title": "x"})
        page = await program.get("/")
    for refused in (answer, page):
        assert refused.status_code == 401
        assert "unknown or has expired" in refused.json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/item/nonexistent", "/item/01936E3B-4F5A-7000-8000-000000000001", "/nope", "/item/x/edit"]
)
@pytest.mark.story("4.5")
async def test_what_does_not_exist_is_not_found(site, path):
    async with site.client() as stranger:
        answer = await stranger.get(path)
        assert answer.status_code == 404
        assert "Traceback" not in answer.text
        as_json = await stranger.get(path, headers={"Accept": "application/json"})
        assert as_json.json()["error"]["code"] == "not-found"
        assert as_json.json()["request_id"] == as_json.headers["X-Request-ID"]


@pytest.mark.parametrize("page", ["0", "2", "-1", "x", "1" * 30, "1;DROP TABLE item", "%00"])
async def test_a_page_that_a_list_does_not_have_is_not_found(site, page):
    async with site.client() as stranger:
        assert (await stranger.get(f"/recent-pages?page={page}")).status_code == 404


def test_every_mistake_of_the_environment_is_named():
    with pytest.raises(ConfigError) as caught:
        read_config(
            {
                "PORT": "http",
                "DATABASE_URL": "mysql://u:secret@h/d",
                "LOG_LEVEL": "LOUD",
                "REDIS_URL": "redis://h",
            }
        )
    text = str(caught.value)
    assert [line.split(" ")[0] for line in text.splitlines()] == [
        "DATABASE_URL",
        "PORT",
        "LOG_LEVEL",
        "DATABASE_URL",
    ]
    assert "secret" not in text
