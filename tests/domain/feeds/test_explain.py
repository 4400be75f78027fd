"""Why a message does what it does under a feed, and what many of them make together."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.cycle import CycleState, CycleTerms
from domain.feeds.contribution import Dead
from domain.feeds.definition import parse_definition
from domain.feeds.explain import Explained, Finding, deciding, explain
from domain.feeds.expressions import compile_expression
from domain.feeds.message import Message
from domain.feeds.pipeline import CompiledFeed, compile_feed, read_message
from domain.feeds.rehearsal import Fate, Rehearsal, rehearse

CYCLE = CycleTerms(UUID(int=1), CycleState.RUNNING, date(2025, 1, 1), date(2025, 3, 31), "Europe/Berlin")
NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
IN_MARCH = int(datetime(2025, 3, 1, tzinfo=UTC).timestamp() * 1000)


def mapping(**fields: Any) -> dict[str, Any]:
    usual: dict[str, Any] = {
        "name": "revenue",
        "key_result": str(UUID(int=2)),
        "source": {"topic": "deals", "format": "json"},
        "entity": "id",
        "aggregate": {"fn": "sum"} if "value" in fields else {"fn": "count"},
    }
    return usual | fields


def feed(**fields: Any) -> CompiledFeed:
    return compile_feed(parse_definition(mapping(**fields)))


def message(value: Any, offset: int = 0, **changes: Any) -> Message:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    return Message("deals", "e", 0, offset, IN_MARCH, value=raw, **changes)


def findings(explained: Explained) -> list[str]:
    return [f"{each.field}:{each.column} {each}" for each in explained.findings]


def test_of_a_filter_the_parts_that_were_false_are_told_with_what_they_read() -> None:
    won = feed(filter="stage == 'won' and (region in ['eu', 'us'] or lower(owner) == 'anna') and amount > 10")
    told = explain(won, message({"id": 1, "stage": "won", "region": "apac", "owner": "Bert", "amount": 5}))
    assert told.ignored == "the filter is not met"
    assert findings(told) == [
        "filter:21 region in ['eu', 'us'] is false: region is 'apac'",
        "filter:47 lower(owner) == 'anna' is false: owner is 'Bert'",
        "filter:75 amount > 10 is false: amount is 5",
    ]


def test_a_condition_that_reads_nothing_says_so() -> None:
    told = explain(feed(filter="deal.is_won"), message({"id": 1, "deal": {}}))
    assert findings(told) == ["filter:1 deal.is_won is null: deal.is_won is null"]


def test_of_a_negation_the_part_that_was_true_is_told() -> None:
    told = explain(feed(filter="not (test or env == 'staging')"), message({"id": 1, "test": False, "env": "staging"}))
    assert findings(told) == ["filter:14 env == 'staging' is true: env is 'staging'"]


def test_why_a_message_retracts_is_told() -> None:
    told = explain(feed(retract_when="lost == true or stage == 'lost'"), message({"id": 1, "stage": "lost"}))
    assert findings(told) == ["retract_when:17 stage == 'lost' is true: stage is 'lost'"]
    assert told.ignored is None


def test_each_side_of_a_ratio_has_its_own_filter() -> None:
    rate = feed(aggregate={"fn": "ratio", "numerator": {"filter": "failed == true"}, "denominator": {}})
    told = explain(rate, message({"id": 1, "failed": False}))
    assert findings(told) == ["aggregate.numerator.filter:1 failed == true is false: failed is false"]
    assert told.ignored is None


@pytest.mark.parametrize(
    ("fields", "value", "stage", "field", "column"),
    [
        ({}, b"{", "decode", None, None),
        ({"filter": "id == 7 and amount > 10"}, {"id": 7, "amount": "12"}, "filter", "filter", 13),
        ({"filter": "stage"}, {"id": 7, "stage": "won"}, "filter", "filter", 1),
        ({"retract_when": "lost > 3"}, {"id": 7, "lost": "no"}, "filter", "retract_when", 1),
        ({"value": {"expr": "price * hours"}}, {"id": 7, "price": 3, "hours": "x"}, "value", "value.expr", 9),
        ({"value": {"expr": "price"}}, {"id": 7}, "value", "value.expr", None),
        ({"value": {"expr": "price"}}, {"id": 7, "price": "much"}, "value", "value.expr", None),
        ({"value": {"expr": "price"}}, {"id": 7, "price": [1]}, "value", "value.expr", None),
        ({"value": {"expr": "price", "max": 5}}, {"id": 7, "price": 6}, "value", "value.expr", None),
        ({"entity": "deal.id"}, {"id": 7}, "value", "entity", None),
        ({"order": ["rev"]}, {"id": 7}, "value", "order", None),
        ({"effective_at": {"path": "at"}}, {"id": 7, "at": "soon"}, "value", "effective_at.path", None),
        ({"effective_at": {"path": "time(at)"}}, {"id": 7, "at": 5}, "value", "effective_at.path", 1),
    ],
)
def test_a_failure_names_the_expression_and_the_column(
    fields: dict[str, Any], value: Any, stage: str, field: str | None, column: int | None
) -> None:
    compiled = feed(**fields)
    told = explain(compiled, message(value))
    with pytest.raises(Dead) as dead:
        read_message(compiled, message(value))
    assert told.failure is not None
    assert (told.failure.stage, told.failure.reason) == (dead.value.stage, dead.value.reason)
    assert (told.failure.stage, told.failure.field, told.failure.column) == (stage, field, column)


def test_what_was_decoded_is_shown_in_short() -> None:
    told = explain(feed(), message({"id": 1, "text": "x" * 2_000}))
    assert told.decoded[0].startswith('{"id":1,"text":"xxx')
    assert (len(told.decoded[0]), told.decoded[0][-1]) == (500, "…")


CONDITIONS = st.recursive(
    st.sampled_from(["a", "b == 1", "c in ['x', 'y']", "starts_with(d, 'p')", "b < 3", "c == null", "a == true"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda t: f"({t[0]}){t[1]}({t[2]})"),
        inner.map(lambda text: f"not ({text})"),
        st.tuples(inner, inner, inner).map(lambda t: f"({t[0]} if {t[1]} else {t[2]})"),
    ),
    max_leaves=8,
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "a": st.sampled_from([True, False, None]),
        "b": st.sampled_from([0, 1, 5, None]),
        "c": st.sampled_from(["x", "é", None]),
        "d": st.sampled_from(["pq", "q"]),
    },
)


@given(CONDITIONS, RECORDS)
@settings(max_examples=300, deadline=None)
def test_what_is_said_to_have_decided_would_decide_alone(text: str, record: dict[str, Any]) -> None:
    """Each finding stands where it says in the text, and was what it says."""
    condition = compile_expression(text)
    found = deciding(condition, record, "filter")
    assert found
    for each in found:
        assert condition.text[each.column - 1 :].startswith(each.expression)
        value = compile_expression(each.expression).value(record)
        assert each.was == {True: "true", False: "false", None: "null"}[value]  # type: ignore[index]
        for path, read in each.values.items():
            value = compile_expression(path).value(record)
            assert (read == "null") is (value is None)


def rehearsed(*messages: Message, **fields: Any) -> Rehearsal:
    return rehearse(parse_definition(mapping(**fields)), messages, CYCLE, NOW)


def fates(rehearsal: Rehearsal) -> list[Fate]:
    return [effect.fate for _, effects in rehearsal.messages for effect in effects]


def test_messages_make_a_number_in_which_the_newest_of_each_entity_counts() -> None:
    done = rehearsed(
        message({"id": "a", "amount": 10.5}, 0),
        message({"id": "a", "amount": 12}, 1),
        message({"id": "b", "amount": 3, "at": "2024-12-31T12:00:00Z"}, 2),
        message({"id": "c", "amount": 4}, 3),
        message({"id": "c", "lost": True}, 4),
        message({"id": "d", "amount": 100, "stage": "open"}, 5),
        message(b"[", 6),
        value={"expr": "amount"},
        filter="stage != 'open'",
        retract_when="lost == true",
        effective_at={"path": "at"},
    )
    assert fates(done) == [
        Fate.SUPERSEDED,
        Fate.COUNTS,
        Fate.OUTSIDE,
        Fate.SUPERSEDED,
        Fate.RETRACTS,
        Fate.IGNORED,
    ]
    assert (done.value, done.contributions) == (Decimal(12), 1)
    assert done.messages[-1][0].failure is not None


def test_a_tombstone_retracts_what_stood_before_it() -> None:
    done = rehearsed(message({"id": "a"}, 0), message(None, 1, key=b'"a"'), message({"id": "b"}, 2))
    assert fates(done) == [Fate.RETRACTED, Fate.RETRACTS, Fate.COUNTS]
    assert done.value == 1


def test_a_rolling_window_ends_at_the_last_midnight() -> None:
    done = rehearsed(message({"id": "a"}), aggregate={"fn": "count", "window": "P7D"})
    assert (done.window.end, done.value) == (datetime(2025, 2, 28, 23, tzinfo=UTC), Decimal(0))


def test_no_message_makes_no_number() -> None:
    assert rehearsed(value={"expr": "amount"}).value is None


def test_a_finding_reads_as_a_sentence() -> None:
    assert str(Finding("filter", "a == 1", 1, "false", {"a": "2"})) == "a == 1 is false: a is 2"
