"""What several formats share: reading an object, a key, a moment."""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from domain.feeds.message import Undecodable
from domain.feeds.reading import Unreadable, read_json
from domain.feeds.times import business_time, looks_like_a_moment, nanoseconds
from domain.feeds.values import Unfit, as_number, kind, number_text


def read_object(raw: bytes, what: str = "the value") -> dict[str, Any]:
    """The JSON object in `raw`; `Undecodable` for all else."""
    tree = read_tree(raw, what)
    if not isinstance(tree, dict):
        raise Undecodable(f"{what} is {kind(tree)}, not an object")
    return tree


def read_tree(raw: bytes, what: str = "the value") -> Any:
    try:
        return read_json(raw)
    except Unreadable as error:
        raise Undecodable(f"{what} is no JSON that is read: {error}") from None


def required_text(tree: dict[str, Any], name: str, of: str) -> str:
    """The member `name`, a text that is not empty; `Undecodable` for all else."""
    value = tree.get(name)
    if not isinstance(value, str) or not value:
        raise Undecodable(f"{of}{name} is {kind(value) if value != '' else 'empty'}, not a text")
    return value


def read_key(key: bytes | None) -> tuple[dict[str, Any] | None, str | None]:
    """A message's key as an object, or as one text; neither where there is no key or none that can be read."""
    if not key:
        return None, None
    try:
        tree = read_json(key)
    except Unreadable:
        tree = None
    if isinstance(tree, dict):
        return tree, None
    if isinstance(tree, str):
        return None, tree
    try:
        return None, key.decode()
    except UnicodeDecodeError:
        return None, None


def entity_of(key: dict[str, Any] | str | None) -> str | None:
    """One text for a key: the value of its only member, else the object with its members in order of names."""
    if not key:
        return None
    if isinstance(key, str):
        return key
    if len(key) == 1:
        (value,) = key.values()
        if isinstance(value, str):
            return value
        with suppress(Unfit):  # no number, or one that nobody writes
            return number_text(as_number(value))
    return json.dumps(key, default=str, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def strict_time(written: str, what: str) -> datetime | None:
    """The moment of an RFC 3339 text; None for the zero of systems that know no time; `Undecodable` for others."""
    try:
        if not looks_like_a_moment(written):
            raise Unfit("it has no date, time and offset")
        moment = nanoseconds(written)
    except Unfit as error:
        raise Undecodable(f"{what} is no RFC 3339 time: {error}") from None
    try:
        return business_time(moment)
    except Unfit:
        return None
