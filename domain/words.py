"""Words that stand in the ledger itself, and the limits of free text."""

from __future__ import annotations

import unicodedata

from domain.errors import Breaches, invalid
from domain.stream import Text

TITLE_LENGTH = 300
UNIT_LENGTH = 32
TEXT_LENGTH = 10_000


def title(value: str, field: str, breaches: Breaches, *, limit: int = TITLE_LENGTH) -> str:
    """The value without space around it; a breach where it is empty, too long or holds control characters."""
    value = value.strip()
    if not value:
        breaches.add(field, "not_empty", f"{field} must not be empty")
    elif len(value) > limit:
        breaches.add(field, "length", f"{field} has at most {limit} characters")
    elif any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        breaches.add(field, "characters", f"{field} must be one line without control characters")
    return value


def words(value: str | None, field: str) -> Text | None:
    """Free text of a person, None where nothing was said; `Invalid` past 10,000 characters or with NUL."""
    if value is None or all(c.isspace() or unicodedata.category(c) == "Cf" for c in value):
        # Cf: what has no width, such as U+200B.
        return None
    if len(value) > TEXT_LENGTH:
        invalid(field, "length", f"{field} has at most {TEXT_LENGTH} characters")
    if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t\r" for c in value):
        invalid(field, "characters", f"{field} must not hold control characters other than newline and tab")
    return Text(value)
