"""The version that a client looked at (If-Match), and the position that it must see (Okr-Min-Position)."""

from __future__ import annotations

import re

from flask import Request

from api.problems import Problem

_TAG = re.compile(r'(W/)?"[\x21\x23-\x7e\x80-\xff]*"')
_VERSION = re.compile(r'"v([1-9][0-9]{0,9})(?:\.[A-Za-z0-9_-]*)?"')
_POSITION = re.compile(r"0|[1-9][0-9]{0,18}")


def expected_version(request: Request, *, is_demanded: bool = False) -> int | None:
    """The version that If-Match names; None where there is none, or where it says that any will do.

    428 where the command demands one; 400 for what is no entity tag; 412 for one that we never gave out.
    """
    said = request.headers.get("If-Match")
    if said is None:
        if is_demanded:
            raise Problem(
                428,
                "precondition-required",
                "Say which version you looked at",
                'send If-Match with the version that you looked at, as the ETag says it: "v7"',
            )
        return None
    said = said.strip()
    if said == "*":
        return None
    if _TAG.fullmatch(said) is None:
        raise Problem(400, "bad-if-match", "If-Match cannot be read", 'If-Match is one entity tag, such as "v7"')
    version = _VERSION.fullmatch(said)
    if version is None:
        raise Problem(412, "stale-version", "It has changed since you looked at it", "no version has that tag")
    return int(version[1])


def least_position(request: Request) -> int | None:
    """The position that Okr-Min-Position names; 400 for what is none."""
    said = request.headers.get("Okr-Min-Position")
    if said is None:
        return None
    if _POSITION.fullmatch(said.strip()) is None:
        raise Problem(
            400, "bad-min-position", "Okr-Min-Position cannot be read", "it is a position of the ledger, in digits"
        )
    return int(said)
