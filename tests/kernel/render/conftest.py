"""The shipped templates, opened once."""

from pathlib import Path

import pytest

from kernel.render.renderer import Renderer

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = ROOT / "templates"
STATIC = ROOT / "web" / "static"


@pytest.fixture(scope="session")
def renderer():
    return Renderer.open(TEMPLATES, STATIC)
