"""The one reader of request bodies: JSON that means the same to everybody, or a refusal that says what is wrong.

The usual readers round decimals, let the last of two equal names win, take NaN, NUL and halves of surrogate pairs,
and fall over deep nesting and endless integers. Here a body is UTF-8 without a byte order mark, names no member
twice, nests at most 64 levels, and its numbers, whole ones too, are Decimals exactly as they were written.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from flask import Request
from werkzeug.http import parse_options_header

from api.problems import Problem

MAX_DEPTH = 64
LONGEST_NUMBER = 128

# A string that never closes is taken to the end, so that the rest is not tried again from each quote in it.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class Unreadable(Problem):
    """These bytes are no body that a command reads."""

    def __init__(self, rule: str, message: str, field: str | None = None) -> None:
        super().__init__(400, "unreadable-body", "The body cannot be read", message)
        self.add(field, rule, message)


def json_object(request: Request, *, may_be_empty: bool = False) -> dict[str, Any]:
    """The members of the request's body. Raises a Problem: 400, 413, or 415 where it is not called JSON.

    `may_be_empty`: no body at all is an object without members.
    """
    raw = request.get_data(cache=True)
    if not raw and may_be_empty:
        return {}
    if request.content_encoding not in (None, "identity"):
        raise Problem(
            415, "unsupported-media-type", "Only plain JSON is read", "send the body without Content-Encoding"
        )
    kind, options = parse_options_header(request.content_type)
    if kind.lower() != "application/json" or options.get("charset", "utf-8").lower() != "utf-8":
        raise Problem(415, "unsupported-media-type", "Only JSON is read", "send the body as application/json in UTF-8")
    if not raw:
        raise Unreadable("empty", "the body is empty: a JSON object is expected")
    members = read_json(raw)
    if not isinstance(members, dict):
        raise Unreadable("object", "the body is a JSON object, with { at its beginning")
    return members


def read_json(raw: bytes) -> Any:
    """The document in `raw`; every number is a Decimal. `Unreadable` for whatever the module refuses."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Unreadable("utf8", f"byte {error.start + 1} is not part of UTF-8 text") from None
    if text.startswith("\ufeff"):
        raise Unreadable("byte_order_mark", "the body begins with a byte order mark: leave it out")
    _refuse_deep(text)
    try:
        tree = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise Unreadable(
            "json", f"not JSON at line {error.lineno}, column {error.colno}: {error.msg.lower()}"
        ) from None
    if "\\u" in text:
        _refuse_odd_characters(tree)
    return tree


def _refuse_deep(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = token.group()[0]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise Unreadable("depth", f"nested deeper than {MAX_DEPTH} levels at character {token.start() + 1}")
        elif first != '"':
            depth -= 1


def _refuse_odd_characters(tree: Any) -> None:
    for path, text in _strings(tree, ""):
        if "\x00" in text:
            raise Unreadable("nul", "the character NUL (\\u0000) is not taken", path)
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise Unreadable("surrogate", "half of a surrogate pair is no character", path)


def _strings(tree: Any, path: str) -> Iterator[tuple[str | None, str]]:
    if isinstance(tree, str):
        yield path or None, tree
    elif isinstance(tree, dict):
        for name, value in tree.items():
            yield path or None, name
            yield from _strings(value, f"{path}.{_shown(name)}" if path else _shown(name))
    elif isinstance(tree, list):
        for number, value in enumerate(tree):
            yield from _strings(value, f"{path}.{number}" if path else str(number))


def _number(written: str) -> Decimal:
    if len(written) > LONGEST_NUMBER:
        raise Unreadable("number_length", f"a number has at most {LONGEST_NUMBER} characters, not {written[:20]}…")
    try:
        return Decimal(written)
    except InvalidOperation:
        raise Unreadable("number", f"{written} has an exponent beyond all measure") from None


def _constant(name: str) -> NoReturn:
    raise Unreadable("number", f"{name} is no number in JSON")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        twice = _shown(Counter(name for name, _ in pairs).most_common(1)[0][0])
        raise Unreadable("duplicate_member", f"the member {twice} appears more than once", twice)
    return members


def _shown(text: str) -> str:
    return text[:100].encode("utf-8", "backslashreplace").decode()


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_int=_number, parse_float=_number, parse_constant=_constant
)
