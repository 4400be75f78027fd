"""JSON of business systems, read exactly and fast.

orjson reads a number with a point or an exponent as a binary float. Up to 15 significant digits nothing is
lost: Decimal(repr(number)) has the digits that were written. So floats stay as they are in the tree, and who
takes one as a value turns it into a Decimal (`exact`). A message in which a number is longer, or reaches beyond
what floats hold, is read again by a slower reader that makes Decimals at once. Both readers give the same
answer on everything else.
"""

import json
import re
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

MAX_DEPTH = 64
MAX_DIGITS = 1_000

_KINDS = bytes.maketrans(b"123456789.E", b"0000000000e")
# In the text with each digit and point written 0: what every number that a float cannot hold has in it. This is a
# sieve that costs a fraction of the parsing; hashes and long ids pass it too, and the expression below decides.
_SUSPECTS = (b"0" * 16, b"0e-000")
_NOT_FOR_A_FLOAT = re.compile(
    rb"(?:\A|[\[:,\s])"
    rb"(?:[0-9]{20}"  # beyond 64 bits, or near it
    rb"|-[0-9]{19}"
    rb"|-?(?=[0-9]+\.)[0-9.]{17}"  # more than 15 digits and a point
    rb"|-?[0-9]{16,}[eE]"
    rb"|-?[0-9.]+[eE]-[0-9]{3})"  # where floats become coarse
)


class Unreadable(ValueError):
    """These bytes are no JSON that a feed reads. The text says why."""


def read_json(raw: bytes) -> Any:
    """The JSON document in `raw`: UTF-8 without a byte order mark, at most 64 levels deep.

    Integers are exact at any length; of other numbers see the module. Of a repeated member name the last counts.
    `Unreadable` for whatever RFC 8259 does not allow, for NaN and infinities, lone surrogates, numbers beyond
    1e308 or of more than 1,000 digits, and deeper nesting.
    """
    try:
        tree = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Unreadable(str(error)) from None
    if raw.count(b"{") + raw.count(b"[") > MAX_DEPTH:
        _refuse_deep(tree)
    if _has_long_numbers(raw):
        tree = _EXACT.decode(raw.decode())
    return tree


def exact(number: float) -> Decimal:
    """The digits that were written, of a float that `read_json` left in a tree."""
    return Decimal(repr(number))


def _has_long_numbers(raw: bytes) -> bool:
    kinds = raw.translate(_KINDS)
    for suspect in _SUSPECTS:
        if suspect in kinds:
            return _NOT_FOR_A_FLOAT.search(raw) is not None
    return False


def _refuse_deep(tree: Any) -> None:
    level = [tree] if isinstance(tree, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return
    raise Unreadable(f"nested deeper than {MAX_DEPTH} levels")


def _decimal(written: str) -> Decimal:
    if len(written) > MAX_DIGITS:
        raise Unreadable(f"a number of more than {MAX_DIGITS} digits")
    try:
        number = Decimal(written)
    except InvalidOperation:  # an exponent that not even a Decimal holds
        raise Unreadable("a number with an exponent beyond all measure") from None
    if number.is_zero():
        return Decimal(0)  # without the exponent of 0e-999999
    if number.adjusted() < -MAX_DIGITS:
        raise Unreadable(f"a number of more than {MAX_DIGITS} digits after the point")
    return number


# It sees only what orjson has taken, so it need not refuse NaN, surrogates, depth or integers beyond 1e308.
_EXACT = json.JSONDecoder(parse_float=_decimal)
