"""`trovato user` and `trovato role`, run as an operator runs them: in processes of their own."""

import pytest

from kernel.user.account import create_user
from kernel.user.store import find_credentials, list_api_tokens

pytestmark = pytest.mark.timeout(60)


async def test_an_operator_blocks_somebody_and_sets_a_password(trovato, database):
    await create_user(database, name="Ada", password="correct horse battery", is_admin=True)
    await create_user(database, name="Bob", password=None)
    last = await trovato("user", "block", "ada")
    assert last.status == 1
    assert "the last administrator" in last.err
    done = await trovato("user", "block", "bob")
    assert (done.status, done.out) == (0, "Blocked.\n"), done.err
    done = await trovato("user", "passwd", "bob", "--password", "a long sentence")
    assert done.status == 0, done.err
    async with database.acquire() as conn:
        bob = await find_credentials(conn, "bob")
    assert not bob.user.is_active
    assert bob.pass_hash.startswith("$argon2id$")


async def test_a_permission_is_spelt_as_something_asks_for_it(trovato, database):
    bob = await create_user(database, name="Bob", password=None)
    made = await trovato("user", "token", "bob", "--scope", "access content", "--days", "7")
    assert made.out.startswith("trovato_"), made.err
    async with database.acquire() as conn:
        (token,) = await list_api_tokens(conn, bob.id)
    assert token.scope == ["access content"]
    wrong = await trovato("role", "grant", "authenticated user", "acess content")
    assert wrong.status == 1
    assert "Did you mean 'access content'" in wrong.err
