"""What a username may look like."""

import re
import unicodedata
from typing import Final

from kernel.names import OPERATOR_NAME
from kernel.user.skeleton import build_skeleton

# In characters.
NAME_MAX: Final = 60

# Where no account did something, or it is gone, this is said instead of a name.
KEPT: Final = frozenset({OPERATOR_NAME, "the site", "nobody logged in", "deleted user", "anonymous"})

# Everything that shows as nothing or as another kind of space: controls, formats such as zero-width joiners
# and bidirectional marks, separators, surrogates, private and unassigned characters, and the fillers that are
# letters by category and blank to the eye.
INVISIBLE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
BLANK_LETTERS: Final = frozenset("\u115f\u1160\u2800\u3164\uffa0")
SPACES: Final = re.compile(r" +")
# Alphabets with letters that look alike, by the first word of a letter's name in Unicode.
LOOKALIKES: Final = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC"})


def normalise_name(text: str) -> str:
    """One spelling for what looks the same: NFKC, and single plain spaces. Never raises.

    Look-alike spaces become plain ones by NFKC, so that two names cannot differ by one of them.
    """
    # Normalising takes quadratic time on a long run of combining marks, and so long a text is no name anyway.
    if len(text) > NAME_MAX * 4:
        return text
    return SPACES.sub(" ", unicodedata.normalize("NFKC", text)).strip(" ")


def check_name(name: str) -> str:
    """What is wrong with a normalised name, as a sentence; "" when nothing is."""
    if not name:
        return "A username is required."
    if len(name) > NAME_MAX:
        return f"A username may have {NAME_MAX} characters; this one has {len(name)}."
    for character in name:
        if _is_unfit(character):
            return f"A username may not hold the character U+{ord(character):04X}, which cannot be seen."
    return ""


def check_new_name(name: str) -> str:
    """As `check_name`, and whether its letters could be taken for others: for names that are given now. Whether it is
    taken, or looks like one that is, `kernel.user.taken_name` tells."""
    problem = check_name(name)
    if problem:
        return problem
    if build_skeleton(name) in {build_skeleton(kept) for kept in KEPT}:
        return "This username is kept for where there is no account. Choose another one."
    scripts = {unicodedata.name(letter, "").split(" ", 1)[0] for letter in name if letter.isalpha()}
    mixed = sorted(script.capitalize() for script in scripts & LOOKALIKES)
    if len(mixed) > 1:
        return f"A username may not mix letters that look alike; this one has {' and '.join(mixed)} letters."
    return ""


def _is_unfit(character: str) -> bool:
    category = unicodedata.category(character)
    return (
        category in INVISIBLE_CATEGORIES
        or character in BLANK_LETTERS
        or (category == "Zs" and character != " ")
    )
