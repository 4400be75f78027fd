"""What expressions say, what they refuse, and that nothing hostile gets through them."""

import re
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feeds.expressions import BadExpression, ColumnNotSent, ExpressionError, compile_expression
from domain.feeds.functions import FUNCTIONS
from domain.feeds.reading import read_json
from domain.feeds.values import UNAVAILABLE, KeyOnly

DEAL: dict[str, Any] = read_json(
    b"""{
  "op": "c",
  "row": {"id": 42, "stage": "closed_won", "amount": 12.5, "precise": 12345678901234567890.123456789,
          "lost_at": null, "is_new": true, "class": "gold", "tags": ["eu", "new"], "price.net": "10.10"},
  "items": [{"price": 3}, {"price": 4}],
  "labels": {"a-b": "x", "from": "crm"},
  "from": "crm",
  "\xe9\x87\x91\xe9\xa2\x9d": 7,
  "created_at": "2024-03-31T15:00:00Z",
  "closed_at": "2024-04-02 17:00:00 +0200"
}"""
)


def value(text: str, record: dict[str, Any] = DEAL) -> Any:
    return compile_expression(text).value(record)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row.stage", "closed_won"),
        ("row.id", 42),
        ("row.amount", Decimal("12.5")),
        ("row.precise", Decimal("12345678901234567890.123456789")),
        ("row.missing", None),
        ("missing.member.of.nothing", None),
        ("row.stage.member", None),
        ("labels['a-b']", "x"),
        ("row['price.net']", "10.10"),
        ("row['class']", "gold"),
        ("_['from']", "crm"),
        ("_.op", "c"),
        ("items[1].price", 4),
        ("items[-1]['price']", 4),
        ("items[2].price", None),
        ("items[-3]", None),
        ("items['0']", None),
        ("row[0]", None),
        ("金额", 7),
    ],
)
def test_a_path_reads_a_member_and_what_is_missing_is_null(text: str, expected: Any) -> None:
    assert value(text) == expected
    assert not isinstance(value(text), float)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("op == 'c' and row.stage == 'closed_won'", True),
        ("op == 'd' or row.stage != 'closed_won'", False),
        ("'c' == op", True),
        ("row.amount == 12.5", True),
        ("row.amount == 12.50", True),
        ("row.precise > 12345678901234567890.123456788", True),
        ("row.precise == 12345678901234567890.12345678", False),
        ("0.1 + 0.2 == 0.3", True),
        ("1 < row.amount <= 12.5", True),
        ("1 < row.amount < 12.5", False),
        ("'a' < 'b'", True),
        ("row.is_new == true", True),
        ("row.is_new != True", False),
        ("row.lost_at == null", True),
        ("row.lost_at == None", True),
        ("null == null", True),
        ("row.stage != null", True),
        ("row.missing == 'x'", False),
        ("row.missing != 'x'", True),
        ("row.missing > 5", False),
        ("not row.missing", True),
        ("not (row.missing > 5)", True),
        ("row.stage in ['won', 'closed_won']", True),
        ("row.stage in ('won',)", False),
        ("row.stage not in ['won']", True),
        ("row.id in [41, 42.0]", True),
        ("row.amount in [12.50, 13]", True),
        ("row.missing in ['a']", False),
        ("row.missing in ['a', null]", True),
        ("row.missing not in ['a']", True),
        ("'eu' in row.tags", True),
        ("'us' in row.tags", False),
        ("5 in row.tags", False),
        ("'stage' in row", True),
        ("'eu' in row.missing", False),
        ("row.missing and row.is_new", False),
        ("row.missing or row.is_new", True),
        ("row.is_new and (row.id == 42 or row.id == 'never read')", True),
    ],
)
def test_conditions(text: str, expected: bool) -> None:
    assert value(text) is expected
    assert compile_expression(text).holds(DEAL) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row.amount * 2 + 1", Decimal(26)),
        ("row.amount - 0.5", Decimal(12)),
        ("-row.amount", Decimal("-12.5")),
        ("1 / 3 * 3 < 1", True),
        ("10 / 4", Decimal("2.5")),
        ("2 + 3 * 4", Decimal(14)),
        ("(2 + 3) * 4", Decimal(20)),
        ("row.missing + 1", None),
        ("-row.missing", None),
        ("-5", -5),
        ("1e3", 1000),
        ("row.stage + '-' + text(row.id)", "closed_won-42"),
        ("99999999999999999999999999.999999999999 + 0.000000000001", Decimal(10**26)),
        ("12345678901234567890123456789.012345678901 * 3", Decimal("37037036703703703670370370367.037037036703")),
        ("row.amount if row.stage == 'closed_won' else 0", Decimal("12.5")),
        ("row.amount if row.missing else 0", 0),
        ("lower(upper('Ab'))", "ab"),
        ("lower(row.missing)", None),
        ("starts_with(row.missing, 'x')", None),
        ("coalesce(row.missing, row.lost_at, row.id)", 42),
        ("coalesce(row.missing)", None),
        ("number(row['price.net']) * 2", Decimal("20.20")),
        ("number('-0.5')", Decimal("-0.5")),
        ("number(row.amount)", Decimal("12.5")),
        ("text(row.amount)", "12.5"),
        ("text(12.50)", "12.5"),
        ("text(row.is_new)", "true"),
        ("length(row.tags)", 2),
        ("hours(created_at, closed_at)", Decimal(48)),
        ("days(created_at, closed_at) <= 2", True),
        ("hours(created_at, row.missing) < 4", False),
        ("minutes(time(0, 'ms'), time(90, 's'))", Decimal("1.5")),
        ("time('2025-01-08T10:12:07.672717030Z')", "2025-01-08T10:12:07.672717030Z"),
        ("round_to(2.5, 0)", Decimal(2)),
        ("round_to(row.amount, 12)", Decimal("12.5")),
        ("\n  row.amount\n  + 1\n", Decimal("13.5")),
    ],
)
def test_values(text: str, expected: Any) -> None:
    assert value(text) == expected


