"""Says in a few words what somebody came with, such as "Firefox on Linux", for a person to recognise it."""

from typing import Final

# The first that stands in what a browser says of itself decides: most of them also claim to be the ones below.
BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)
# What comes behind cannot be a browser's.
LENGTH_MAX: Final = 1_000


def name_browser(user_agent: str) -> str:
    """Made of these words alone, whatever was sent."""
    said = user_agent[:LENGTH_MAX]
    browser = next((name for mark, name in BROWSERS if mark in said), "Unknown browser")
    system = next((name for mark, name in SYSTEMS if mark in said), "")
    return f"{browser} on {system}" if system else browser
