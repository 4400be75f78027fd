"""The reader of bodies takes exactly what means one thing, and says what is wrong with the rest."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from api.bodies import MAX_DEPTH, Unreadable, read_json

VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors"

# The suite lets a reader take these; ours says why it does not.
REFUSED_ON_PURPOSE = {
    "y_object_duplicated_key.json": "duplicate_member",
    "y_object_duplicated_key_and_value.json": "duplicate_member",
    "y_object_escaped_null_in_key.json": "nul",
    "y_string_null_escape.json": "nul",
}


def rule_of(raw: bytes) -> str | None:
    """The rule by which the reader refuses; None where it reads."""
    try:
        read_json(raw)
    except Unreadable as problem:
        return problem.errors[0]["rule"] if problem.status == 400 else "wrong status"
    return None


def vectors(name: str) -> list[dict[str, Any]]:
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def bytes_of(case: dict[str, Any]) -> bytes:
    if "repeat" in case:
        repeated = str(case["repeat"]) * int(case["times"]) + str(case.get("then", ""))
        return repeated.encode()
    return base64.b64decode(case["b64"])


def test_it_agrees_with_the_suite_of_json_parsers() -> None:
    for case in vectors("jsontestsuite.jsonl"):
        rule = rule_of(bytes_of(case))
        if case["name"] in REFUSED_ON_PURPOSE:
            assert rule == REFUSED_ON_PURPOSE[case["name"]], case["name"]
        elif case["expect"] == "parse":
            assert rule is None, (case["name"], rule)
        elif case["expect"] == "refuse":
            assert rule is not None, case["name"]


def test_bytes_that_are_no_utf8_are_refused() -> None:
    for case in vectors("invalid-utf8.jsonl"):
        for member in ("in_json_string_b64", "before_json_b64"):
            rule = rule_of(base64.b64decode(case[member]))
            if not case["valid_utf8"]:
                assert rule == "utf8", (case["name"], member, rule)


def test_naughty_strings_come_through_unchanged() -> None:
    path = VECTORS / "naughty-strings.json"
    if not path.exists():
        pytest.skip("naughty-strings.json is not beside the checkout")
    for text in json.loads(path.read_text(encoding="utf-8")):
        for ascii_only in (True, False):
            raw = json.dumps({"note": text}, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
            if "\x00" in text:
                assert rule_of(raw) == "nul"
            else:
                assert read_json(raw) == {"note": text}


@pytest.mark.parametrize(
    ("raw", "rule"),
    [
        (b'\xef\xbb\xbf{"a":1}', "byte_order_mark"),
        (b'{"a":1,"b":2,"a":1}', "duplicate_member"),
        (b'{"x":{"a":1,"\\u0061":2}}', "duplicate_member"),
        (b'{"a":NaN}', "number"),
        (b'{"a":-Infinity}', "number"),
        (b'{"a":1e99999999999999999999}', "number"),
        (b'{"a":' + b"9" * 5000 + b"}", "number_length"),
        (b'{"a":0.' + b"9" * 5000 + b"}", "number_length"),
        (b'{"a":1_000}', "json"),
        ('{"a":１２}'.encode(), "json"),
        (b'{"a":"\\u0000"}', "nul"),
        (b'{"a":["\\ud800"]}', "surrogate"),
        (b'{"\\udfff":1}', "surrogate"),
        (b'{"a":"tab\there"}', "json"),
        (b'{"a":1}{"b":2}', "json"),
        (b"{'a':1}", "json"),
        (b"[" * 65 + b"]" * 65, "depth"),
        (b'{"a":' * 100_000, "depth"),
        (b"[" * 200_000, "depth"),
    ],
)
def test_it_refuses(raw: bytes, rule: str) -> None:
    assert rule_of(raw) == rule


def test_it_says_where() -> None:
    with pytest.raises(Unreadable) as caught:
        read_json(b'{"steps":[{"name":"ok"},{"name":"\\u0000"}]}')
    assert caught.value.errors[0]["field"] == "steps.1.name"
    with pytest.raises(Unreadable, match="line 2, column 6"):
        read_json(b'{"a":1,\n "b":tru}')


def test_the_deepest_that_is_taken() -> None:
    assert rule_of(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH) is None
    brackets_in_text = json.dumps({"a": "[{" * 500, "b": '\\"[' * 100})
    assert rule_of(brackets_in_text.encode()) is None


def test_numbers_are_decimals_as_they_were_written() -> None:
    read = read_json(b'{"a":0.1,"b":12.50,"c":9007199254740993,"d":1E+2,"e":-0}')
    assert {name: str(number) for name, number in read.items()} == {
        "a": "0.1",
        "b": "12.50",
        "c": "9007199254740993",
        "d": "1E+2",
        "e": "-0",
    }
    assert all(isinstance(number, Decimal) for number in read.values())


def hostile() -> Iterator[bytes]:
    """Bodies of the size limit that make careless readers slow."""
    size = 256 * 1024
    yield b'{"a":"' + b'\\"' * (size // 2)
    yield b'"' * size
    yield b'{"a":"' + b"\\" * size
    yield b"[" + b'"' * 1000 + b"[" * size
    yield b"{" + b",".join(b'"%x":1' % number for number in range(25_000)) + b',"0":1}'
    yield b"[" + b"1," * (size // 2) + b"1]"


def test_no_body_makes_it_slow() -> None:
    for raw in hostile():
        begun = time.process_time()  # a busy machine is no fault of the reader
        rule_of(raw)
        assert time.process_time() - begun < 1, raw[:40]