@pytest.mark.parametrize("name", FUNCTIONS)
def test_each_function_does_what_its_example_says(name: str) -> None:
    function = FUNCTIONS[name]
    result = value(function.example)
    assert result == function.result
    assert isinstance(result, bool) == isinstance(function.result, bool)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "empty"),
        ("  ", 1, "empty"),
        ("stage = 'won'", 7, "=="),
        ("stage == 'won' && true", 16, "write and"),
        ("a || b", 3, "write or"),
        ("!a", 1, "write not"),
        ("a <> b", 3, "!="),
        ("a === b", 3, "=="),
        ("a is null", 3, "=="),
        ("a AND b", 3, "small"),
        ("a ** 2", 3, "power"),
        ("a // 2", 3, "round_to"),
        ("a % 2", 3, "remainder"),
        ("row.class", 4, "['class']"),
        ("from == 'x'", 1, "_['from']"),
        ("startswith(a, 'b')", 1, "starts_with"),
        ("a.lower()", 1, "lower(...)"),
        ("lower(a, b)", 1, "arguments"),
        ("lower()", 1, "arguments"),
        ("lower", 0, ""),
        ("nothing_like_it_at_all_(a)", 1, "there are lower"),
        ("lower(*a)", 7, "place"),
        ("lower(text=a)", 11, "=="),
        ("[1, 2]", 1, "after in"),
        ("a in ['b', 1]", 6, "one kind"),
        ("a in []", 6, "one kind"),
        ("a in ['b' 'c']", 11, "comma"),
        ("a in [b]", 7, "no text, number"),
        ("a[b]", 3, "no text, number"),
        ("a[1:2]", 4, "place"),
        ("a[1,2]", 3, "no text, number"),
        ("a[1.5]", 3, "whole number"),
        ("a[true]", 3, "whole number"),
        ("(a + b).c", 2, "begins with a name"),
        ("lower(a).b", 1, "begins with a name"),
        ("'x'.join", 1, "begins with a name"),
        ("null.a", 1, "no members"),
        ("_", 1, "whole message"),
        ("_[0]", 1, "whole message"),
        ("f'{a}'", 2, "prefix"),
        ("b'a'", 2, "prefix"),
        (r"'\d'", 2, "backslash"),
        (r"'\x41'", 2, "backslash"),
        ("'a\x00b'", 3, "control"),
        ("'a\ud800'", 3, "surrogates"),
        ("'abc", 1, "closing quote"),
        ("“won”", 1, "straight"),
        ("a; b", 2, "single"),
        ("a # b", 3, "comments"),
        ("{a}", 1, "lists"),
        ("12abc", 1, "neither"),
        ("0x10", 1, "neither"),
        ("1_000", 1, "neither"),
        ("1j", 1, "neither"),
        ("007", 1, ""),
        ("...", 1, ""),
        ("1e60", 1, "1e60"),
        ("a < 1e999999999999", 5, "1e60"),
        ("9" * 1_900, 1, "1e60"),
        ("a ==", 5, "missing"),
        ("(a", 1, "closed"),
        ("a b", 3, "missing"),
        ("lambda: 1", 1, "word of the language"),
        ("[x for x in a]", 4, "word of the language"),
        ("(y := 5)", 4, "stores nothing"),
        ("a if b", 1, ""),
        ("+a", 1, "place"),
        ("~a", 1, "place"),
        ("a @ b", 3, "place"),
        ("  stage = 'won'", 9, "=="),
        ("'金额' == 金额 and x = 1", 18, "=="),
        ("'金额' == 金额 and g(x)", 16, "no function"),
        ("row.\uff41mount", 1, "compatibility"),
    ],
)
def test_a_bad_expression_is_refused_with_its_column(text: str, column: int, message: str) -> None:
    if not column:
        compile_expression(text)  # a name that is also a function's is a path
        return
    with pytest.raises(BadExpression) as refused:
        compile_expression(text)
    assert (refused.value.column, message in refused.value.message) == (column, True), str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "a." * 999 + "a",
        "-" * 1_999 + "1",
        "not " * 499 + "a",
        "(" * 999 + "a" + ")" * 999,
        "a" + "[0]" * 600,
        "+".join(["a"] * 1_000),
        "+".join(["a"] * 21),
        "a and " * 300 + "a",
        "1 if a else " * 150 + "2",
        "lower(" * 300 + "a" + ")" * 300,
        "a in [" + "1, " * 600 + "1]",
        "a == 1 and " * 180,
        "'" + "x" * 2_000 + "'",
        "a" * 1_000_000,
        "[" * 1_999,
    ],
)
def test_what_is_too_large_or_too_deep_is_refused_at_once(text: str) -> None:
    started = time.perf_counter()
    with pytest.raises(BadExpression):
        compile_expression(text)
    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    "text",
    [
        "row.__class__.__mro__",
        "row['__class__']",
        "_.__dict__",
        "__import__",
        "__builtins__",
        "row.keys",
        "row.stage.upper",
        "items.append",
        "_.get",
    ],
)
def test_no_path_leads_into_python(text: str) -> None:
    assert value(text) is None


