"""What one message does under a feed."""

import hashlib
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feeds.contribution import Contribution, Dead, Ignored, Place, Stage, Tombstone
from domain.feeds.definition import parse_definition
from domain.feeds.formats import FORMATS
from domain.feeds.message import Message
from domain.feeds.pipeline import CompiledFeed, Outcome, compile_feed, read_message

KEY_RESULT = "0194f1c0-7c1e-7000-8000-000000000001"
ARRIVED = datetime(2025, 4, 1, 9, 33, 20, tzinfo=UTC)
ARRIVED_MS = 1_743_500_000_000
CLOSED = datetime(2025, 3, 31, 15, 12, tzinfo=UTC)


def feed(format_: str = "debezium", **fields: Any) -> CompiledFeed:
    defaults: dict[str, Any] = {
        "name": "revenue",
        "key_result": KEY_RESULT,
        "source": {"topic": "deals", "format": format_},
        "aggregate": {"fn": "sum"} if "value" in fields else {"fn": "count"},
    }
    return compile_feed(parse_definition({**defaults, **fields}))


REVENUE = feed(
    entity="row.id",
    order=["source.lsn"],
    retract_when="op == 'd' or row.stage != 'closed_won'",
    value={"expr": "row.amount"},
    effective_at={"path": "row.closed_at"},
)
COUNT = feed("json", entity="id")


def message(value: Any, **changes: Any) -> Message:
    raw = value if value is None or isinstance(value, bytes) else json.dumps(value).encode()
    defaults: dict[str, Any] = {"offset": 41, "timestamp_ms": ARRIVED_MS}
    return Message("deals", "e1", 0, value=raw, **{**defaults, **changes})


def change(op: str, row: dict[str, Any] | None, *, before: Any = None, lsn: Any = 100, **changes: Any) -> Message:
    source = {"lsn": lsn, "ts_ms": 1_743_400_000_000, "table": "deals"}
    return message({"op": op, "before": before, "after": row, "source": source}, **changes)


DEAL = {"id": 7, "stage": "closed_won", "amount": 12000.5, "closed_at": "2025-03-31T17:12:00+02:00"}


def one(compiled: CompiledFeed, given: Message) -> Outcome:
    (outcome,) = read_message(compiled, given)
    return outcome


def contribution(compiled: CompiledFeed, given: Message) -> Contribution:
    outcome = one(compiled, given)
    assert isinstance(outcome, Contribution), outcome
    return outcome


def dead(compiled: CompiledFeed, given: Message) -> str:
    with pytest.raises(Dead) as refused:
        read_message(compiled, given)
    return str(refused.value)


def test_a_won_deal_contributes_its_amount() -> None:
    given = change("c", DEAL)
    assert one(REVENUE, given) == Contribution(
        part="",
        entity="7",
        value=Decimal("12000.5"),
        version="p10021 o p100141 o tdeals o ",
        effective_at=CLOSED,
        is_arrival=False,
        place=Place("deals", "e1", 0, 41),
        timestamp_ms=ARRIVED_MS,
        message_sha256=hashlib.sha256(given.value or b"").hexdigest(),
    )


def test_a_lost_deal_is_retracted_and_needs_neither_value_nor_time() -> None:
    lost = contribution(REVENUE, change("u", {"id": 7, "stage": "lost", "amount": None, "closed_at": "soon"}))
    assert (lost.entity, lost.value, lost.effective_at, lost.is_arrival) == ("7", None, ARRIVED, True)


def test_a_message_that_the_filter_does_not_meet_is_ignored() -> None:
    won = feed(filter="row.stage == 'closed_won'")
    assert one(won, change("c", {"id": 7, "stage": "open"})) == Ignored("the filter is not met")
    assert one(won, change("c", {"id": 7})) == Ignored("the filter is not met")


def test_what_the_format_ignores_is_ignored_with_its_reason() -> None:
    assert one(REVENUE, message({"op": "t", "source": {}})) == Ignored(
        "a truncation: it names no row, so nothing is retracted"
    )


