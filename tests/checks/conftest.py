"""Parses the real tree once for all house rules."""

import pytest

from tests.checks.sources import PRODUCT, Source, read_tree


@pytest.fixture(scope="session")
def product() -> list[Source]:
    """What is shipped and imported: kernel, web and workers."""
    return read_tree(*PRODUCT)


@pytest.fixture(scope="session")
def everything(product) -> list[Source]:
    """All Python of the tree, tests and plugins included."""
    return [*product, *read_tree("plugins", "tests")]
