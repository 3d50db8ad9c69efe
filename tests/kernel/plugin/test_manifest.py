"""A manifest is read whole, and every mistake in it is told at once, with file, line and what was expected."""

import pytest

from kernel.errors import ConfigError
from kernel.plugin.manifest import read_manifest
from kernel.plugin.model import Budgets, Manifest
from kernel.tap.capability import Capabilities
from kernel.tap.registry import TapOptions

CEILINGS = Budgets(cpu_ms=100.0, memory_mb=64, host_calls=100)

WHOLE = """\
name = "blog"
version = "1.2.3"
api_version = "0.1"
description = "Posts."
dependencies = ["page", "media"]

[taps]
implements = ["tap_item_view", "tap_item_presave", "tap_menu"]
weight = 5

[taps.options.tap_item_view]
data_mode = "handle"
fields = ["field_body", "field_summary"]
types = ["blog"]
weight = -2

[functions]
offers = ["get_featured"]

[capabilities]
permissions = ["edit any blog content"]
variables = ["site_name"]
read_types = ["page"]
write_types = ["page", "note"]
hosts = ["api.example.com", "api.example.com:8443", "localhost:9000"]

[budgets]
cpu_ms = 50
memory_mb = 32
host_calls = 20
"""
SMALL = 'name = "blog"\nversion = "1.0.0"\napi_version = "0.1"\n[taps]\nimplements = []\n'


@pytest.fixture
def write(tmp_path):
    def write_manifest(text, name="blog"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        path = folder / f"{name}.info.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write_manifest


@pytest.fixture
def find_problems(write):
    """The complaints about a manifest without the path before them: `7: what is wrong`."""

    def find(text, name="blog"):
        path = write(text, name)
        with pytest.raises(ConfigError) as caught:
            read_manifest(path, CEILINGS)
        assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
        return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]

    return find


@pytest.mark.story("3.4")
def test_everything_is_read(write):
    path = write(WHOLE)
    assert read_manifest(path, CEILINGS) == Manifest(
        name="blog",
        version="1.2.3",
        folder=path.parent,
        description="Posts.",
        dependencies=("page", "media"),
        taps={
            "tap_item_view": TapOptions(
                "handle", frozenset({"field_body", "field_summary"}), frozenset({"blog"}), -2
            ),
            "tap_item_presave": TapOptions(weight=5),
            "tap_menu": TapOptions(weight=5),
        },
        may=Capabilities(
            permissions=frozenset({"edit any blog content"}),
            variables=frozenset({"site_name"}),
            read_types=frozenset({"page"}),
            write_types=frozenset({"page", "note"}),
            hosts=frozenset({"api.example.com", "api.example.com:8443", "localhost:9000"}),
        ),
        functions=frozenset({"get_featured"}),
        budgets=Budgets(cpu_ms=50, memory_mb=32, host_calls=20),
    )


@pytest.mark.story("3.4")
def test_what_is_not_said_has_a_default(write):
    manifest = read_manifest(write(SMALL.replace("[]", '["tap_item_view"]')), CEILINGS)
    assert manifest.taps == {"tap_item_view": TapOptions("full", None, None, 0)}
    assert (manifest.dependencies, manifest.description, manifest.budgets) == ((), "", CEILINGS)
    assert manifest.wasm == manifest.folder / "blog.wasm"


@pytest.mark.story("3.4")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('name = "blog"\nversion = \n', "2: not valid TOML: "),
        ('name = "blog"\n\n[taps\n', "3: not valid TOML: "),
        ('name = "blog"\ndescription = """\nnever closed', "3: not valid TOML: "),
        ('name = "blog"\nname = "blog"\n', "2: not valid TOML: "),
    ],
)
def test_invalid_toml_is_told_with_its_line(find_problems, text, place):
    (problem,) = find_problems(text)
    assert problem.startswith(place)
    assert "(at " not in problem