def test_the_newer_version_is_greater_and_equal_orders_are_decided_by_place() -> None:
    versions = [
        contribution(REVENUE, change("u", DEAL, lsn=lsn, offset=offset, epoch_number=epoch)).version
        for lsn, epoch, offset in ((9, 0, 50), (10, 0, 10), (10, 0, 11), (10, 1, 3), (100, 0, 1))
    ]
    assert versions == sorted(versions)
    assert len(set(versions)) == 5


def test_without_an_order_the_offset_decides_within_an_epoch() -> None:
    versions = [
        contribution(COUNT, message({"id": 1}, offset=offset, epoch_number=epoch)).version
        for epoch, offset in ((0, 2), (0, 10), (1, 0), (1, 1))
    ]
    assert versions == sorted(versions)


def test_without_an_entity_each_message_stands_for_itself() -> None:
    assert contribution(feed("json"), message({"v": 1})).entity == "deals-e1-0-41"


def test_without_an_entity_the_event_has_its_own_id() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/crm", "type": "t"}
    given = message(event, headers=(("content-type", b"application/cloudevents+json"),))
    assert contribution(feed("cloudevents"), given).entity == "/crm 1"


@pytest.mark.parametrize(
    ("value", "entity"),
    [("a b", "a b"), (7, "7"), (7.0, "7"), (7.50, "7.5"), (2**70, str(2**70)), ("金额" * 256, "金额" * 256)],
)
def test_an_entity_is_a_text_or_a_number(value: Any, entity: str) -> None:
    assert contribution(COUNT, message({"id": value})).entity == entity


@pytest.mark.parametrize("value", [None, True, [], {"a": 1}, "", "a\0b", "x" * 513, 1e200])
def test_what_names_no_entity_is_dead(value: Any) -> None:
    assert dead(COUNT, message({"id": value})).startswith("value: entity: ")


@pytest.mark.parametrize(
    ("rule", "value", "expected"),
    [
        ({}, 12.5, "12.5"),
        ({}, "12.50", "12.5"),
        ({}, 0.1, "0.1"),
        ({}, -0.0, "0"),
        ({}, 1e3, "1000"),
        ({}, "99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999"),
        ({}, "0.1234567890125", "0.123456789012"),  # a half to the even neighbour
        ({}, "0.1234567890135", "0.123456789014"),
        ({"type": "integer"}, 5.0, "5"),
        ({"type": "integer"}, "5", "5"),
        ({"type": "text-number"}, "5", "5"),
        ({"type": "text-number"}, 5, "5"),
        ({"min": 5, "max": "5.0"}, 5, "5"),
    ],
)
def test_a_value_is_exact_and_plain(rule: dict[str, Any], value: Any, expected: str) -> None:
    amounts = feed("json", value={"expr": "v", **rule})
    given = message(json.dumps({"v": value}).encode())
    assert str(contribution(amounts, given).value) == expected


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        ({}, None, "v is null or missing"),
        ({}, "C+o=", "writes no number"),
        ({}, "12,5", "writes no number"),
        ({}, "NaN", "writes no number"),
        ({}, True, "true or false"),
        ({}, [1], "a list"),
        ({}, 1e26, "26 digits"),
        ({}, "-100000000000000000000000000", "26 digits"),
        ({}, "99999999999999999999999999.9999999999999", "26 digits"),
        ({"type": "integer"}, 5.5, "no whole number"),
        ({"min": 0}, -1, "outside 0 to None"),
        ({"max": 10}, 10.1, "outside None to 10"),
    ],
)
def test_a_value_that_cannot_be_kept_is_dead(rule: dict[str, Any], value: Any, reason: str) -> None:
    amounts = feed("json", value={"expr": "v", **rule})
    assert reason in dead(amounts, message({"v": value}))
    assert dead(amounts, message({"v": value})).startswith("value: ")


def test_digits_that_may_be_base64_are_no_number_unless_the_feed_says_so() -> None:
    deal = {**DEAL, "amount": "1234"}
    assert "may be base64" in dead(REVENUE, change("c", deal))
    for certain in ("1234.00", "12345", "-123"):
        assert contribution(REVENUE, change("c", {**DEAL, "amount": certain})).value == Decimal(certain)
    assert contribution(feed(value={"expr": "row.amount", "type": "text-number"}), change("c", deal)).value == 1234
    assert contribution(feed("json", value={"expr": "amount"}), message(deal)).value == 1234


