"""Exact numbers, and no document that could hurt."""

import base64
import json
import math
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.feeds import reading
from domain.feeds.reading import Unreadable, exact, read_json

VECTORS = Path(__file__).parents[4] / "shared" / "vectors"


def vectors(name: str) -> Iterator[dict[str, Any]]:
    path = VECTORS / name
    if not path.exists():
        pytest.skip(f"the vectors of others are not here: {path}")
    with path.open() as lines:
        for line in lines:
            yield json.loads(line)


def numbers_as_decimals(tree: Any) -> Any:
    """The tree with each number that is no integer as the Decimal that an expression would see."""
    if isinstance(tree, dict):
        return {name: numbers_as_decimals(member) for name, member in tree.items()}
    if isinstance(tree, list):
        return [numbers_as_decimals(item) for item in tree]
    return exact(tree) if isinstance(tree, float) else tree


def by_the_book(raw: bytes) -> Any:
    return json.loads(raw, parse_float=Decimal)


@pytest.mark.parametrize(
    "written",
    [
        "12.5",
        "0.1",
        "3.140000104904175",
        "0.30000000000000004",
        "12345678901234567890.123456789012345678",
        "1234567890123456e3",
        "9007199254740993e0",
        "8.226161561168607",
        "79099442.28268421",
        "718329425461908.7",
        "1E250",
        "1.2345678e-320",
        "4.9e-324",
        "1e-400",
        "1E22",
        "-0.000001",
        "100000000.00000001",
        "1.7976931348623157e308",
    ],
)
def test_a_number_keeps_the_digits_that_were_written(written: str) -> None:
    number = numbers_as_decimals(read_json(f'{{"a": [{written}]}}'.encode()))["a"][0]
    assert number == Decimal(written)


@pytest.mark.parametrize(
    "number", [2**53 + 1, 2**63, -(2**63) - 1, 2**64 - 1, 2**64 + 1, -(2**64) - 1, 9223372036854775807, 10**100 + 1, -1]
)
def test_an_integer_is_exact_at_any_length(number: int) -> None:
    assert read_json(str(number).encode()) == number
    assert read_json(f'{{"a":{number}}}'.encode()) == {"a": number}


def test_times_in_nanoseconds_and_hashes_need_no_second_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_EXACT", None)
    raw = b'{"ts_ns":1746440316214861840,"sha":"12345678e999","at":"2025-01-08T10:12:07.672717030Z","v":12.25}'
    assert read_json(raw)["ts_ns"] == 1746440316214861840


_digits = st.text("0123456789", min_size=1, max_size=40)
_written = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "-"]),
    _digits.map(lambda digits: digits.lstrip("0") or "0"),
    st.one_of(st.just(""), _digits.map(".{}".format)),
    st.one_of(st.just(""), st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "e-"]), st.integers(0, 250))),
)


@settings(max_examples=400, deadline=None)
@given(numbers=st.lists(_written, min_size=1, max_size=4), separator=st.sampled_from([",", ", ", " ,\n\t"]))
@example(numbers=["1234567.12345678"], separator=",")
@example(numbers=["12345678.1234567"], separator=",")
@example(numbers=["1234567890123456e9"], separator=",")
@example(numbers=["0e-999"], separator=",")
def test_every_number_is_read_as_written(numbers: list[str], separator: str) -> None:
    raw = f'{{"a":[{separator.join(numbers)}]}}'.encode()
    try:
        read = numbers_as_decimals(read_json(raw))
    except Unreadable:
        assert any(abs(Decimal(number)) > Decimal("1e308") for number in numbers)
    else:
        assert read == by_the_book(raw)


_trees = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), children, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(tree=_trees, ascii_only=st.booleans())
def test_both_readers_give_the_same_answer(tree: Any, ascii_only: bool) -> None:
    raw = json.dumps(tree, ensure_ascii=ascii_only).encode()
    assert numbers_as_decimals(read_json(raw)) == by_the_book(raw)
    assert numbers_as_decimals(reading._EXACT.decode(raw.decode())) == by_the_book(raw)


def test_the_last_of_a_repeated_name_counts_in_both_readers() -> None:
    assert read_json(b'{"a": 1, "a": 2}') == {"a": 2}
    assert read_json(b'{"a": 0.12345678901234567, "a": 0.12345678901234568}') == {"a": Decimal("0.12345678901234568")}


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"NaN",
        b"[Infinity]",
        b"[-Infinity]",
        b'{"a": 1,}',
        b"\xef\xbb\xbf{}",
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'["\xff"]',
        b'["\xed\xa0\x80"]',
        b"{} {}",
        b"{'a': 1}",
        b"[1e309]",
        b"[" + b"9" * 5_000 + b"]",
        b"[0." + b"1" * 5_000 + b"]",
        b"[1e-1100]",
        b"[1e-99999999999999999999999]",
    ],
)
def test_what_is_no_json_or_no_number_is_refused(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        read_json(raw)


def test_64_levels_are_read_and_65_are_not() -> None:
    assert read_json(b"[" * 64 + b"]" * 64)
    assert read_json(b'{"a":' * 63 + b"[0.12345678901234567]" + b"}" * 63)
    for raw in (b"[" * 65 + b"]" * 65, b'{"a":' * 64 + b"[1]" + b"}" * 64):
        with pytest.raises(Unreadable, match="deeper"):
            read_json(raw)


@pytest.mark.parametrize("depth", [1_000, 1_025, 100_000])
def test_a_message_nested_beyond_reason_is_refused_at_once(depth: int) -> None:
    started = time.perf_counter()
    with pytest.raises(Unreadable):
        read_json(b'{"a":' + b"[" * depth + b" " * 900_000 + b"]" * depth + b"}")
    assert time.perf_counter() - started < 5


def test_many_brackets_side_by_side_are_not_deep() -> None:
    assert len(read_json(b"[" + b",".join([b'{"a":["[{"]}'] * 500) + b"]")) == 500


def test_the_suite_of_others_parses_and_refuses_as_it_should() -> None:
    seen = 0
    for case in vectors("jsontestsuite.jsonl"):
        raw = (
            (case["repeat"] * int(case["times"]) + case.get("then", "")).encode()
            if "repeat" in case
            else base64.b64decode(case["b64"])
        )
        seen += 1
        try:
            tree = read_json(raw)
        except Unreadable:
            assert case["expect"] != "parse", case["name"]
        else:
            assert case["expect"] != "refuse", case["name"]
            assert not isinstance(tree, float) or math.isfinite(tree)
    assert seen == 340


def test_text_that_is_no_utf8_is_refused() -> None:
    for case in vectors("invalid-utf8.jsonl"):
        in_string, before = base64.b64decode(case["in_json_string_b64"]), base64.b64decode(case["before_json_b64"])
        if case["valid_utf8"] and bytes.fromhex(case["hex"])[0] >= 0x20:  # JSON wants control characters escaped
            read_json(in_string)
        else:
            with pytest.raises(Unreadable):
                read_json(in_string)
        with pytest.raises(Unreadable):
            read_json(before)