@pytest.mark.story("3.4")
def test_three_mistakes_are_told_at_once(find_problems):
    text = """\
name = "blog"
version = "one"
api_version = "0.1"

[taps]
implements = [
    "tap_menu",
    "tap_item_veiw",
]

[taps.options.tap_menu]
data_mode = "handle"
"""
    assert find_problems(text) == [
        "2: version 'one' must look like 1.0.0.",
        "8: 'tap_item_veiw' is no tap; did you mean 'tap_item_view'?",
        "12: data_mode means nothing here: tap_menu is handed no item.",
    ]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('name = "blog"', "", "1: name is missing; expected text in quotes."),
        ('name = "blog"', "name = 3", "1: name must be text in quotes, not 3."),
        ('"blog"\n', '"Blog"\n', "1: name 'Blog' must hold a-z, 0-9 and _ only, and start with a letter."),
        ('"blog"\n', '"log"\n', "1: name 'log' must be that of its folder and file: log/log.info.toml."),
        ('api_version = "0.1"', 'api_version = "2"', "3: api_version '2' is not offered; this kernel offers '0.1'."),
        ('["page", "media"]', '"page"', "5: dependencies must be a list of texts, not 'page'."),
        ('["page", "media"]', '["Page"]', "5: 'Page' must hold a-z, 0-9 and _ only, and start with a letter."),
        ('["page", "media"]', '["blog"]', "5: a plugin cannot depend on itself."),
        ("[taps]\n", "[tasp]\n", "7: 'tasp' is no key of a manifest; did you mean 'taps'?"),
        ("[taps]\nimplements", "[taps]\nimplement", "8: [taps] 'implement' is no key"),
        ('"tap_menu"]', '"tap_menu", "tap_menu"]', "8: 'tap_menu' stands there twice."),
        ('"tap_menu"]', "3]", "8: implements must be a list of texts"),
        ("weight = 5", "weight = 5.5", "9: weight 5.5 must be a whole number from -1000 to 1000."),
        ("weight = -2", "weight = 1001", "15: weight 1001 must be a whole number from -1000 to 1000."),
        ("tap_item_view]", "tap_item_insert]", "11: options for 'tap_item_insert', which [taps] implements does not"),
        ('"handle"', '"fast"', "12: data_mode 'fast' must be 'full' or 'handle'."),
        ('"field_body", ', '"body", ', "13: 'body' is no field; a field's name starts with field_."),
        ('types = ["blog"]', "types = [1]", "14: types must be a list of texts, not [1]."),
        ('types = ["blog"]', 'type = ["blog"]', "14: [taps.options.tap_item_view] 'type' is no key of a manifest; did"),
        ("permissions =", "queues =", "21: [capabilities] 'queues' is no key of a manifest; expected one of"),
        ('"site_name"', '"Site Name"', "22: 'Site Name' must hold a-z, 0-9 and _ only"),
        ('"get_featured"', '"get featured"', "18: 'get featured' must hold a-z, 0-9 and _ only"),
        ('"note"]', '"a note"]', "24: 'a note' must hold a-z, 0-9 and _ only"),
        ('"api.example.com",', '"https://x.y/",', "25: 'https://x.y/' must be a host like api.example.com or"),
        ('"api.example.com",', '"10.0.0.1",', "25: '10.0.0.1' must be a host like api.example.com or"),
        ('"api.example.com",', '"2130706433",', "25: '2130706433' must be a host like api.example.com or"),
        ("read_types", "raw_sql = true\nread_types", "23: raw_sql is not offered by this version; declare [tables],"),
        ("cpu_ms = 50", "cpu_ms = 500", "28: cpu_ms 500 is over what this site allows, 100."),
        ("memory_mb = 32", "memory_mb = 0", "29: memory_mb 0 must be a whole number above 0."),
        ("memory_mb = 32", "memory_mb = true", "29: memory_mb True must be a whole number above 0."),
        ("host_calls = 20", 'host_calls = "20"', "30: host_calls '20' must be a whole number above 0."),
        ("[budgets]", "[[budgets]]", "27: budgets must be a table, [budgets], not"),
    ],
)  # fmt: skip  # one case a line
def test_a_mistake_is_told_with_its_line_and_what_was_expected(find_problems, old, new, problem):
    assert WHOLE.count(old) == 1 or WHOLE.startswith(old) or old == '"blog"\n'
    problems = find_problems(WHOLE.replace(old, new, 1))
    assert any(found.startswith(problem) for found in problems), problems


def test_a_manifest_that_is_no_text_is_told(write):
    path = write(SMALL)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"blog\.info\.toml:1: cannot be read"):
        read_manifest(path, CEILINGS)


def test_a_manifest_that_says_nothing_is_told_what_it_needs(find_problems):
    assert find_problems("") == [
        "1: name is missing; expected text in quotes.",
        "1: version is missing; expected text in quotes.",
        "1: api_version is missing; expected text in quotes.",
        "1: [taps] implements is missing; expected a list of taps.",
    ]
