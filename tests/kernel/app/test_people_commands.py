"""`trovato user` and `trovato role`, run as an operator runs them: in processes of their own."""

import pytest

from kernel.names import OPERATOR_ID, OPERATOR_NAME
from kernel.people.store import list_counted_roles
from kernel.user.account import create_user
from kernel.user.store import find_credentials, list_api_tokens

pytestmark = pytest.mark.timeout(90)


async def read_log(conn):
    """What was done to whom, in that order; each by the command line, and by a job of its own that was tried once."""
    rows = await conn.fetch(
        """
        SELECT event.*, job.attempts, job.status FROM audit_event event LEFT JOIN job ON job.id = event.job_id
        ORDER BY at, event.id
        """
    )
    assert {(row["actor_id"], row["actor_name"]) for row in rows} == {(OPERATOR_ID, OPERATOR_NAME)}
    assert {(row["attempts"], row["status"]) for row in rows} == {(1, "done")}
    assert len({row["job_id"] for row in rows}) == len(rows)
    return [(row["action"], row["subject_label"]) for row in rows]


async def test_an_operator_blocks_somebody_and_sets_a_password(trovato, database):
    """By the jobs of the pages: with the same rules, and in the audit log."""
    await create_user(database, name="Ada", password="correct horse battery", is_admin=True)
    last = await trovato("user", "block", "ada")
    assert last.status == 1
    assert "the last administrator" in last.err
    alike = await trovato("user", "create", "\u0410\u0501\u0430", "--password", "a long sentence")
    assert alike.status == 1
    assert "looks too much like that of another account" in alike.err
    for arguments, said in (
        (("user", "create", "Bob", "--mail", "bob@example.org", "--password", "a long sentence"), "Bob "),
        (("user", "block", "bob"), "Blocked.\n"),
        (("user", "passwd", "bob", "--password", "another long sentence"), "The password is set.\n"),
    ):
        done = await trovato(*arguments)
        assert done.status == 0, done.err
        assert done.out.startswith(said)
    async with database.acquire() as conn:
        bob = await find_credentials(conn, "bob")
        told = await read_log(conn)
    assert not bob.user.is_active
    assert bob.pass_hash.startswith("$argon2id$")
    assert told == [
        ("account.refused", ""),
        ("account.create", "Bob"),
        ("account.block", "Bob"),
        ("account.change", "Bob"),
    ]


async def test_a_permission_is_spelt_as_something_asks_for_it(trovato, database):
    bob = await create_user(database, name="Bob", password=None)
    wrong = await trovato("role", "grant", "authenticated user", "acess content")
    assert wrong.status == 1
    assert "Did you mean 'access content'" in wrong.err
    for arguments in (
        ("role", "create", "Editor"),
        ("role", "grant", "Editor", "use api tokens"),
        ("user", "role", "bob", "Editor"),
        ("user", "login-link", "bob"),
    ):
        done = await trovato(*arguments)
        assert done.status == 0, done.err
    unknown = await trovato("user", "role", "bob", "Edtor")
    assert (unknown.status, unknown.err) == (1, "Error: There is no such role: 'Edtor'. There are: Editor.\n")
    made = await trovato("user", "token", "bob", "--scope", "access content", "--days", "7")
    assert made.out.startswith("trovato_"), made.err
    async with database.acquire() as conn:
        (token,) = await list_api_tokens(conn, bob.id)
        editor = next(role for role in await list_counted_roles(conn) if role.name == "Editor")
    assert token.scope == ["access content"]
    assert token.expires is not None
    assert (editor.people, editor.permissions) == (1, {"use api tokens"})
    gone = await trovato("user", "tokens", "bob", "--delete", token.id)
    assert (gone.status, gone.out) == (0, ""), gone.err
    async with database.acquire() as conn:
        told = await read_log(conn)
    assert told == [
        ("role.add", "Editor"),
        ("role.permissions", "Editor"),
        ("account.add_role", "Bob"),
        ("account.login_link", "Bob"),
        ("account.token_create", "Bob"),
        ("account.token_delete", "Bob"),
    ]