@pytest.mark.parametrize(
    ("effective_at", "value", "expected", "is_arrival"),
    [
        (None, {}, ARRIVED, True),
        ({"path": "t"}, {"t": "2025-03-31T15:12:00Z"}, CLOSED, False),
        ({"path": "t", "unit": "ms"}, {"t": 1743433920000}, CLOSED, False),
        ({"path": "t", "unit": "days"}, {"t": 20178}, datetime(2025, 3, 31, tzinfo=UTC), False),
        ({"path": "t"}, {"t": None}, ARRIVED, True),
        ({"path": "t"}, {}, ARRIVED, True),
    ],
)
def test_when_it_was_true(effective_at: Any, value: Any, expected: datetime, is_arrival: bool) -> None:
    found = contribution(feed("json", effective_at=effective_at), message(value))
    assert (found.effective_at, found.is_arrival) == (expected, is_arrival)


def test_the_event_s_own_time_stands_in_for_a_path() -> None:
    found = contribution(feed(), change("c", DEAL))
    assert (found.effective_at, found.is_arrival) == (datetime(2025, 3, 31, 5, 46, 40, tzinfo=UTC), False)


@pytest.mark.parametrize(
    ("effective_at", "value", "reason"),
    [
        ({"path": "t"}, {"t": "2025-03-31T15:12:00"}, "effective_at: '2025-03-31T15:12:00' is no time"),
        ({"path": "t"}, {"t": 1743433920}, "is its unit"),
        ({"path": "t", "unit": "s"}, {"t": 1743433920000}, "no time of the years"),
        ({"path": "t", "unit": "ms"}, {"t": 1743433920}, "is the unit right?"),
        ({"path": "t.u + 1"}, {"t": {"u": "x"}}, "not a number"),
    ],
)
def test_a_time_that_cannot_be_is_dead(effective_at: Any, value: Any, reason: str) -> None:
    assert reason in dead(feed("json", effective_at=effective_at), message(value))


@pytest.mark.parametrize("timestamp_ms", [None, -1, 0, 2**62])
def test_without_any_time_the_message_is_dead(timestamp_ms: int | None) -> None:
    assert "says when it was" in dead(COUNT, message({"id": 1}, timestamp_ms=timestamp_ms))


@pytest.mark.parametrize(
    ("value", "stage", "reason"),
    [
        (b"{", "decode", "no JSON"),
        ({"after": {"id": 1}}, "decode", "no op"),
        ({"op": "c", "after": {"id": 7, "stage": 5}}, "filter", "does not compare"),
        ({"op": "c", "after": {**DEAL, "amount": "abc"}, "source": {"lsn": 1}}, "value", "no number"),
        ({"op": "c", "after": DEAL, "source": {"lsn": None}}, "value", "order: source.lsn is null or missing"),
        ({"op": "c", "after": DEAL, "source": {"lsn": [1]}}, "value", "order: it is a list"),
        ({"op": "c", "after": DEAL}, "value", "order: source.lsn is null or missing"),
    ],
)
def test_a_dead_message_names_its_stage(value: Any, stage: str, reason: str) -> None:
    with pytest.raises(Dead) as refused:
        read_message(REVENUE, message(value))
    assert refused.value.stage == stage
    assert reason in refused.value.reason


def test_a_reason_never_holds_what_a_database_refuses() -> None:
    event = {"specversion": "1.0", "id": "1", "source": "/", "type": "t", "a\0b": "x" * 1000}
    reason = dead(feed("cloudevents"), message(event, headers=(("content-type", b"application/cloudevents+json"),)))
    assert "a�b" in reason
    assert len(Dead(Stage.VALUE, "x" * 1000).reason) == 500


BIG = "__debezium_unavailable_value"


def test_a_value_that_was_not_sent_leaves_what_was_known() -> None:
    ignored = one(REVENUE, change("u", {**DEAL, "amount": BIG}))
    assert ignored == Ignored("row.amount was not sent (column 1): what was known before still holds")
    assert isinstance(one(feed(entity="row.id"), change("u", {"id": BIG})), Ignored)
    assert isinstance(one(feed(filter="row.x == 'a'"), change("u", {"id": 7, "x": BIG})), Ignored)
    assert isinstance(one(feed(order=["row.x"]), change("u", {"id": 7, "x": BIG})), Ignored)
    assert isinstance(one(feed(effective_at={"path": "row.x"}), change("u", {"id": 7, "x": BIG})), Ignored)


