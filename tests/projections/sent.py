"""Answers as whoever asks gets to see them."""

from __future__ import annotations

from typing import Any

import orjson

from projections.answers import Answer


def sent(answer: Answer | None) -> dict[str, Any]:
    """An answer that is there, written as JSON and read again: what was ready text in it can be looked into."""
    assert answer is not None
    read: dict[str, Any] = orjson.loads(orjson.dumps(answer))
    return read
