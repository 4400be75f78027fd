"""Reads the mapping of a feed's definition, and collects all mistakes before it gives up."""

import difflib
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from domain.feeds.definition import (
    DEBOUNCE,
    Aggregate,
    BadDefinition,
    EffectiveAt,
    Emit,
    FeedDefinition,
    Fn,
    Problem,
    Side,
    Source,
    Start,
    StartAt,
    ValueRule,
    ValueType,
)
from domain.feeds.formats import FORMATS
from domain.feeds.section import Roots, Section
from domain.feeds.times import UNITS, business_time, looks_like_a_moment, nanoseconds
from domain.feeds.values import Unfit

_FIELDS = (
    "name", "key_result", "source", "start", "filter", "explode", "entity", "order", "effective_at", "value",
    "retract_when", "aggregate", "late", "emit", "on_error",
)  # fmt: skip
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TOPIC = re.compile(r"(?!\.{1,2}$|__)[A-Za-z0-9._-]{1,249}")
_LATER = {
    "explode": "taking one message apart into several is not available yet",
    "late": "a period of grace is not available yet: a message counts whenever it arrives",
}
_LATER_FNS = ("average", "min", "max", "median", "percentile", "distinct_count")
_LATER_ON_ERROR = ("skip", "pause", "stop")


def parse(mapping: Mapping[str, Any]) -> FeedDefinition:
    """See `domain.feeds.definition.parse_definition`."""
    if not isinstance(mapping, Mapping):
        raise BadDefinition([Problem("definition", "type", f"must be an object with {', '.join(_FIELDS)}")])
    problems: list[Problem] = []
    top = Section(mapping, "", _FIELDS, problems)
    for later, reason in _LATER.items():
        if top.get(later) is not None:
            top.bad(later, "unavailable", reason)
    if (on_error := top.text("on_error")) not in (None, "dead_letter"):
        rule = "unavailable" if on_error in _LATER_ON_ERROR else "choice"
        top.bad("on_error", rule, "there is only dead_letter")
    source = _source(top)
    roots = FORMATS[source.format].roots if source else None
    name, key_result, aggregate = _name(top), _key_result(top), _aggregate(top, roots)
    start = _start(top, source.topics if source else ())
    parts: dict[str, Any] = {
        "filter": top.expression("filter", roots),
        "entity": top.expression("entity", roots),
        "order": _order(top, roots),
        "effective_at": _effective_at(top, roots),
        "value": _value(top, roots),
        "retract_when": top.expression("retract_when", roots),
        "emit": _emit(top),
    }
    if aggregate is not None:
        _check_value(top, aggregate)
    if problems or name is None or key_result is None or source is None or aggregate is None:
        raise BadDefinition(problems)
    return FeedDefinition(name=name, key_result=key_result, source=source, aggregate=aggregate, start=start, **parts)


def _name(top: Section) -> str | None:
    name = top.text("name", required=True)
    if name is not None and (not _SLUG.fullmatch(name) or len(name) > 64):
        top.bad("name", "slug", "must be small letters, digits and single hyphens, at most 64")
    return name


def _key_result(top: Section) -> UUID | None:
    value = top.get("key_result")
    if isinstance(value, UUID):
        return value
    text = top.text("key_result", required=True)
    try:
        return UUID(text) if text else None
    except ValueError:
        top.bad("key_result", "uuid", "must be the id of a key result")
        return None


def _source(top: Section) -> Source | None:
    if top.get("source") is None:
        top.bad("source", "required", "is required: a topic and a format")
    section = top.section("source", "topic", "topics", "format")
    if section is None:
        return None
    format_ = section.text("format", required=True)
    if format_ is not None and format_ not in FORMATS:
        near = difflib.get_close_matches(format_, FORMATS, n=1)
        section.bad("format", "choice", f"must be one of {', '.join(FORMATS)}" + (f": {near[0]}?" if near else ""))
        format_ = None
    one, several = section.get("topic"), section.get("topics")
    topics = [one] if several is None else several
    if one is None and several is None:
        section.bad("topic", "required", "is required")
    elif one is not None and several is not None:
        section.bad("topics", "conflict", "write topic or topics, not both")
    elif not isinstance(topics, list | tuple) or not 1 <= len(topics) <= 20 or len(set(map(str, topics))) < len(topics):
        section.bad("topics", "type", "must be a list of 1 to 20 different topics")
    elif not all(isinstance(topic, str) and _TOPIC.fullmatch(topic) for topic in topics):
        section.bad(
            "topic",
            "topic",
            "must be 1 to 249 letters, digits, points, hyphens or underscores; Kafka's own begin with __",
        )
    elif format_ is not None:
        return Source(topics=tuple(topics), format=format_)
    return None


def _start(top: Section, topics: tuple[str, ...]) -> Start:
    value = top.get("start")
    if value is None or value in (StartAt.EARLIEST, StartAt.LATEST):
        return Start(at=StartAt(value or StartAt.EARLIEST))
    if isinstance(value, Mapping) and (section := top.section("start", "timestamp", "offsets")):
        if len(section.members) == 1 and section.get("offsets") is not None:
            return Start(at=StartAt.OFFSETS, offsets=_offsets(section, topics))
        value = section.get("timestamp") if len(section.members) == 1 else None
    moment = _moment(value)
    if moment is None:
        example = "{timestamp: 2025-01-01T00:00:00Z} or {offsets: {topic: {0: 42}}}"
        top.bad("start", "choice", f"must be earliest, latest, {example}")
        return Start()
    return Start(at=StartAt.TIMESTAMP, timestamp=moment)


