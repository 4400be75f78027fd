"""What a measure is, how it is written, and how figures are rounded."""

import re
from decimal import Decimal, DivisionByZero, InvalidOperation, localcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.numbers import MEASURE_PATTERN, MEASURE_RULE, measure, plain, quotient, shown, text

finite = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)


@pytest.mark.parametrize(
    ("written", "as_text"),
    [
        ("12.50", "12.50"),
        ("1E+2", "100"),
        ("-0.00", "0.00"),
        ("-0", "0"),
        ("0E+5", "0"),
        ("1E-7", "0.0000001"),
        ("-1.5E+3", "-1500"),
    ],
)
def test_a_number_is_written_without_exponent_and_without_minus_zero(written: str, as_text: str) -> None:
    assert text(Decimal(written)) == as_text
    assert text(plain(Decimal(written))) == as_text
    assert plain(Decimal(written)) == Decimal(written)


def test_a_plain_number_keeps_its_scale() -> None:
    assert plain(Decimal("12.50")).as_tuple() == Decimal("12.50").as_tuple()
    assert plain(Decimal("-0.00")).as_tuple() == Decimal("0.00").as_tuple()
    assert plain(Decimal("1E+2")).as_tuple() == Decimal(100).as_tuple()


@pytest.mark.parametrize("written", ["NaN", "sNaN", "-NaN7", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="not a number"):
        plain(Decimal(written))


@pytest.mark.parametrize("written", ["1E+128", "1E+999999", "1E-129", "1E-999999", "0E-129", "-1E+400000"])
def test_what_would_fill_pages_is_refused_before_it_is_written(written: str) -> None:
    with pytest.raises(ValueError, match="128 digits"):
        plain(Decimal(written))


@given(finite)
def test_plain_changes_the_writing_and_never_the_number(number: Decimal) -> None:
    assert plain(number) == number
    assert "E" not in text(number)
    assert Decimal(text(number)) == number
    assert plain(plain(number)).as_tuple() == plain(number).as_tuple()


@pytest.mark.parametrize(
    "written",
    ["0", "-0.5", "12.50", "99999999999999999999", "-99999999999999999999.999999999999", "0.000000000001"],
)
def test_a_measure_is_read_exactly(written: str) -> None:
    assert text(measure(written)) == written


def test_a_measure_comes_from_numbers_too() -> None:
    assert measure(48) == Decimal(48)
    assert measure(-(10**20) + 1) == Decimal("-99999999999999999999")
    assert text(measure(Decimal("1E+2"))) == "100"
    assert text(measure(Decimal("1E-7"))) == "0.0000001"
    assert text(measure("-0.00")) == "0.00"


@pytest.mark.parametrize(
    "written",
    [
        "", " 1", "1 ", "1\n", "+1", "01", "-", ".5", "5.", "1_000", "1,5", "1e2", "1E+2", "asdf", "21. 2",
        "１２", "١٢", "²", "0x10", "NaN", "Infinity", "--1", "1.2.3",
        "100000000000000000000", "0.0000000000001", "9" * 5000,
    ],
)  # fmt: skip
def test_a_text_that_is_no_measure_is_refused_by_the_rule(written: str) -> None:
    with pytest.raises(ValueError, match=re.escape(MEASURE_RULE)):
        measure(written)


@pytest.mark.parametrize(
    "number",
    [
        True, False, 10**20, -(10**20), Decimal("NaN"), Decimal("Infinity"), Decimal("1E+20"),
        Decimal("1E-13"), Decimal("1.0000000000000"), Decimal("1E+400000"), Decimal("1E-400000"),
    ],
)  # fmt: skip
def test_a_number_that_is_no_measure_is_refused_by_the_rule(number: int | Decimal) -> None:
    with pytest.raises(ValueError, match=re.escape(MEASURE_RULE)):
        measure(number)


def test_an_integer_of_5000_digits_is_refused_by_the_rule() -> None:
    with pytest.raises(ValueError, match=re.escape(MEASURE_RULE)):
        measure(10**5000)


@given(st.from_regex(MEASURE_PATTERN, fullmatch=True))
def test_a_measure_keeps_what_was_written(written: str) -> None:
    read = measure(written)
    assert read == Decimal(written)
    assert text(read) == (written.removeprefix("-") if read == 0 else written)
    assert measure(read).as_tuple() == read.as_tuple()


def test_a_quotient_has_34_digits_whatever_the_thread_uses() -> None:
    with localcontext() as thread:
        thread.prec = 3
        assert text(quotient(Decimal(1), Decimal(3))) == "0." + "3" * 34
        assert text(quotient(Decimal(2), Decimal(3))) == "0." + "6" * 33 + "7"


def test_a_division_by_zero_is_loud() -> None:
    with pytest.raises(DivisionByZero):
        quotient(Decimal(1), Decimal(0))
    with pytest.raises(InvalidOperation):
        quotient(Decimal(0), Decimal(0))


@pytest.mark.parametrize(
    ("figure", "as_shown"),
    [
        ("0.48", "0.480000"),
        ("0.5538461538461538461538461538461538", "0.553846"),
        ("86.66666666666666666666666666666667", "86.666667"),
        ("0.0000005", "0.000000"),
        ("0.0000015", "0.000002"),
        ("-0.0000001", "0.000000"),
        ("1E+2", "100.000000"),
        ("99999999999999999999000000000000", "99999999999999999999000000000000.000000"),
    ],
)
def test_a_figure_is_shown_with_six_decimals_half_to_even(figure: str, as_shown: str) -> None:
    with localcontext() as thread:
        thread.prec = 3
        assert text(shown(Decimal(figure))) == as_shown
