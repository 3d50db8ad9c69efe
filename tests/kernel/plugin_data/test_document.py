"""What docs/plugin-tables.md shows is what the kernel takes, and its numbers are the kernel's."""

import json
import re

from kernel.host import db_api
from kernel.plugin import tables
from kernel.plugin_data import read, values, where, wishes
from kernel.plugin_data.read import read_delete, read_select, read_update
from kernel.tap import effects
from tests.fixtures.database import ROOT
from tests.fixtures.tables import TABLES

TEXT = (ROOT / "docs" / "plugin-tables.md").read_text()


def test_the_blocks_are_taken():
    select, update, delete = (
        json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)
    )
    assert read_select(TABLES, select).tables == {"vote", "voter"}
    assert read_update(TABLES, update).values == {"stars": 5}
    assert read_delete(TABLES, delete).table == "vote"


def test_the_numbers_are_the_kernels():
    for sentence in (
        f"at most {values.TEXT_MAX:,} characters",
        f"at most {tables.TABLES_MAX} tables of {tables.COLUMNS_MAX} columns and {tables.INDEXES_MAX} indexes",
        f"up to {tables.INDEX_COLUMNS_MAX} columns",
        f"{read.LIMIT_DEFAULT} of them unless `limit` says otherwise (at most {read.LIMIT_MAX:,})",
        f"not more than {db_api.ANSWER_MAX:,} bytes",
        f"At most {where.CONDITIONS_MAX}, nested {where.DEPTH_MAX} deep",
        f"`in` with a list of at most {where.CHOICES_MAX}",
        f"without a match. At most {read.JOINS_MAX}.",
        f"a row ({read.DOCUMENT_MAX:,} characters)",
        f"{effects.WISHES_MAX} changes, of {effects.WISHES_LENGTH_MAX:,} characters together",
        f"When {wishes.WAITING_MAX:,} such jobs wait",
    ):
        assert sentence in " ".join(TEXT.split()), sentence
