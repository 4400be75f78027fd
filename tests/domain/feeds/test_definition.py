"""What a feed may say, what it may not, and that it is kept as it was said."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feeds.definition import (
    Aggregate,
    BadDefinition,
    EffectiveAt,
    Emit,
    FeedDefinition,
    Fn,
    Side,
    Source,
    Start,
    StartAt,
    ValueRule,
    ValueType,
    parse_definition,
)
from domain.feeds.durations import parse_duration, write_duration

KEY_RESULT = "0194f1c0-7c1e-7000-8000-000000000001"
GOLDENS = Path(__file__).parents[2] / "golden" / "feeds"

REVENUE: dict[str, Any] = {
    "name": "revenue",
    "key_result": KEY_RESULT,
    "source": {"topic": "crm.public.deals", "format": "debezium"},
    "entity": "row.id",
    "order": ["source.lsn"],
    "retract_when": "op == 'd' or row.stage != 'closed_won'",
    "value": {"expr": "row.amount"},
    "effective_at": {"path": "row.closed_at"},
    "aggregate": {"fn": "sum"},
}


def problems(mapping: Any) -> list[tuple[str, str]]:
    with pytest.raises(BadDefinition) as refused:
        parse_definition(mapping)
    return [(problem.field, problem.rule) for problem in refused.value.problems]


def message_of(mapping: Any) -> str:
    with pytest.raises(BadDefinition) as refused:
        parse_definition(mapping)
    return str(refused.value)


def but(**changes: Any) -> dict[str, Any]:
    return {**REVENUE, **changes}


def test_a_definition_with_its_defaults() -> None:
    assert parse_definition(REVENUE) == FeedDefinition(
        name="revenue",
        key_result=UUID(KEY_RESULT),
        source=Source(topics=("crm.public.deals",), format="debezium"),
        start=Start(at=StartAt.EARLIEST),
        filter=None,
        entity="row.id",
        order=("source.lsn",),
        effective_at=EffectiveAt(path="row.closed_at", unit="iso"),
        value=ValueRule(expr="row.amount", type=ValueType.DECIMAL),
        retract_when="op == 'd' or row.stage != 'closed_won'",
        aggregate=Aggregate(fn=Fn.SUM, window=None),
        emit=Emit(debounce=timedelta(seconds=1)),
    )
    assert parse_definition(REVENUE).to_mapping() == REVENUE


def test_what_is_written_as_a_default_is_not_kept() -> None:
    spelled_out = but(
        start="earliest",
        value={"expr": " row.amount\n", "type": "decimal", "min": None},
        effective_at={"path": "row.closed_at", "unit": "iso"},
        aggregate={"fn": "sum", "window": "cycle"},
        emit={"debounce": "PT1S"},
        on_error="dead_letter",
        filter=None,
    )
    assert parse_definition(spelled_out).to_mapping() == REVENUE


def test_the_feeds_of_a_team_as_yaml() -> None:
    feeds = yaml.safe_load(f"""
- name: deployment-frequency
  key_result: {KEY_RESULT}
  source: {{topic: gh.deployments, format: json}}
  entity: deployment.id
  filter: "deployment_status.state == 'success' and deployment.environment == 'production'"
  aggregate: {{fn: rate, per: P7D, window: P28D}}
  start: 2025-01-01T00:00:00+01:00
- name: change-failure-rate
  key_result: {KEY_RESULT}
  source: {{topics: [cd.events, cd.incidents], format: cdevents}}
  start: {{offsets: {{cd.events: {{0: 42, 1: 7}}}}}}
  aggregate:
    fn: ratio
    window: P4W
    denominator: {{filter: "starts_with(type, 'dev.cdevents.service.deployed.')", entity: subject.content.artifactId}}
    numerator: {{filter: "starts_with(type, 'dev.cdevents.incident.detected.')", entity: subject.content.artifactId}}
  emit: {{debounce: PT1M, min_change: 0.5, round: 1}}
