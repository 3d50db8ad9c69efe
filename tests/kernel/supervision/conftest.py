"""A site with the plugin `guest`, enabled."""

from tests.kernel.lifecycle.conftest import folder, keeper, site

__all__ = ["folder", "keeper", "site"]
