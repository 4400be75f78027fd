"""Each format, by messages written after its specification, and by the messages of others where they are here."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.feeds.expressions import ColumnNotSent, compile_expression
from domain.feeds.formats import FORMATS
from domain.feeds.message import Decoded, Message, Undecodable
from domain.feeds.values import as_number, kind, number_text

GOLDENS = Path(__file__).parents[2] / "golden" / "messages"
BIG_KEYS = [
    b'{"a": 123456789012345678901234567890, "b": 1.5}',
    b'{"a": 1e-999}',
    b'{"a": 0.12345678901234567890, "b": 1}',
]
OTHERS = Path(__file__).parents[4] / "shared" / "messages"


def encoded(text: Any) -> bytes | None:
    return None if text is None else str(text).encode()


def message(golden: dict[str, Any]) -> Message:
    value = golden.get("value_text")
    if value is None and golden.get("value") is not None:
        value = json.dumps(golden["value"])
    return Message(
        topic=golden.get("topic", "crm.public.deals"),
        epoch="first",
        partition=0,
        offset=41,
        timestamp_ms=1_743_500_000_000,
        key=encoded(golden.get("key")),
        value=encoded(value),
        headers=tuple((name, encoded(text)) for name, text in golden.get("headers", ())),
    )


def shown(value: Any) -> Any:
    return number_text(value) if isinstance(value, Decimal) else value


def reads(text: str, fields: dict[str, Any]) -> Any:
    try:
        return shown(compile_expression(text).value(fields))
    except ColumnNotSent:
        return {"not_sent": True}


def seen(event: Decoded, expected: dict[str, Any]) -> dict[str, Any]:
    """The event as the golden file describes it: only what is expected there."""
    assert expected.keys() <= {
        "entity", "time", "ignored", "is_deletion", "is_tombstone", "key_entity", "reads", "known",
    }  # fmt: skip
    found: dict[str, Any] = {
        name: getattr(event, name)
        for name in expected.keys() & {"entity", "ignored", "is_deletion", "is_tombstone", "key_entity"}
    }
    if "time" in expected:
        assert event.time is None or event.time.tzinfo is UTC
        found["time"] = event.time and event.time.isoformat(timespec="microseconds").replace("+00:00", "Z")
    for name, fields in (("reads", event.fields), ("known", event.known)):
        if name in expected:
            assert fields is not None
            found[name] = {text: reads(text, fields) for text in expected[name]}
    return found


@pytest.mark.parametrize("path", sorted(GOLDENS.glob("*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_message_after_the_specification(path: Path) -> None:
    golden = json.loads(path.read_text())
    decode = FORMATS[path.parent.name].decode
    if isinstance(golden["events"], dict):
        with pytest.raises(Undecodable) as refused:
            decode(message(golden["message"]))
        assert golden["events"]["undecodable"] in str(refused.value)
        return
    events = decode(message(golden["message"]))
    assert len(events) == len(golden["events"])
    assert [seen(event, expected) for event, expected in zip(events, golden["events"], strict=True)] == golden["events"]
    roots = FORMATS[path.parent.name].roots
    for event in events:
        assert event.ignored is not None or event.is_tombstone or roots is None or event.fields.keys() == roots


def test_every_format_has_goldens_of_both_kinds() -> None:
    for name in FORMATS:
        events = [json.loads(path.read_text())["events"] for path in (GOLDENS / name).glob("*.json")]
        assert any(isinstance(expected, dict) for expected in events)
        assert any(isinstance(expected, list) for expected in events)


@pytest.mark.parametrize("raw", [b"", b"\xff", b"null", b"[]", b"5", b'""', b"{", b"[" * 2000, b"\x00\x00\x00\x00\x01"])
@pytest.mark.parametrize("name", FORMATS)
def test_no_format_breaks_on_what_is_no_event(name: str, raw: bytes) -> None:
    headers: tuple[tuple[str, bytes | None], ...]
    for headers in (
        (),
        (("content-type", b"application/cloudevents+json"),),
        (("ce_specversion", b"1.0"), ("ce_id", b"\xff")),
        (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/x"), ("ce_type", None)),
    ):
        with pytest.raises(Undecodable):
            FORMATS[name].decode(Message("t", "e", 0, 0, value=raw, headers=headers))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "key", [None, b"", b"\xff\xfe", b"null", b"[1]", b'{"a": {"b": [1]}}', b'{"payload": 5}', *BIG_KEYS]
)
def test_no_format_breaks_on_a_tombstone_with_an_odd_key(name: str, key: bytes | None) -> None:
    (event,) = FORMATS[name].decode(Message("t", "e", 0, 0, key=key))
    assert event.is_tombstone
    assert event.key_entity is None or isinstance(event.key_entity, str)


def of_others() -> Iterator[Any]:
    for name in ("debezium", "cloudevents", "cdevents"):
        path = OTHERS / f"{name}.jsonl"
        if path.exists():
            for line in path.read_text().splitlines():
                case = json.loads(line)
                yield pytest.param(name, case, id=case["id"])


CASES = list(of_others())


@pytest.mark.skipif(not CASES, reason=f"the messages of others are not here: {OTHERS}")
@pytest.mark.parametrize(("name", "case"), CASES or [pytest.param("", {}, id="none")])
def test_a_message_of_others(name: str, case: dict[str, Any]) -> None:
    expected = case["expected"]
    verdicts = [expected["verdict"], *expected.get("also_right", [])]
    try:
        events = FORMATS[name].decode(
            message({**case, "headers": case.get("headers", {}).items(), "value_text": case.get("value")})
        )
    except Undecodable:
        assert "refuse" in verdicts
        return
    event = events[0]
    gone = event.is_deletion or event.is_tombstone
    assert ("refuse" if event.ignored else "tombstone" if gone else "accept") in verdicts
    if event.ignored:
        return
    if expected["event_time"] is not None:
        assert event.time == datetime.fromisoformat(expected["event_time"])
    if name == "debezium":
        ids = {str(event.fields["row"].get(column)) for column in ("id", "_id")}
        assert expected["entity_id"] in ids
        if "value" in expected and not case["id"].endswith("schemaless"):
            row = event.fields["row"]
            numbers = {column: value for column, value in row.items() if kind(value) == "a number"}
            assert Decimal(expected["value"]) in {as_number(value) for value in numbers.values()}
    if name == "cdevents":
        assert event.fields["subject"]["id"] == expected["entity_id"]
        assert event.fields["id"] == expected["event_id"]
        assert expected["op"] in event.fields["type"]
