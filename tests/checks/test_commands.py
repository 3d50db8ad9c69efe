"""Every command that a document or a message tells people to type exists."""

import re
from collections.abc import Iterable, Mapping
from typing import Final

import click
import pytest

from kernel.__main__ import main
from tests.checks.sources import Source, parse, refuse, texts
from tests.checks.test_documents import code_of, read_documents

COMMAND: Final = re.compile(r"(?<![\w/.:\"'-])trovato((?: [a-z][a-z-]*)+)")


def find_unknown_commands(text: str, group: click.Group) -> list[str]:
    """The commands of a text that end at an unknown word; what follows a whole command is an argument."""
    unknown = []
    for found in COMMAND.finditer(text):
        current: click.Command = group
        for word in found[1].split():
            if not isinstance(current, click.Group):
                break
            if word not in current.commands:
                unknown.append(found[0])
                break
            current = current.commands[word]
    return unknown


def check_document_commands(documents: Mapping[str, str], group: click.Group) -> list[str]:
    return [
        f"{path}: there is no command `{command}`"
        for path, text in documents.items()
        for command in find_unknown_commands(code_of(text), group)
    ]


def check_message_commands(tree: Iterable[Source], group: click.Group) -> list[str]:
    return [
        source.at(line, f"there is no command `{command}`")
        for source in tree
        for line, text in texts(source)
        for command in find_unknown_commands(text, group)
    ]


def test_commands_in_the_documents_exist():
    refuse(check_document_commands(read_documents(), main))


def test_commands_in_messages_exist(product):
    refuse(check_message_commands(product, main))


@click.group()
def example():
    pass


@example.group("user")
def example_user():
    pass


@example_user.command("create")
def example_create():
    pass


@pytest.mark.parametrize(
    "text", ["`trovato remove`", "`trovato user remove ada`", "```\ntrovato remove\n```"]
)
def test_a_command_that_does_not_exist_is_caught(text):
    assert len(check_document_commands({"a.md": text}, example)) == 1


def test_a_message_with_a_command_that_does_not_exist_is_caught():
    code = 'x = f"{name} is blocked. Run: trovato user unblock {name}"'
    assert check_message_commands([parse("web/pages.py", code)], example) == [
        "web/pages.py:1: there is no command `trovato user unblock`"
    ]


@pytest.mark.parametrize(
    "text", ["`trovato user create ada`", "`trovato --help`", "`var/trovato log`", "trovato moves"]
)
def test_commands_that_exist_and_other_words_pass(text):
    assert check_document_commands({"a.md": text}, example) == []
