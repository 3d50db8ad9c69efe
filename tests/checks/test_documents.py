"""What the documents promise is there: links, commands, paths and environment variables."""

import ast
import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Final

import pytest

from tests.checks.sources import ROOT, list_files, refuse

LINK: Final = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE: Final = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
SPAN: Final = re.compile(r"`([^`\n]+)`")
HEADING: Final = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
MAKE: Final = re.compile(r"(?:^|[\s;&(])make\s+([a-z][a-z-]*)", re.MULTILINE)
TARGET: Final = re.compile(r"^([a-z][a-z-]*)\s*:(?!=)", re.MULTILINE)
TREE_PATH: Final = re.compile(r"(?:kernel|web|workers|plugins|migrations|templates|tests|docs)/[\w./-]*")
VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
# A row of a table in configure.md: | `PORT` | meaning | `3000` | `8080` |
VARIABLE_ROW: Final = re.compile(r"^\|\s*`([A-Z][A-Z0-9_]*)`\s*\|(.+)\|\s*$", re.MULTILINE)


def read_documents() -> dict[str, str]:
    """Every document of the tree by its path."""
    tops = sorted(
        {path.name for path in ROOT.glob("*.md")} | {"docs", "plugins", "tests", "templates", "web"}
    )
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in list_files(*tops, suffixes=(".md",))
    }


def code_of(text: str) -> str:
    """What a document sets as code, fenced or between backticks, a line each."""
    fences = FENCE.findall(text)
    return "\n".join([*fences, *SPAN.findall(FENCE.sub("", text))])