def _moment(value: Any) -> datetime | None:
    if isinstance(value, datetime):  # YAML reads unquoted times itself
        value = value.isoformat()
    if not isinstance(value, str) or not looks_like_a_moment(value):
        return None
    try:
        return business_time(nanoseconds(value)).astimezone(UTC)
    except Unfit:
        return None


def _offsets(section: Section, topics: tuple[str, ...]) -> tuple[tuple[str, int, int], ...]:
    found: dict[tuple[str, int], int] = {}
    by_topic = section.get("offsets")
    parts = list(by_topic.values()) if isinstance(by_topic, Mapping) else []
    if not parts or not all(isinstance(partitions, Mapping) and partitions for partitions in parts):
        section.bad("offsets", "type", "must be {topic: {partition: offset}}")
        return ()
    for name, partitions in by_topic.items():
        if name not in topics:
            section.bad("offsets", "topic", f"{str(name)[:60]} is not a topic of the source")
        for partition, offset in partitions.items():
            if re.fullmatch("[0-9]{1,9}", str(partition)) and type(offset) is int and 0 <= offset < 2**63:
                found[str(name), int(partition)] = offset
            else:
                section.bad("offsets", "range", "a partition and its offset are whole numbers from 0")
    return tuple((topic, partition, offset) for (topic, partition), offset in sorted(found.items()))


def _order(top: Section, roots: Roots) -> tuple[str, ...]:
    value = top.get("order")
    texts = [value] if isinstance(value, str) else value or []
    if not isinstance(texts, list | tuple) or len(texts) > 5 or not all(isinstance(text, str) for text in texts):
        top.bad("order", "type", "must be a list of at most 5 expressions")
        return ()
    return tuple(filter(None, (top.checked(f"order[{at}]", text, roots) for at, text in enumerate(texts))))


def _effective_at(top: Section, roots: Roots) -> EffectiveAt | None:
    section = top.section("effective_at", "path", "unit")
    if section is None:
        return None
    path, unit = section.expression("path", roots, required=True), section.text("unit") or "iso"
    if unit not in UNITS:
        section.bad("unit", "choice", f"must be one of {', '.join(UNITS)}")
    return EffectiveAt(path=path, unit=unit) if path else None


def _value(parent: Section, roots: Roots) -> ValueRule | None:
    section = parent.section("value", "expr", "type", "min", "max")
    if section is None:
        return None
    expr = section.expression("expr", roots, required=True)
    type_ = section.choice("type", ValueType, ValueType.DECIMAL)
    least, most = section.decimal("min"), section.decimal("max")
    if least is not None and most is not None and least > most:
        section.bad("min", "range", "must not exceed max")
    return ValueRule(expr=expr, type=type_, min=least, max=most) if expr and type_ else None


def _aggregate(top: Section, roots: Roots) -> Aggregate | None:
    if top.get("aggregate") is None:
        top.bad("aggregate", "required", f"is required: fn is one of {', '.join(Fn)}")
    section = top.section("aggregate", "fn", "window", "per", "numerator", "denominator")
    if section is None:
        return None
    fn = section.choice("fn", Fn, None, _LATER_FNS)
    minute = timedelta(minutes=1)
    window = None if section.get("window") == "cycle" else section.duration("window", least=minute)
    per = section.duration("per", least=minute)
    numerator, denominator = (_side(section, name, fn, roots) for name in ("numerator", "denominator"))
    if fn is None:
        return None
    if fn is Fn.RATE and (section.get("per") is None or section.get("window") in (None, "cycle")):
        section.bad("per", "required", "a rate has per and a rolling window, such as per: P7D, window: P28D")
    if fn is not Fn.RATE and per is not None:
        section.bad("per", "conflict", "only a rate has it")
    if fn is Fn.RATIO and numerator is not None and section.get("numerator") == section.get("denominator"):
        section.bad("numerator", "conflict", "must differ from the denominator")
    return Aggregate(fn=fn, window=window, per=per, numerator=numerator, denominator=denominator)


def _side(parent: Section, name: str, fn: Fn | None, roots: Roots) -> Side | None:
    is_there = parent.get(name) is not None
    if fn is Fn.RATIO and not is_there:
        parent.bad(name, "required", "a ratio has a numerator and a denominator")
    if fn not in (Fn.RATIO, None) and is_there:
        parent.bad(name, "conflict", "only a ratio has it")
    section = parent.section(name, "filter", "entity", "value")
    if section is None:
        return None
    return Side(
        filter=section.expression("filter", roots),
        entity=section.expression("entity", roots),
        value=_value(section, roots),
    )


def _check_value(top: Section, aggregate: Aggregate) -> None:
    is_there = top.get("value") is not None
    if aggregate.fn in (Fn.SUM, Fn.LAST) and not is_there:
        top.bad("value", "required", f"{aggregate.fn} needs a value")
    if aggregate.fn in (Fn.COUNT, Fn.RATE) and is_there:
        top.bad("value", "conflict", f"{aggregate.fn} counts entities and takes no value")
    if aggregate.fn is Fn.RATIO and is_there:
        top.bad("value", "conflict", "a ratio has its values in numerator and denominator")


def _emit(top: Section) -> Emit:
    section = top.section("emit", "debounce", "min_change", "round")
    if section is None:
        return Emit()
    debounce = section.duration("debounce", least=timedelta(0))
    min_change, digits = section.decimal("min_change"), section.integer("round", 0, 12)
    if debounce is not None and debounce > timedelta(days=1):
        section.bad("debounce", "range", "must be at most a day")
    if min_change is not None and min_change <= 0:
        section.bad("min_change", "range", "must be above 0")
    return Emit(debounce=DEBOUNCE if debounce is None else debounce, min_change=min_change, round=digits)