""")
    frequency, failures = (parse_definition(feed) for feed in feeds)
    assert frequency.aggregate == Aggregate(fn=Fn.RATE, window=timedelta(days=28), per=timedelta(days=7))
    assert frequency.start == Start(at=StartAt.TIMESTAMP, timestamp=datetime(2024, 12, 31, 23, tzinfo=UTC))
    assert failures.start.offsets == (("cd.events", 0, 42), ("cd.events", 1, 7))
    assert failures.emit == Emit(debounce=timedelta(minutes=1), min_change=Decimal("0.5"), round=1)
    assert failures.to_mapping()["emit"] == {"debounce": "PT1M", "min_change": "0.5", "round": 1}
    assert failures.to_mapping()["aggregate"]["window"] == "P28D"
    assert failures.aggregate.numerator == Side(
        filter="starts_with(type, 'dev.cdevents.incident.detected.')", entity="subject.content.artifactId"
    )


def test_all_problems_are_named_at_once() -> None:
    assert problems(
        {
            "name": "Revenue 2025",
            "key_result": "the first one",
            "sourec": {},
            "source": {"topic": "a b", "format": "debesium"},
            "filter": "op = 'c'",
            "value": {"expr": "row.amount", "min": 5, "max": 1, "typ": "x"},
            "aggregate": {"fn": "median", "per": "P1M"},
        }
    ) == [
        ("sourec", "unknown"),
        ("source.format", "choice"),
        ("source.topic", "topic"),
        ("name", "slug"),
        ("key_result", "uuid"),
        ("aggregate.fn", "unavailable"),
        ("aggregate.per", "duration"),
        ("filter", "expression"),
        ("value.typ", "unknown"),
        ("value.min", "range"),
    ]


def test_near_matches_and_columns_are_named() -> None:
    assert "did you mean retract_when?" in message_of(but(retractwhen="x"))
    assert "did you mean expr?" in message_of(but(value={"exprs": "row.amount"}))
    assert "debezium?" in message_of(but(source={"topic": "a", "format": "debezum"}))
    assert "filter: column 4: write == for equality" in message_of(but(filter="op = 'c'"))
    assert "order[1]: column 9: there is no function" in message_of(but(order=["source.lsn", "ts_ms + mins(1)"]))
    assert "did you mean row?" in message_of(but(entity="rows.id"))
    assert "there are after, before" in message_of(but(entity="xyz.id"))


@pytest.mark.parametrize(
    ("changes", "field", "rule"),
    [
        ({"name": None}, "name", "required"),
        ({"name": 5}, "name", "type"),
        ({"name": "a--b"}, "name", "slug"),
        ({"name": "x" * 65}, "name", "slug"),
        ({"key_result": None}, "key_result", "required"),
        ({"source": None}, "source", "required"),
        ({"source": "crm"}, "source", "type"),
        ({"source": {"format": "json"}}, "source.topic", "required"),
        ({"source": {"topic": "a", "topics": ["b"], "format": "json"}}, "source.topics", "conflict"),
        ({"source": {"topics": [], "format": "json"}}, "source.topics", "type"),
        ({"source": {"topics": ["a", "a"], "format": "json"}}, "source.topics", "type"),
        ({"source": {"topics": "a", "format": "json"}}, "source.topics", "type"),
        ({"source": {"topic": "..", "format": "json"}}, "source.topic", "topic"),
        ({"source": {"topic": ["a"], "format": "json"}}, "source.topic", "topic"),
        ({"source": {"topic": "a"}}, "source.format", "required"),
        ({"start": "yesterday"}, "start", "choice"),
        ({"start": "2025-01-01"}, "start", "choice"),
        ({"start": 17}, "start", "choice"),
        ({"start": {}}, "start", "choice"),
        ({"start": {"timestamp": "1970-01-01T00:00:00Z"}}, "start", "choice"),
        ({"start": {"timestamp": "2025-01-01T00:00:00Z", "offsets": {}}}, "start", "choice"),
        ({"start": {"offsets": {"other": {"0": 1}}}}, "start.offsets", "topic"),
        ({"start": {"offsets": {"crm.public.deals": {"0": -1}}}}, "start.offsets", "range"),
        ({"start": {"offsets": {"crm.public.deals": {"x": 1}}}}, "start.offsets", "range"),
        ({"start": {"offsets": {"crm.public.deals": {"0": True}}}}, "start.offsets", "range"),
        ({"start": {"offsets": {"crm.public.deals": {"0": 2**63}}}}, "start.offsets", "range"),
        ({"start": {"offsets": [1]}}, "start.offsets", "type"),
        ({"start": {"offsets": {}}}, "start.offsets", "type"),
        ({"start": {"offsets": {"crm.public.deals": [42]}}}, "start.offsets", "type"),
        ({"start": {"offsets": {"crm.public.deals": {}}}}, "start.offsets", "type"),
        ({"source": {"topic": "__consumer_offsets", "format": "json"}}, "source.topic", "topic"),
        ({"filter": ""}, "filter", "type"),
        ({"filter": ["a"]}, "filter", "type"),
        ({"explode": "alerts"}, "explode", "unavailable"),
        ({"order": ["row.a"] * 6}, "order", "type"),
        ({"order": {"a": 1}}, "order", "type"),
        ({"order": [""]}, "order[0]", "expression"),
        ({"effective_at": {"unit": "ms"}}, "effective_at.path", "required"),
        ({"effective_at": {"path": "row.t", "unit": "m"}}, "effective_at.unit", "choice"),
        ({"effective_at": "row.t"}, "effective_at", "type"),
        ({"value": None}, "value", "required"),
        ({"value": {}}, "value.expr", "required"),
        ({"value": {"expr": "row.a", "type": "money"}}, "value.type", "choice"),
        ({"value": {"expr": "row.a", "min": "a lot"}}, "value.min", "number"),
        ({"value": {"expr": "row.a", "min": True}}, "value.min", "number"),
        ({"value": {"expr": "row.a", "min": 0.1234567890123456}}, "value.min", "number"),
        ({"value": {"expr": "row.a", "min": 12345678901.234567}}, "value.min", "number"),
        ({"value": {"expr": "row.a", "min": float("nan")}}, "value.min", "number"),
        ({"value": {"expr": "row.a", "max": "0.1234567890123"}}, "value.max", "number"),
        ({"value": {"expr": "row.a", "max": 10**26}}, "value.max", "number"),
        ({"aggregate": None}, "aggregate", "required"),
        ({"aggregate": {}}, "aggregate.fn", "required"),
        ({"aggregate": {"fn": "sums"}}, "aggregate.fn", "choice"),
        ({"aggregate": {"fn": "sum", "window": "P1M"}}, "aggregate.window", "duration"),
        ({"aggregate": {"fn": "sum", "window": "P1Y2D"}}, "aggregate.window", "duration"),
        ({"aggregate": {"fn": "sum", "window": "28 days"}}, "aggregate.window", "duration"),
        ({"aggregate": {"fn": "sum", "window": "PT59S"}}, "aggregate.window", "range"),
        ({"aggregate": {"fn": "sum", "per": "P7D"}}, "aggregate.per", "conflict"),
        ({"aggregate": {"fn": "sum", "numerator": {}}}, "aggregate.numerator", "conflict"),
        ({"aggregate": {"fn": "count"}}, "value", "conflict"),
        ({"aggregate": {"fn": "rate", "per": "P7D"}, "value": None}, "aggregate.per", "required"),
        ({"aggregate": {"fn": "rate", "window": "P7D"}, "value": None}, "aggregate.per", "required"),
        (
            {"aggregate": {"fn": "rate", "per": "P7D", "window": "cycle"}, "value": None},
            "aggregate.per",
            "required",
        ),
        ({"aggregate": {"fn": "rate", "per": "P7D", "window": "P28D"}}, "value", "conflict"),
        ({"aggregate": {"fn": "ratio", "numerator": {}, "denominator": {"filter": "true"}}}, "value", "conflict"),
        (
            {"aggregate": {"fn": "ratio", "numerator": {"filter": "true"}}, "value": None},
            "aggregate.denominator",
            "required",
        ),
        (
            {"aggregate": {"fn": "ratio", "numerator": {}, "denominator": {}}, "value": None},
            "aggregate.numerator",
            "conflict",
        ),
        (
            {"aggregate": {"fn": "ratio", "numerator": {"filter": "a ="}, "denominator": {}}, "value": None},
            "aggregate.numerator.filter",
            "expression",
        ),
        ({"late": {"grace": "P3D"}}, "late", "unavailable"),
        ({"emit": {"debounce": "P2D"}}, "emit.debounce", "range"),
        ({"emit": {"min_change": 0}}, "emit.min_change", "range"),
        ({"emit": {"round": 13}}, "emit.round", "range"),
        ({"emit": {"round": True}}, "emit.round", "range"),
        ({"on_error": "skip"}, "on_error", "unavailable"),
        ({"on_error": "ignore"}, "on_error", "choice"),
        ({7: 1}, "7", "unknown"),
    ],
)
def test_one_mistake_is_one_problem(changes: dict[Any, Any], field: str, rule: str) -> None:
    assert problems({**REVENUE, **changes}) == [(field, rule)]


@pytest.mark.parametrize("mapping", [None, [], "a feed", 5])
def test_what_is_no_object_is_no_feed(mapping: Any) -> None:
    assert problems(mapping)[0] == ("definition", "type")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("P28D", timedelta(days=28)),
        ("P2W", timedelta(days=14)),
        ("PT6H", timedelta(hours=6)),
        ("P1W1DT1H30M5S", timedelta(days=8, hours=1, minutes=30, seconds=5)),
        ("PT0S", timedelta(0)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "28D", "P1.5D", "-P1D", "P1M", "P1Y", "PT1H1D", "p1d", "P4000D", "P1H"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|length"):
        parse_duration(text)


@settings(deadline=None)
@given(st.integers(0, 3660 * 86_400))
def test_a_duration_is_read_as_it_is_written(seconds: int) -> None:
    length = timedelta(seconds=seconds)
    assert parse_duration(write_duration(length)) == length


_texts = st.sampled_from(["row.amount", "op == 'd'", "coalesce(row.a, 1) * 0.5", "lower(row['a-b'])"])
_decimals = st.decimals("-1e20", "1e20", places=4)
_moments = st.datetimes(datetime(1990, 1, 1), datetime(2199, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC))  # noqa: DTZ001
_lengths = st.integers(1, 1_000_000).map(lambda minutes: timedelta(minutes=minutes))
_values = st.builds(
    ValueRule, expr=_texts, type=st.sampled_from(ValueType), min=st.none() | _decimals.filter(lambda n: n < 0)
) | st.builds(ValueRule, expr=_texts, max=_decimals)
_starts = st.one_of(
    st.builds(Start, at=st.sampled_from([StartAt.EARLIEST, StartAt.LATEST])),
    st.builds(Start, at=st.just(StartAt.TIMESTAMP), timestamp=_moments),
    st.builds(
        Start,
        at=st.just(StartAt.OFFSETS),
        offsets=st.dictionaries(
            st.tuples(st.sampled_from(["a", "b.c"]), st.integers(0, 99)), st.integers(0, 2**63 - 1), min_size=1
        ).map(lambda offsets: tuple((*place, offset) for place, offset in sorted(offsets.items()))),
    ),
)
_sides = st.builds(Side, filter=st.none() | _texts, entity=st.none() | _texts, value=st.none() | _values)
_aggregates = st.one_of(
    st.builds(Aggregate, fn=st.sampled_from([Fn.SUM, Fn.LAST, Fn.COUNT]), window=st.none() | _lengths),
    st.builds(Aggregate, fn=st.just(Fn.RATE), window=_lengths, per=_lengths),
    st.builds(
        Aggregate, fn=st.just(Fn.RATIO), window=st.none() | _lengths, numerator=_sides, denominator=_sides
    ).filter(lambda aggregate: aggregate.numerator != aggregate.denominator),
)


@st.composite
def definitions(draw: st.DrawFn) -> FeedDefinition:
    aggregate = draw(_aggregates)
    return FeedDefinition(
        name=draw(st.from_regex(r"\A[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}\Z")),
        key_result=draw(st.uuids()),
        source=Source(topics=draw(st.sampled_from([("a", "b.c"), ("b.c", "a")])), format="debezium"),
        aggregate=aggregate,
        start=draw(_starts),
        filter=draw(st.none() | _texts),
        entity=draw(st.none() | _texts),
        order=tuple(draw(st.lists(_texts, max_size=3))),
        effective_at=draw(st.none() | st.builds(EffectiveAt, path=_texts, unit=st.sampled_from(["iso", "ms", "days"]))),
        value=draw(_values) if aggregate.fn in (Fn.SUM, Fn.LAST) else None,
        retract_when=draw(st.none() | _texts),
        emit=draw(
            st.builds(
                Emit,
                debounce=st.integers(0, 86_400).map(lambda seconds: timedelta(seconds=seconds)),
                min_change=st.none() | st.decimals("0.0001", "1e9", places=4),
                round=st.none() | st.integers(0, 12),
            )
        ),
    )


@settings(max_examples=150, deadline=None)
@given(definitions())
def test_a_definition_is_read_as_it_was_kept(definition: FeedDefinition) -> None:
    kept = definition.to_mapping()
    assert parse_definition(json.loads(json.dumps(kept))) == definition
    assert parse_definition(kept).to_mapping() == kept


@pytest.mark.parametrize("golden", sorted(GOLDENS.glob("*.json")), ids=lambda path: path.stem)
def test_what_the_ledger_keeps_is_readable_for_ever(golden: Path) -> None:
    kept = json.loads(golden.read_text())
    assert parse_definition(kept).to_mapping() == kept


def test_there_are_goldens() -> None:
    assert len(list(GOLDENS.glob("*.json"))) >= 3