@pytest.mark.parametrize("text", ["__import__('os')", "eval('1')", "open('x')", "getattr(row, 'x')", "row.keys()"])
def test_no_function_of_python_is_called(text: str) -> None:
    with pytest.raises(BadExpression):
        compile_expression(text)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("row.stage == 5", 1, "a text ('closed_won') does not compare with a number (5)"),
        ("row.is_new == 1", 1, "true or false"),
        ("row.id == '42'", 1, "a number (42)"),
        ("5 == row.stage", 1, "a number"),
        ("row == row", 1, "does not compare"),
        ("row.tags == row.tags", 1, "does not compare"),
        ("row.stage < 5", 1, "does not compare"),
        ("row.is_new < false", 1, "no order"),
        ("row.stage and row.is_new", 1, "not true or false"),
        ("row.is_new and row.id", 16, "not true or false"),
        ("not row.stage", 5, "not true or false"),
        ("1 if row.stage else 2", 6, "not true or false"),
        ("row.id in ['42']", 1, "the list has a text"),
        ("row.is_new in [1]", 1, "the list has a number"),
        ("'a' in row.stage", 1, "contains(text, part)"),
        ("row in row.tags", 1, "not looked for"),
        ("row.stage + 1", 13, "not a number"),
        ("1 + row.is_new", 5, "not a number"),
        ("row.id / 0", 10, "division by zero"),
        ("0 / 0", 5, "division by zero"),
        ("row.id / (row.id - 42)", 11, "division by zero"),
        ("1e59 * 10", 8, "1e60"),
        ("1e59 * 1e59 * 1e59", 8, "1e60"),
        ("lower(row.id)", 1, "lower: 42 is a number, not a text"),
        ("number('1e5')", 1, "writes no number"),
        ("number('.5')", 1, "writes no number"),
        ("number('5.')", 1, "writes no number"),
        ("number('')", 1, "writes no number"),
        ("number('١')", 1, "writes no number"),
        ("number('1 000')", 1, "writes no number"),
        ("abs(row.stage)", 1, "not a number"),
        ("round_to(row.id, 13)", 1, "digits"),
        ("hours(created_at, '2024-04-01T10:00:00')", 1, "offset"),
        ("hours(row.id, created_at)", 1, "not a time in text"),
        ("time(5, 'weeks')", 1, "no unit"),
        ("text(row)", 1, "an object"),
    ],
)
def test_a_message_without_an_answer_is_an_error_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as failed:
        value(text)
    assert (failed.value.column, message in failed.value.message) == (column, True), str(failed.value)