def test_a_deal_is_lost_also_where_its_value_was_not_sent() -> None:
    assert contribution(REVENUE, change("u", {**DEAL, "amount": BIG, "stage": "lost"})).value is None


KEYED = {"key": b'{"id":7}'}


def test_a_deletion_retracts_by_itself() -> None:
    deals = feed(entity="row.id", order=["source.lsn"], filter="row.kind == 'deal' and source.table == 'deals'")
    for before in (None, {"id": 7}, {"id": 0, "kind": ""}, {"id": 7, "kind": "deal"}):
        gone = contribution(deals, change("d", None, before=before, lsn=200, **KEYED))
        assert (gone.entity, gone.value, gone.version[:8]) == ("7", None, "p10022 o")


def test_a_deletion_that_the_filter_surely_does_not_meet_is_ignored() -> None:
    accounts = feed(entity="row.id", filter="row.kind == 'deal' and source.table == 'accounts'")
    assert one(accounts, change("d", None, before={"id": 7, "kind": "deal"}, **KEYED)) == Ignored(
        "the filter is not met"
    )
    others = feed(entity="row.id", filter="row.id == 8")
    assert one(others, change("d", None, **KEYED)) == Ignored("the filter is not met")


def test_a_deletion_whose_order_only_its_lost_columns_know_is_a_tombstone() -> None:
    by_column = feed(entity="row.id", order=["row.updated_at"])
    gone = one(by_column, change("d", None, before={"id": 7, "updated_at": "1970-01-01T00:00:00Z"}, **KEYED))
    assert isinstance(gone, Tombstone)
    assert (gone.entity, gone.place) == ("7", Place("deals", "e1", 0, 41))
    assert isinstance(one(feed(entity="row.id", order=["source.scn"]), change("d", None, **KEYED)), Tombstone)


@pytest.mark.parametrize(
    ("compiled", "key", "entity"),
    [
        (REVENUE, b'{"id":7}', "7"),
        (REVENUE, b'{"schema":{},"payload":{"id":7}}', "7"),
        (feed(), b'{"id":7}', "7"),
        (REVENUE, b'{"deal_no":7}', None),
        (REVENUE, b"7", None),
        (REVENUE, None, None),
        (COUNT, b'{"id":7}', "7"),
        (COUNT, b"deal-7", "deal-7"),
        (COUNT, b'"deal-7"', "deal-7"),
        (COUNT, b'{"deal":7}', None),
        (COUNT, b"\xff", None),
        (COUNT, b"a\0b", None),
        (feed("json"), b"deal-7", None),
        (feed("json", entity="a + b"), b'{"a": "x", "b": 1}', None),
        (feed("cloudevents", entity="subject"), b"deal-7", "deal-7"),
        (feed("cdevents", entity="subject.content.artifactId"), b"pkg:oci/shop", "pkg:oci/shop"),
    ],
)
def test_a_tombstone_retracts_the_entity_that_its_key_names(
    compiled: CompiledFeed, key: bytes | None, entity: str | None
) -> None:
    outcome = one(compiled, message(None, key=key))
    if entity is None:
        assert isinstance(outcome, Ignored)
        assert "names no entity" in outcome.reason
    else:
        assert isinstance(outcome, Tombstone)
        assert (outcome.entity, outcome.part, outcome.place.offset) == (entity, "", 41)
        assert outcome.message_sha256 == hashlib.sha256(b"").hexdigest()


RATIO = feed(
    "json",
    filter="kind != 'test'",
    entity="id",
    aggregate={
        "fn": "ratio",
        "numerator": {"filter": "kind == 'incident'", "entity": "deployment"},
        "denominator": {"filter": "kind in ['deployment', 'both']"},
    },
)


