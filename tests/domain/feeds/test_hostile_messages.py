"""Whatever arrives, a format gives events or says why it cannot; nothing else ever comes out of it."""

import json
import random
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.feeds.contribution import Dead, Stage
from domain.feeds.definition import parse_definition
from domain.feeds.formats import FORMATS
from domain.feeds.message import Message, Undecodable
from domain.feeds.pipeline import CompiledFeed, compile_feed, read_message
from domain.feeds.reading import read_json
from tests.domain.feeds.test_formats import GOLDENS, message

SOUND = {
    name: [
        case
        for path in sorted((GOLDENS / name).glob("*.json"))
        if isinstance((case := json.loads(path.read_text()))["events"], list) and "value" in case["message"]
    ]
    for name in FORMATS
}
"""Of each format the golden messages that are read, and have a value."""
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, 2**63, "", "\0", "x" * 600, "0x" + "f" * 512, "9999-0x1", "0001-01-01T00:00:00Z",
    "2025-13-45T99:99:99Z", [], [[]], [None], {}, {"": None}, {"id": []}, "GAP_OVERFLOW", ".", "é\ud7ff", 1e300,
]  # fmt: skip
NAMES = [
    "object", "data", "alerts", "labels", "event", "issue", "id", "payload", "schema", "before", "after", "op",
    "ChangeEventHeader", "recordIds", "changeType", "entityName", "nulledFields", "subscriptionType", "objectId",
    "object_kind", "object_attributes", "webhookEvent", "deployment", "created", "type", "context", "subject", "time",
]  # fmt: skip
_json = st.recursive(
    st.sampled_from(ODD) | st.text(max_size=6) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda parts: (
        st.lists(parts, max_size=3) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=3), parts, max_size=5)
    ),
    max_leaves=12,
)
FEEDS: dict[str, CompiledFeed] = {
    name: compile_feed(
        parse_definition(
            {
                "name": "any",
                "key_result": "0194f1c0-7c1e-7000-8000-000000000001",
                "source": {"topic": "t", "format": name},
                "aggregate": {"fn": "count"},
            }
        )
    )
    for name in FORMATS
}


def read(name: str, given: Message) -> None:
    """What every message must keep to."""
    try:
        events = FORMATS[name].decode(given)
    except Undecodable as error:
        assert str(error)  # noqa: PT017
    else:
        for event in events:
            assert event.entity is None or isinstance(event.entity, str)
            assert event.time is None or event.time.tzinfo is UTC
            assert event.gap is None or event.gap
    try:
        assert read_message(FEEDS[name], given)
    except Dead as dead:
        found = dead
    else:
        return
    assert found.stage in (Stage.DECODE, Stage.VALUE)
    assert found.reason
    assert len(found.reason) <= 500
    assert "\0" not in found.reason


def value(tree: Any) -> bytes:
    return json.dumps(tree).encode()


@settings(max_examples=400, deadline=None)
@given(name=st.sampled_from(sorted(FORMATS)), tree=_json)
def test_any_json_is_read_or_refused(name: str, tree: Any) -> None:
    for header in (
        (),
        (("X-GitHub-Event", b"deployment"),),
        (("content-type", b"application/cloudevents-batch+json"),),
    ):
        read(name, Message("t", "e", 0, 0, 1_743_500_000_000, value=value(tree), headers=header))


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to each member and item, at any depth."""
    inner = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [found for key, child in inner for found in [(*path, key), *places(child, (*path, key))]]


def without(tree: Any, path: tuple[Any, ...]) -> Any:
    copy = json.loads(json.dumps(tree))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    del holder[path[-1]]
    return copy


def replaced(tree: Any, path: tuple[Any, ...], by: Any) -> Any:
    copy = json.loads(json.dumps(tree))
    holder = copy
    for key in path[:-1]:
        holder = holder[key]
    holder[path[-1]] = by
    return copy


@pytest.mark.parametrize("name", FORMATS)
def test_a_golden_message_of_which_any_member_is_missing_or_odd_is_read_or_refused(name: str) -> None:
    chance = random.Random(name)
    assert SOUND[name] or name == "json"
    for case in SOUND[name]:
        golden = message(case["message"])
        tree = read_json(golden.value or b"null")
        for path in places(tree):
            for mutant in (without(tree, path), *(replaced(tree, path, odd) for odd in chance.sample(ODD, 4))):
                read(name, golden._replace(value=value(mutant)))


@pytest.mark.parametrize("name", FORMATS)
def test_a_golden_message_with_any_byte_changed_or_cut_off_is_read_or_refused(name: str) -> None:
    chance = random.Random(name)
    for case in SOUND[name]:
        golden = message(case["message"])
        raw = golden.value or b""
        for _ in range(40 if raw else 0):
            at = chance.randrange(len(raw))
            read(name, golden._replace(value=raw[:at]))
            read(name, golden._replace(value=raw[:at] + bytes([chance.randrange(256)]) + raw[at + 1 :]))


@pytest.mark.parametrize("name", FORMATS)
def test_headers_in_any_encoding_are_read_or_refused(name: str) -> None:
    for case in SOUND[name]:
        golden = message(case["message"])
        for header in ("X-GitHub-Event", "X-Gitlab-Event", "content-type", "ce_type"):
            for text in (None, b"", b"\xff\xfe", b"\0", b"x" * 10_000):
                read(name, golden._replace(headers=((header, text),)))


def test_every_module_of_formats_is_a_format_or_what_they_share() -> None:
    folder = Path(FORMATS["json"].decode.__code__.co_filename).parent
    assert {path.stem for path in folder.glob("*.py")} == {*FORMATS, "__init__", "parts"}
