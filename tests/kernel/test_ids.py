"""Ids of rows are in the order in which they were made."""

from itertools import pairwise
from uuid import RFC_4122

from kernel.ids import uuid7


def test_ids_made_one_after_another_are_in_order_and_of_version_seven():
    made = [uuid7() for _ in range(2_000)]
    # A clock that is set back between two of them is the one exception.
    assert sum(earlier >= later for earlier, later in pairwise(made)) <= 1
    assert {(each.version, each.variant) for each in made} == {(7, RFC_4122)}
