"""Each format, by messages written after its specification."""

import json
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.feeds.expressions import ColumnNotSent, compile_expression
from domain.feeds.formats import FORMATS
from domain.feeds.message import Decoded, Message, Undecodable
from domain.feeds.values import number_text

GOLDENS = Path(__file__).parent / "golden"
BIG_KEYS = [
    b'{"a": 123456789012345678901234567890, "b": 1.5}',
    b'{"a": 1e-999}',
    b'{"a": 0.12345678901234567890, "b": 1}',
]


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
        "entity", "time", "ignored", "is_deletion", "is_tombstone", "key_entity", "reads", "known", "changed", "gap",
    }  # fmt: skip
    found: dict[str, Any] = {
        name: getattr(event, name)
        for name in expected.keys() & {"entity", "ignored", "is_deletion", "is_tombstone", "key_entity", "gap"}
    }
    if "changed" in expected:
        assert event.changed is not None
        found["changed"] = sorted(event.changed)
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
        assert event.ignored or event.gap or event.is_tombstone or roots is None or event.fields.keys() == roots


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
