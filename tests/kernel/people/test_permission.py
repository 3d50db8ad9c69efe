"""Every permission that the kernel asks for stands in its list, and in what tells administrators of it."""

import re

import pytest

from kernel.item_type.model import ItemType
from kernel.people.permission import KERNEL_PERMISSIONS, is_restricted, join_permissions, list_gone
from kernel.tap.answers import Permission
from tests.checks.sources import ROOT

ASKED = re.compile(r"""(?:\bmay|\brequire)\(["']([a-z][a-z_ ]+)["']""")
NAMED = re.compile(
    r"""^[A-Z_]+(?:: Final)? = ["']((?:access|administer|use|view) [a-z_ ]+)["']""", re.MULTILINE
)


def list_asked():
    texts = [
        path.read_text(encoding="utf-8")
        for folder, pattern in (("kernel", "*.py"), ("web", "*.py"), ("templates", "*.html"))
        for path in (ROOT / folder).rglob(pattern)
    ]
    return {name for text in texts for found in (ASKED, NAMED) for name in found.findall(text)}


def test_what_is_asked_for_can_be_given():
    known = {permission.name for permission in KERNEL_PERMISSIONS}
    asked = list_asked()
    assert {"administer users", "access content overview"} <= asked
    assert asked - known == set()


def test_the_document_has_the_same_list():
    told = re.findall(
        r"^\| `([a-z_ ]+)` \|", (ROOT / "docs/people.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(told) == sorted(permission.name for permission in KERNEL_PERMISSIONS)


def test_each_is_listed_once_and_the_words_of_the_kernel_stand():
    types = [ItemType("recipe", "Recipe", "", None, ())]
    declared = [
        Permission("create recipe content", "Cook", "", "kitchen"),
        Permission("administer stoves", "Light them", "", "kitchen"),
    ]
    known = {permission.name: permission for permission in join_permissions(types, declared)}
    assert known["create recipe content"].title == "Create: Recipe"
    assert known["administer stoves"].group == "Plugin kitchen"
    assert known["administer stoves"].is_restricted
    assert len(known) == len(KERNEL_PERMISSIONS) + 5 + 1
    gone = list_gone([{"ride a pony", "access content"}], known.values())
    assert [permission.name for permission in gone] == ["ride a pony"]


@pytest.mark.parametrize(
    ("name", "expected"), [("administer x", True), ("administerx", False), ("use x", False)]
)
def test_what_administers_is_far_reaching(name, expected):
    assert is_restricted(name) is expected
