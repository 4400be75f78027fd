"""What others published, read as a careful reader would. The messages are theirs: without them this is skipped."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.feeds.formats import FORMATS
from domain.feeds.message import Decoded, Undecodable
from domain.feeds.values import as_number, kind
from tests.domain.feeds.test_formats import message

OTHERS = Path(__file__).parents[4] / "shared" / "messages"


def format_of(file: str, kind: str) -> str:
    """Our name for the format of a message; `json` for systems that have none of their own here."""
    if file == "others":
        system = kind.partition("-")[0]
        return system if system in FORMATS else "json"
    return {"salesforce": "salesforce_cdc"}.get(file, file)


def of_others() -> Iterator[Any]:
    for file in sorted(OTHERS.glob("*.jsonl")):
        for line in file.read_text().splitlines():
            case = json.loads(line)
            yield pytest.param(format_of(file.stem, case["format"]), case, id=case["id"])


CASES = list(of_others())

Expected = dict[str, Any]


def debezium(event: Decoded, expected: Expected) -> None:
    row = event.fields["row"]
    assert expected["entity_id"] in {str(row.get(column)) for column in ("id", "_id")}
    if "value" in expected:
        numbers = {as_number(value) for value in row.values() if kind(value) == "a number"}
        assert Decimal(expected["value"]) in numbers


def cdevents(event: Decoded, expected: Expected) -> None:
    assert event.fields["subject"]["id"] == expected["entity_id"]
    assert event.fields["id"] == expected["event_id"]
    assert expected["op"] in event.fields["type"]


def salesforce_cdc(event: Decoded, expected: Expected) -> None:
    row, header = event.fields["row"], event.fields["header"]
    assert (event.entity, event.fields["changeType"]) == (expected["entity_id"], expected["op"])
    assert f"{header['transactionKey']}/{header['sequenceNumber']}" == expected["event_id"]
    if "value" in expected:
        assert Decimal(expected["value"]) in {value for value in row.values() if kind(value) == "a number"}
    if "state" in expected:
        assert expected["state"] in row.values()
    if expected["op"] == "UPDATE":
        assert event.changed is not None
        assert None not in row.values()
        assert "LastModifiedDate" in event.changed


def hubspot(event: Decoded, expected: Expected) -> None:
    assert event.entity is not None
    assert event.entity.endswith(f" {expected['entity_id'] or 1}")
    assert "event_id" not in expected or str(event.fields["eventId"]) == expected["event_id"]
    assert "state" not in expected or expected["state"] in event.fields["row"].values()


def github(event: Decoded, expected: Expected) -> None:
    assert event.entity == f"deployment {expected['entity_id']}"
    assert event.fields["event"] == expected["op"]
    assert event.fields["repository"]["full_name"] == expected["fields"]["repository"]


def gitlab(event: Decoded, expected: Expected) -> None:
    assert (event.entity, event.fields["status"]) == (f"deployment {expected['entity_id']}", expected["state"])


def alertmanager(event: Decoded, expected: Expected) -> None:
    assert event.fields["status"] == expected["state"]
    assert event.fields["endsAt"] is None


def stripe(event: Decoded, expected: Expected) -> None:
    assert (event.entity, event.fields["id"]) == (expected["entity_id"], expected["event_id"])
    assert event.fields["data"]["object"]["amount_paid"] == int(expected["value"])
    assert event.fields["unit"] == 100


def jira(event: Decoded, expected: Expected) -> None:
    issue = event.fields["issue"]
    assert (issue["key"], issue["fields"]["status"]["name"]) == (expected["entity_id"], expected["state"])
    assert event.entity == f"issue {issue['id']}"


def pagerduty(event: Decoded, expected: Expected) -> None:
    assert event.entity == f"incident {expected['entity_id']}"
    assert event.fields["event"]["data"]["status"] == expected["state"]


COMPARISONS: dict[str, Callable[[Decoded, Expected], None]] = {
    each.__name__: each
    for each in (debezium, cdevents, salesforce_cdc, hubspot, github, gitlab, alertmanager, stripe, jira, pagerduty)
}
NO_SCALE = "debezium-pg-precise-schemaless"


@pytest.mark.skipif(not CASES, reason=f"the messages of others are not here: {OTHERS}")
@pytest.mark.parametrize(("name", "case"), CASES or [pytest.param("", {}, id="none")])
def test_a_message_of_others(name: str, case: dict[str, Any]) -> None:
    expected = case["expected"]
    verdicts = [expected["verdict"], *expected.get("also_right", [])]
    headers = (case.get("headers") or {}).items()
    try:
        events = FORMATS[name].decode(message({**case, "headers": headers, "value_text": case.get("value")}))
    except Undecodable:
        assert "refuse" in verdicts
        return
    if not events or events[0].ignored or events[0].gap:
        assert "refuse" in verdicts
        return
    event = events[0]
    if name == "json":  # it takes whatever is an object, and makes nothing of it
        assert (event.entity, event.time) == (None, None)
        return
    assert ("tombstone" if event.is_deletion or event.is_tombstone else "accept") in verdicts
    if expected["event_time"] is not None:
        # Ours are cut to microseconds.
        assert event.time == datetime.fromisoformat(expected["event_time"].rstrip("Z")[:26] + "+00:00")
    if len(expected.get("entity_ids", [])) > 1:
        assert len(events) == len(expected["entity_ids"])
    if name in COMPARISONS and case["id"] != NO_SCALE:
        COMPARISONS[name](event, expected)


@pytest.mark.skipif(not CASES, reason=f"the messages of others are not here: {OTHERS}")
def test_every_format_but_json_meets_a_message_of_others() -> None:
    assert {case.values[0] for case in CASES} == FORMATS.keys()
