"""A site without plugins, the batches of which are done in the test's own process."""

from dataclasses import replace

import pytest

from kernel.app.open import open_kernel
from kernel.context import Actor, Context
from kernel.user.account import create_user
from tests.kernel.batch.batch_site import BatchSite

FIELDS = [
    {"name": "field_body", "label": "Body", "kind": "text_long"},
    {"name": "field_place", "label": "Place", "kind": "text", "required": True},
    {"name": "field_count", "label": "Count", "kind": "integer"},
    {"name": "field_open", "label": "Open", "kind": "boolean"},
    {"name": "field_day", "label": "Day", "kind": "date"},
]


@pytest.fixture
async def site(config, renderer):
    ready = replace(config, lease_s=30.0)
    async with open_kernel(ready, role="worker", with_plugins=False, renderer=renderer) as rt:
        async with rt.db.acquire() as conn:
            await conn.execute(
                "INSERT INTO item_type (type, label, settings) VALUES ('note', 'Note', $1)",
                {"fields": FIELDS},
            )
            await conn.execute("INSERT INTO search_field_config VALUES ('note', 'field_body', 'C')")
        admin = await create_user(rt.db, name="ada", password=None, is_admin=True)
        yield BatchSite(rt, Context(actor=Actor(id=admin.id, name="ada", is_admin=True), request_id="r-1"))