def anchors_of(text: str) -> set[str]:
    """The fragments that a link into this document may have."""
    headings = HEADING.findall(FENCE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def find_dead_links(documents: Mapping[str, str], existing: Iterable[str]) -> list[str]:
    """A complaint for each relative link to a file or heading that is not there."""
    existing = set(existing) | {str(parent) for path in existing for parent in PurePosixPath(path).parents}
    complaints = []
    for path, text in documents.items():
        for match in LINK.finditer(FENCE.sub("", text)):
            target = match[1] or match[2]
            if re.match(r"[a-z]+:", target):
                continue
            file, _, fragment = target.partition("#")
            wanted = resolve(path, file) if file else path
            if wanted not in existing and wanted not in documents:
                complaints.append(f"{path}: links to {target}, which is not there")
            elif fragment and wanted in documents and fragment not in anchors_of(documents[wanted]):
                complaints.append(f"{path}: links to {target}, but no heading there is called so")
    return complaints


def resolve(document: str, link: str) -> str:
    """The path from the root of what a link in a document means."""
    parts: list[str] = []
    for part in [*PurePosixPath(document).parent.parts, *PurePosixPath(link).parts]:
        if part == "..":
            if not parts:
                return ".."
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def find_missing_targets(documents: Mapping[str, str], makefile: str) -> list[str]:
    """A complaint for each `make` command in a document that the Makefile does not know."""
    known = set(TARGET.findall(makefile))
    return [
        f"{path}: make {target} is not in the Makefile"
        for path, text in documents.items()
        for target in MAKE.findall(code_of(text))
        if target not in known
    ]


def find_missing_paths(documents: Mapping[str, str], existing: Iterable[str]) -> list[str]:
    """A complaint for each file or folder of the tree that a document names as code and that is not there."""
    existing = set(existing) | {str(parent) for path in existing for parent in PurePosixPath(path).parents}
    return [
        f"{path}: names {span}, which is not there"
        for path, text in documents.items()
        for span in SPAN.findall(FENCE.sub("", text))
        if TREE_PATH.fullmatch(span) and span.rstrip("/") not in existing
    ]


def variables_of_code(config: str) -> dict[str, str | None]:
    """The environment variables that config.py asks for, with the default where it is a literal."""
    found: dict[str, str | None] = {}
    for node in ast.walk(ast.parse(config)):
        if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
            continue
        name = node.args[0].value
        if isinstance(node.func, ast.Attribute) and isinstance(name, str) and VARIABLE.fullmatch(name):
            default = node.args[1] if len(node.args) > 1 else None
            found[name] = written(default.value) if isinstance(default, ast.Constant) else None
    return found


def written(value: object) -> str:
    """A default as people write it into an environment."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def check_variables(config: str, document: str) -> list[str]:
    """A complaint for each variable that code or document alone knows, and for each other default."""
    in_code = variables_of_code(config)
    in_document = {name: rest.split("|")[1].strip() for name, rest in VARIABLE_ROW.findall(document)}
    complaints = [
        f"{name} is read, but configure.md does not tell" for name in in_code if name not in in_document
    ]
    complaints += [
        f"{name} stands in configure.md, but nobody reads it" for name in in_document if name not in in_code
    ]
    for name, default in in_code.items():
        told = in_document.get(name)
        if told is not None and default is not None and told != (f"`{default}`" if default else "none"):
            complaints.append(f"{name}: configure.md says {told}, the code says {default or 'none'}")
    return complaints


def all_paths() -> set[str]:
    return {
        path.relative_to(ROOT).as_posix()
        for path in [
            *ROOT.glob("*"),
            *(p for top in ROOT.iterdir() if is_ours(top.name) for p in top.rglob("*")),
        ]
    }


def is_ours(name: str) -> bool:
    return name == ".ci" or not (name.startswith(".") or name == "var")


def test_links_in_the_documents_lead_somewhere():
    documents = read_documents()
    assert "README.md" in documents
    refuse(find_dead_links(documents, all_paths()))


def test_paths_in_the_documents_exist():
    documents = {path: text for path, text in read_documents().items() if path != "CHANGELOG.md"}
    refuse(find_missing_paths(documents, all_paths()))


def test_make_commands_in_the_documents_exist():
    refuse(find_missing_targets(read_documents(), (ROOT / "Makefile").read_text(encoding="utf-8")))


# What an image or a service decides for all that are made of it, or where a container has one of a thing.
OF_THE_IMAGE: Final = {
    "PORT",
    "TROVATO_HOST",
    "TROVATO_PLUGINS",
    "TROVATO_TEMPLATES",
    "TROVATO_VAR",
    "WORKER_PROCESSES",
}


def test_containers_are_given_every_variable():
    config = (ROOT / "kernel/config.py").read_text(encoding="utf-8")
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    given = set(re.findall(r"^ +([A-Z][A-Z0-9_]*): ", compose, re.MULTILINE))
    assert set(variables_of_code(config)) - given == OF_THE_IMAGE
    # From .env, under the same name, and empty where nothing stands there.
    for name, source in re.findall(r"^ +([A-Z][A-Z0-9_]*): \$\{(\w+):-", compose, re.MULTILINE):
        assert name == source


def test_configure_tells_of_every_variable_and_its_default():
    config = (ROOT / "kernel/config.py").read_text(encoding="utf-8")
    document = (ROOT / "docs/configure.md").read_text(encoding="utf-8")
    assert "DATABASE_URL" in variables_of_code(config)
    refuse(check_variables(config, document))


DOCUMENTS: Final = {
    "README.md": "# Trovato\n\n## Two commands\n\n[how](docs/install.md) `make run`\n\n```\nmake test\n```\n",
    "docs/install.md": "# Install\n\n[back](../README.md#two-commands) [here](#install) [out](https://example.org)",
}


def test_living_links_pass():
    assert find_dead_links(DOCUMENTS, DOCUMENTS) == []


@pytest.mark.parametrize(
    "link",
    [
        "[x](docs/none.md)",
        "[x](#nowhere)",
        "[x](docs/install.md#nowhere)",
        "![x](none.png)",
        "[x](../outside.md)",
    ],
)
def test_a_dead_link_is_caught(link):
    assert len(find_dead_links({**DOCUMENTS, "OTHER.md": link}, DOCUMENTS)) == 1


def test_a_link_inside_code_is_none():
    assert find_dead_links({"README.md": "```\n[x](none.md)\n```\n"}, []) == []


def test_make_commands_are_looked_up():
    assert find_missing_targets(DOCUMENTS, "run: install\n\ttrue\ntest:\n\ttrue\n") == []
    assert find_missing_targets(DOCUMENTS, "run := 1\ntest:\n") == [
        "README.md: make run is not in the Makefile"
    ]
    assert find_missing_targets({"a.md": "we make sure, in prose"}, "") == []


def test_paths_are_looked_up():
    files = ["kernel/item/save.py"]
    assert find_missing_paths(
        {"a.md": "`kernel/item/` `kernel/item/save.py` `/item/{id}` `web/`"}, files
    ) == ["a.md: names web/, which is not there"]


CONFIG: Final = """
def read_config(env):
    return Config(
        port=int(reader.number("PORT", 3000, 1, 65_535)),
        wait=reader.number("SAVE_WAIT_S", 2.0, 0.0, 30.0),
        site=reader.url("SITE_URL", "", ("http", "https")),
        secure=reader.flag("SECURE_COOKIES", site_url.startswith("https://")),
    )
"""
TABLE: Final = """
| variable | meaning | default | example |
|---|---|---|---|
| `PORT` | where it listens | `3000` | `8080` |
| `SAVE_WAIT_S` | how long a save is waited for | `2` | `5` |
| `SITE_URL` | the address people use | none | `https://example.org` |
| `SECURE_COOKIES` | HTTPS alone | `true` when the address is HTTPS | `true` |
"""


def test_a_document_that_agrees_with_the_code_passes():
    assert check_variables(CONFIG, TABLE) == []


@pytest.mark.parametrize(
    ("config", "document", "complaint"),
    [
        pytest.param(CONFIG, TABLE.replace("| `PORT`", "| PORT"), "PORT is read", id="not-in-the-document"),
        pytest.param(CONFIG.replace('"PORT"', "NAME"), TABLE, "nobody reads it", id="not-in-the-code"),
        pytest.param(CONFIG, TABLE.replace("`3000`", "`3001`"), "the code says 3000", id="another-default"),
        pytest.param(CONFIG, TABLE.replace("none", "`x`"), "the code says none", id="a-default-that-is-none"),
    ],
)
def test_a_document_that_disagrees_is_caught(config, document, complaint):
    complaints = check_variables(config, document)
    assert len(complaints) == 1
    assert complaint in complaints[0]