@pytest.mark.parametrize("text", ["row.stage", "row.id", "row.tags"])
def test_only_true_and_false_are_conditions(text: str) -> None:
    with pytest.raises(ExpressionError, match="not true or false"):
        compile_expression(text).holds(DEAL)


def test_huge_values_are_errors_or_answers_but_never_slow() -> None:
    hostile = {
        "n": 10**308,
        "small": Decimal("1E-999"),
        "text": "x" * 10_000_000,
        "list": list(range(1_000_000)),
        "s": "y" * 60_000,
    }
    started = time.perf_counter()
    for text in ("n + 1", "n * n", "lower(text)", "contains(text, 'y')", "text + 'a'", "s + s", "-1 in list", "abs(n)"):
        with pytest.raises(ExpressionError):
            value(text, hostile)
    for text in ("text(n)", "text(small)", "number(text)", "round_to(n, 12)", "time(n, 'days')"):
        with pytest.raises(ExpressionError):
            value(text, hostile)
    assert value("n > 1 and small < 1 and text != 'x'", hostile) is True
    assert value("small * small * small", hostile) > 0
    assert len(value("s + 'z'", hostile)) == 60_001
    assert time.perf_counter() - started < 5


def test_a_column_that_was_not_sent_makes_the_answer_unknown() -> None:
    record = {"op": "u", "row": {"id": 1, "big": UNAVAILABLE, "deep": {"er": UNAVAILABLE}}, "flat": UNAVAILABLE}
    for text in (
        "row.big",
        "row.big == null",
        "coalesce(row.big, 1)",
        "row.deep.er",
        "flat",
        "not row.big",
        "_.row.big",
    ):
        with pytest.raises(ColumnNotSent, match="was not sent"):
            value(text, record)


def test_and_or_are_decided_without_it_where_they_can_be() -> None:
    record = {"op": "d", "row": {"id": 1, "big": UNAVAILABLE}}
    for text, expected in (
        ("row.big == 'x' or op == 'd'", True),
        ("op == 'd' or row.big == 'x'", True),
        ("row.big == 'x' and op == 'c'", False),
        ("op == 'c' and row.big == 'x'", False),
        ("row.big == 'x' and (row.big == 'y' or op == 'c') and op == 'u'", False),
    ):
        assert compile_expression(text).holds(record) is expected
    for text in ("row.big == 'x' and op == 'd'", "row.big == 'x' or op == 'c'"):
        with pytest.raises(ColumnNotSent):
            compile_expression(text).holds(record)


def test_a_row_known_by_its_key_says_not_sent_for_every_other_column() -> None:
    record = {"row": KeyOnly(id=1)}
    assert value("row.id", record) == 1
    for text in ("row.stage", "row.stage.deeper", "row['stage'] == 'won'", "_.row.stage"):
        with pytest.raises(ColumnNotSent):
            value(text, record)


def test_an_expression_knows_what_it_reads() -> None:
    expression = compile_expression(" op == 'c' and coalesce(row.a, labels['x'], _['a-b'].c) > items[0] ")
    assert expression.roots == {"op", "row", "labels", "a-b", "items"}
    assert expression.text == "op == 'c' and coalesce(row.a, labels['x'], _['a-b'].c) > items[0]"
    assert expression == compile_expression(expression.text)


WORDS = "a row . [ ] ( ) 'x' 1 0.5 1e5 == != < in not and or if else - + * / , = ! lower( null 金 \\"


@settings(max_examples=500, deadline=None)
@given(
    st.one_of(
        st.text(max_size=30),
        st.lists(
            st.sampled_from([*re.findall(r"\S+", WORDS), "\n"]),
            max_size=12,
        ).map(" ".join),
    )
)
def test_any_text_is_an_expression_or_refused_with_a_column_inside_it(text: str) -> None:
    try:
        expression = compile_expression(text)
        expression.value(DEAL)
    except (BadExpression, ExpressionError) as error:
        assert 1 <= error.column <= len(text) + 1  # noqa: PT017


_sums = st.recursive(
    st.integers(0, 999).map(str) | st.decimals(0, 999, places=2).map(str),
    lambda parts: st.builds("({} {} {})".format, parts, st.sampled_from("+-*"), parts),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(_sums)
def test_sums_and_products_are_exact(text: str) -> None:
    exact = eval(re.sub(r"[0-9.]+", lambda number: f"Fraction('{number[0]}')", text), {"Fraction": Fraction})
    assert Fraction(str(value(text))) == exact
