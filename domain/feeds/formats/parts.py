"""What several formats share: reading an object, a key, a header, an id, a moment.

Whatever is not as promised is `Undecodable`, with a reason that begins with the path of the member.
"""

import json
from contextlib import suppress
from datetime import datetime
from typing import Any

from domain.feeds.message import Decoded, Message, Undecodable
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
        if len(raw) >= 5 and raw[0] == 0:
            return _registered(raw, what)
        raise Undecodable(f"{what} is no JSON that is read: {error}") from None


def _registered(raw: bytes, what: str) -> Any:
    """What a serializer of a schema registry wrote: a zero, four bytes of schema id, and the JSON, if it is one."""
    try:
        return read_json(raw[5:])
    except Unreadable:
        id = int.from_bytes(raw[1:5])
        raise Undecodable(f"{what} has the schema {id} of a registry: of such values only JSON is read") from None


def required_text(tree: dict[str, Any], name: str, of: str) -> str:
    """The member `name`, a text that is not empty; `Undecodable` for all else."""
    value = tree.get(name)
    if not isinstance(value, str) or not value:
        raise Undecodable(f"{of}{name} is {kind(value) if value != '' else 'empty'}, not a text")
    return value


def required_object(tree: dict[str, Any], name: str, of: str = "") -> dict[str, Any]:
    """The member `name`, an object; `Undecodable` for all else."""
    value = tree.get(name)
    if not isinstance(value, dict):
        raise Undecodable(f"{of}{name} is {kind(value)}, not an object")
    return value


def required_id(tree: dict[str, Any], name: str, of: str = "") -> str:
    """The member `name`, a text or a whole number, as a text; `Undecodable` for all else."""
    value = tree.get(name)
    if isinstance(value, str) and value:
        return value
    if type(value) is int and abs(value) < 10**40:
        return str(value)
    raise Undecodable(f"{of}{name} is {kind(value) if value != '' else 'empty'}, not an id")


def header(message: Message, name: str) -> str | None:
    """The header `name`, in small letters here and in whatever case there; None where there is none."""
    for given, value in message.headers:
        if given.lower() == name and value:
            try:
                return value.decode()
            except UnicodeDecodeError:
                raise Undecodable(f"the header {name} is no UTF-8") from None
    return None


def tombstone(message: Message) -> Decoded:
    """A null value, where the feed's own expressions say what the key names."""
    fields, key = read_key(message.key)
    return Decoded(is_tombstone=True, fields=fields or {}, key_entity=key)


def read_key(key: bytes | None) -> tuple[dict[str, Any] | None, str | None]:
    """A message's key as an object, or as one text; neither where there is no key or none that can be read."""
    if not key:
        return None, None
    try:
        tree = read_tree(key, "the key")
    except Undecodable:
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
    if not looks_like_a_moment(written):
        raise Undecodable(f"{what} is no RFC 3339 time: it has no date, time and offset")
    return moment(written, what)


def moment(value: Any, what: str, unit: str = "iso") -> datetime | None:
    """When it happened, of a text as systems write it, or of a number in its unit.

    None for null, and for the zero of systems that know no time; `Undecodable` for what is no time.
    """
    if value is None:
        return None
    try:
        at = nanoseconds(value, unit)
    except Unfit as error:
        raise Undecodable(f"{what} is no time: {error}") from None
    try:
        return business_time(at)
    except Unfit:
        return None