def test_the_sides_of_a_ratio_have_filters_and_entities_of_their_own() -> None:
    assert contribution(RATIO, message({"kind": "incident", "id": 1, "deployment": 7})).part == "numerator"
    assert contribution(RATIO, message({"kind": "incident", "id": 1, "deployment": 7})).entity == "7"
    assert contribution(RATIO, message({"kind": "deployment", "id": 7})).part == "denominator"
    assert contribution(RATIO, message({"kind": "deployment", "id": 7})).entity == "7"
    for kind in ("test", "other"):
        assert one(RATIO, message({"kind": kind, "id": 7})) == Ignored("the filter is not met")


def test_a_message_may_contribute_to_both_sides() -> None:
    both = feed(
        "json",
        entity="id",
        aggregate={
            "fn": "ratio",
            "numerator": {"value": {"expr": "won"}},
            "denominator": {"value": {"expr": "asked"}},
        },
    )
    outcomes = read_message(both, message({"id": 1, "won": 3, "asked": 4}))
    assert [(one.part, one.value) for one in outcomes if isinstance(one, Contribution)] == [
        ("numerator", Decimal(3)),
        ("denominator", Decimal(4)),
    ]
    assert [one.part for one in read_message(both, message(None, key=b"1")) if isinstance(one, Tombstone)] == [
        "numerator",
        "denominator",
    ]


def test_a_batch_gives_an_outcome_for_each_event_and_the_last_of_one_event_counts() -> None:
    events = [{"specversion": "1.0", "id": "1", "source": "/", "type": "t", "data": {"v": v}} for v in (1, 2)]
    headers = (("content-type", b"application/cloudevents-batch+json"),)
    first, second = read_message(feed("cloudevents", value={"expr": "data.v"}), message(events, headers=headers))
    assert isinstance(first, Contribution)
    assert isinstance(second, Contribution)
    assert (first.entity, first.value, second.value) == (second.entity, Decimal(1), Decimal(2))
    assert first.version < second.version
    assert one(feed("cloudevents"), message([], headers=headers)) == Ignored("it holds no event")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.just("__debezium_unavailable_value"),
    lambda parts: (
        st.lists(parts, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["op", "after", "before", "source", "id", "payload", "schema", "fields", "name", "row", "lsn"]
            )
            | st.text(max_size=3),
            parts,
            max_size=4,
        )
    ),
    max_leaves=10,
)
_changes = st.builds(
    lambda op, before, after, source: {"op": op, "before": before, "after": after, "source": source},
    st.sampled_from(["c", "u", "d", "r", "t", 5]),
    _json,
    st.fixed_dictionaries({"id": _json, "stage": st.just("closed_won") | _json, "amount": _json, "closed_at": _json}),
    st.fixed_dictionaries({"lsn": st.integers(0, 9) | _json}),
)


@settings(max_examples=300, deadline=None)
@given(
    name=st.sampled_from(sorted(FORMATS)),
    value=st.none() | st.binary(max_size=20) | (_json | _changes).map(lambda tree: json.dumps(tree).encode()),
    key=st.none() | st.binary(max_size=8) | _json.map(lambda tree: json.dumps(tree).encode()),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "x"]),
            st.sampled_from([None, b"1.0", b"application/cloudevents+json", b"application/json", b"", b"\xff"]),
        ),
        max_size=5,
    ),
)
def test_any_message_is_read_or_dead(name: str, value: Any, key: Any, headers: Any) -> None:
    roots = sorted(FORMATS[name].roots or {"id", "source"})
    read_all = REVENUE if name == "debezium" else feed(name, entity=roots[0], value={"expr": roots[-1]})
    for compiled in (read_all, feed(name)):
        given = message(value, key=key, headers=tuple(headers))
        try:
            outcomes = read_message(compiled, given)
        except Dead as refused:
            assert refused.reason.isprintable()  # noqa: PT017
            continue
        assert outcomes == read_message(compiled, given)
        for outcome in outcomes:
            if isinstance(outcome, Ignored):
                assert outcome.reason
                continue
            assert 0 < len(outcome.entity) <= 512
            assert "\0" not in outcome.entity
            if isinstance(outcome, Contribution) and outcome.value is not None:
                assert outcome.value == round(outcome.value, 12)
                assert outcome.effective_at.tzinfo is UTC
