"""Addresses that are allowed; those that are not stand in attacks.py."""

import pytest

from kernel.render.urls import IMAGE_SCHEMES, is_safe_url
from tests.kernel.render.attacks import URLS


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org",
        "HTTPS://example.org/a?b=c:d&e=f#g",
        "mailto:a@example.org?subject=x",
        "tel:+39-0583-1",
        "/item/1",
        "item/1",
        "?page=2",
        "?next=a:b",
        "#part:2",
        "./a:b",
        "//example.org/x",
        "/a?b=1&amp;c=2",
        "/caffè",
    ],
)
def test_addresses_of_pages_mail_and_telephones_are_allowed(url):
    assert is_safe_url(url)


@pytest.mark.parametrize("url", URLS)
def test_everything_else_is_not(url):
    assert not is_safe_url(url)


@pytest.mark.parametrize("url", ["mailto:a@example.org", "tel:1"])
def test_an_image_comes_from_the_web(url):
    assert not is_safe_url(url, IMAGE_SCHEMES)
