"""The stylesheets keep their promises: readable colours, no rule without a user, no class without a rule."""

import re

import pytest

from tests.kernel.render.conftest import ROOT, STATIC, TEMPLATES

LIGHT, DARK = (STATIC / "tokens.css").read_text().split("@media (prefers-color-scheme: dark)")
TEXT_PAIRS = [
    *(
        (text, ground)
        for text in ("ink", "ink-soft", "ink-faint", "accent")
        for ground in ("paper", "ground", "sunken")
    ),
    *(
        (kind, ground)
        for kind in ("good", "warn", "bad", "info")
        for ground in (f"{kind}-soft", "paper", "ground")
    ),
    ("accent-strong", "accent-soft"),
    ("on-accent", "accent"),
    ("paper", "bad"),
]
STAGES = ("stage-live", *(f"stage-{number}" for number in range(1, 7)))
# Made by plugins and by the fields of items; no template names them.
MADE_ELSEWHERE = {"item-fields", "item-field", "reading-time"}


def read_colours(text):
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", text))


COLOURS = {"light": read_colours(LIGHT), "dark": {**read_colours(LIGHT), **read_colours(DARK)}}


def luminance(colour):
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    bright, dim = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("scheme", COLOURS)
def test_text_is_readable(scheme):
    colours = COLOURS[scheme]
    faint = [pair for pair in TEXT_PAIRS if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    faint += [stage for stage in STAGES if contrast("#ffffff", colours[stage]) < 4.5]
    assert faint == []


@pytest.mark.parametrize("scheme", COLOURS)
@pytest.mark.parametrize("ground", ["paper", "ground"])
def test_the_border_of_a_control_is_seen(scheme, ground):
    assert contrast(COLOURS[scheme]["control-line"], COLOURS[scheme][ground]) >= 3


def test_every_class_in_the_stylesheets_is_used():
    styles = re.sub(
        r"/\*.*?\*/|\{[^{}]*\}",
        " ",
        "\n".join(path.read_text() for path in STATIC.glob("*.css")),
        flags=re.DOTALL,
    )
    named = set(re.findall(r"\.([a-zA-Z][\w-]*)", styles))
    sources = [*TEMPLATES.rglob("*.html"), *(ROOT / "kernel" / "render").glob("*.py"), *STATIC.glob("*.js")]
    used = "\n".join(path.read_text() for path in sources)
    # A name that is put together ends where the variable starts.
    made = {
        f"{stem}--{kind}"
        for stem, kind in (name.split("--", 1) for name in named if "--" in name)
        if f"{stem}--{{{{" in used
    }
    icons = {name for name in named if name.startswith("icon-")}
    unused = {name for name in named if not re.search(rf"(?<![\w-]){name}(?![\w-])", used)}
    assert unused - made - icons - MADE_ELSEWHERE - set(STAGES) == set()


def test_every_variable_of_the_stylesheets_exists():
    styles = "\n".join(path.read_text() for path in STATIC.glob("*.css"))
    assert set(re.findall(r"var\(--([\w-]+)", styles)) - set(re.findall(r"--([\w-]+):", styles)) == set()
