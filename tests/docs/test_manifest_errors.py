"""Every mistake in a manifest that docs/plugin-errors.md lists is made, and the page lists every one that there is."""

import ast

import pytest

from kernel.app.plugin_check import check_plugin
from kernel.errors import ConfigError
from kernel.plugin import manifest, tables
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets
from tests.docs.conftest import read_rows

SECTION = "In the manifest"
ROWS = read_rows("docs/plugin-errors.md", SECTION)
HEAD = 'name = "recipes"\nversion = "1.0.0"\napi_version = "0.1"\n'
TAPS = '[taps]\nimplements = ["tap_menu", "tap_item_view"]\n'
COLUMNS = '[tables.marks.columns]\nitem_id = "uuid"\nmore = "json"\n'


def with_taps(text):
    return HEAD + TAPS + text


def with_table(text):
    return HEAD + TAPS + COLUMNS + text


MISTAKES = {
    "bad-toml": "name = ",
    "unknown-key": with_taps("[tasp]\n"),
    "missing-text": TAPS,
    "not-text": HEAD.replace('"recipes"', "3") + TAPS,
    "not-texts": HEAD + 'dependencies = "page"\n' + TAPS,
    "not-table": HEAD + "taps = 3\n",
    "bad-name": HEAD + 'dependencies = ["A Page"]\n' + TAPS,
    "name-elsewhere": HEAD.replace("recipes", "meals") + TAPS,
    "bad-version": HEAD.replace("1.0.0", "one") + TAPS,
    "api-version": HEAD.replace("0.1", "9.9") + TAPS,
    "self-dependency": HEAD + 'dependencies = ["recipes"]\n' + TAPS,
    "no-taps": HEAD,
    "unknown-tap": (HEAD + TAPS).replace("tap_menu", "tap_mneu"),
    "twice": (HEAD + TAPS).replace("tap_item_view", "tap_menu"),
    "stray-options": with_taps("[taps.options.tap_cron]\nweight = 1\n"),
    "not-for-this-tap": with_taps('[taps.options.tap_menu]\ndata_mode = "full"\n'),
    "data-mode": with_taps('[taps.options.tap_item_view]\ndata_mode = "fast"\n'),
    "no-field": with_taps('[taps.options.tap_item_view]\nfields = ["body"]\n'),
    "bad-weight": HEAD + TAPS + "weight = 5000\n",
    "bad-host": with_taps('[capabilities]\nhosts = ["https://example.com/"]\n'),
    "not-boolean": with_table('[[tables.marks.indexes]]\ncolumns = ["item_id"]\nunique = "yes"\n'),
    "raw-sql": with_taps("[capabilities]\nraw_sql = true\n"),
    "bad-budget": with_taps("[budgets]\ncpu_ms = 0\n"),
    "over-budget": with_taps("[budgets]\ncpu_ms = 9999\n"),
    "too-many-tables": with_taps("".join(f'[tables.t{n}.columns]\na = "text"\n' for n in range(21))),
    "bad-table-name": with_taps('[tables."My Marks".columns]\na = "text"\n'),
    "no-columns": with_taps("[tables.marks.columns]\n"),
    "too-many-columns": with_taps(
        "[tables.marks.columns]\n" + "".join(f'c{n} = "text"\n' for n in range(61))
    ),
    "bad-column-name": with_table('"My Note" = "text"\n'),
    "id-column": with_table('id = "uuid"\n'),
    "reserved-column": with_table('xmin = "text"\n'),
    "column-type": with_table('note = "varchar"\n'),
    "bad-default": with_table('count = { type = "integer", default = "none" }\n'),
    "no-indexes": with_table('[tables.marks.indexes]\ncolumns = ["item_id"]\n'),
    "too-many-indexes": with_table('[[tables.marks.indexes]]\ncolumns = ["item_id"]\n' * 11),
    "index-twice": with_table('[[tables.marks.indexes]]\ncolumns = ["item_id"]\n' * 2),
    "no-index-columns": with_table("[[tables.marks.indexes]]\nunique = true\n"),
    "index-columns": with_table('[[tables.marks.indexes]]\ncolumns = ["item_id", "item_id"]\n'),
    "unknown-column": with_table('[[tables.marks.indexes]]\ncolumns = ["user_id"]\n'),
    "json-index": with_table('[[tables.marks.indexes]]\ncolumns = ["more"]\n'),
}


def read_problems(folder, content):
    path = folder / "recipes" / "recipes.info.toml"
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ConfigError) as failure:
        read_manifest(path, Budgets())
    assert all(problem.startswith(f"{path}:") for problem in failure.value.problems)
    return failure.value.problems


@pytest.mark.story("3.18")
@pytest.mark.parametrize("code", MISTAKES)
def test_a_mistake_is_told_as_the_page_says(code, tmp_path):
    problems = read_problems(tmp_path, MISTAKES[code].encode())
    assert any(ROWS[code].looks.search(problem) for problem in problems), problems


def test_a_manifest_that_is_no_text_or_not_there_is_told_as_the_page_says(tmp_path):
    (problem,) = read_problems(tmp_path, b"\xff\xfe")
    assert ROWS["unreadable"].looks.search(problem)
    (tmp_path / "meals").mkdir()
    first, *_ = check_plugin(tmp_path / "meals", Budgets()).problems
    assert ROWS["no-manifest"].looks.search(first)


def test_every_row_of_the_page_is_provoked():
    assert set(ROWS) == {*MISTAKES, "unreadable", "no-manifest"}


def list_templates(module):
    """The sentences that a module complains with, `…` in place of what they insert."""
    with open(module.__file__, encoding="utf-8") as file:  # noqa: PTH123  # a module knows its file as a text
        tree = ast.parse(file.read())
    names = {
        target.id: part.value.value
        for part in ast.walk(tree)
        if isinstance(part, ast.AnnAssign) and isinstance(part.value, ast.Constant)
        for target in [part.target]
    }
    for part in ast.walk(tree):
        if (
            isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr == "complain"
        ):
            yield write_template(part.args[1], names)


def write_template(told, names):
    match told:
        case ast.Constant():
            return told.value
        case ast.JoinedStr():
            return "".join(write_template(part, names) for part in told.values)
        case ast.FormattedValue(value=ast.Name(id=name)) if name in names:
            return str(names[name])
        case ast.FormattedValue(conversion=114):  # !r, with the quotes that a text has
            return "'…'"
    return "…"


@pytest.mark.story("3.18")
@pytest.mark.parametrize("module", [manifest, tables], ids=["manifest", "tables"])
def test_every_complaint_of_the_code_stands_on_the_page(module):
    templates = set(list_templates(module))
    assert len(templates) > 10
    for template in templates - {"…"}:
        # A text that is inserted has quotes, a number has none: the page may show either.
        shown = {template, template.replace("'…'", "…")}
        assert any(row.looks.match(text.rstrip(".") + ".") for row in ROWS.values() for text in shown), (
            template
        )
