"""`trovato user reset-second-factor`, run as an operator runs it: in a process of its own."""

import pytest

from kernel.user.account import create_user
from kernel.user.entry.store import SecondFactor, find_second_factor, insert_second_factor


@pytest.mark.timeout(60)
async def test_an_operator_lets_somebody_in_who_has_lost_everything(trovato, database):
    ada = await create_user(database, name="Ada", password="correct horse battery")
    async with database.transaction() as tx:
        assert await insert_second_factor(tx.conn, SecondFactor(ada.id, "SECRET", (b"digest",)))
        assert not await insert_second_factor(tx.conn, SecondFactor(ada.id, "OTHER", ()))
    done = await trovato("user", "reset-second-factor", "ada")
    assert (done.status, done.out) == (0, "The password alone is asked for now.\n"), done.err
    async with database.acquire() as conn:
        assert await find_second_factor(conn, ada.id) is None
        (told,) = await conn.fetch("SELECT action, actor_name, subject_label FROM audit_event")
    assert tuple(told) == ("account.second_factor_reset", "the command line", "Ada")
    unknown = await trovato("user", "reset-second-factor", "bob")
    assert unknown.status == 1
    assert "bob" in unknown.err
