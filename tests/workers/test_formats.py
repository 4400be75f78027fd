"""Messages of business systems through a real broker: headers, several events in one message, gaps."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.given import Workplace, eventually
from tests.workers.running import producing, running, settings

NOW = datetime.now(UTC).replace(microsecond=0)
NOW_MS = int(NOW.timestamp() * 1000)
PLAIN: dict[str, Any] = {"entity": None, "order": [], "retract_when": None}
COUNT = {**PLAIN, "value": None, "aggregate": {"fn": "count", "window": "cycle"}}


def at(minutes: int) -> str:
    return f"{NOW + timedelta(minutes=minutes):%FT%TZ}"


def deployment(id: int, status: int, state: str) -> bytes:
    tree = {
        "deployment_status": {"id": status, "state": state, "created_at": at(-5)},
        "deployment": {"id": id, "environment": "production"},
    }
    return orjson.dumps(tree)


def alert(name: str, status: str, started: int) -> dict[str, Any]:
    ended = "0001-01-01T00:00:00Z" if status == "firing" else at(0)
    labels = {"alertname": name}
    return {"status": status, "labels": labels, "startsAt": at(started), "endsAt": ended, "fingerprint": name}


def deal(id: int, at_ms: int, name: str, value: str) -> dict[str, Any]:
    return {
        "subscriptionType": "deal.propertyChange", "objectId": id, "occurredAt": at_ms,
        "propertyName": name, "propertyValue": value,
    }  # fmt: skip


def record(change: str, number: int, ids: list[str], **row: object) -> bytes:
    header = {
        "entityName": "Opportunity", "recordIds": ids, "changeType": change, "commitTimestamp": NOW_MS,
        "commitNumber": 2**60 + number, "sequenceNumber": 1,
    }  # fmt: skip
    return orjson.dumps({"schema": "x", "payload": {"ChangeEventHeader": header, **row}, "event": {"replayId": number}})


def test_webhooks_and_changed_records_become_progress(work: Workplace, kafka: KafkaServer, topic: TopicFactory) -> None:
    names = ("github", "alertmanager", "hubspot", "salesforce_cdc")
    topics = {name: topic(name.replace("_", "-")) for name in names}
    source = {name: {"topic": topics[name], "format": name} for name in names}
    feeds = {
        "github": work.feed(source=source["github"], **{**COUNT, "filter": "deployment_status.state == 'success'"}),
        "alertmanager": work.feed(source=source["alertmanager"], **COUNT),
        "hubspot": work.feed(
            source=source["hubspot"],
            **{**COUNT, "filter": "objectType == 'deal' and propertyName == 'dealstage'", "order": ["occurredAt"],
               "retract_when": "propertyValue != 'closedwon'"},
        ),
        "salesforce_cdc": work.feed(
            source=source["salesforce_cdc"],
            **{**PLAIN, "order": ["header.commitNumber"], "value": {"expr": "row.Amount"},
               "retract_when": "row.StageName != 'Closed Won'"},
        ),
    }  # fmt: skip
    with producing(kafka) as producer:
        event = [("X-GitHub-Event", b"deployment_status")]
        for status, (id, state) in enumerate([(7, "pending"), (7, "success"), (8, "success"), (8, "success")]):
            producer.send(topics["github"], deployment(id, status, state), headers=event)
        producer.send(topics["github"], b'{"zen": "Design for failure."}', headers=[("X-GitHub-Event", b"ping")])
        for alerts in (
            [alert("down", "firing", -60), alert("slow", "firing", -50)],
            [alert("down", "resolved", -60), alert("down", "firing", -10)],
        ):
            group = {"version": "4", "status": "firing", "alerts": alerts}
            producer.send(topics["alertmanager"], orjson.dumps(group))
        stages = [deal(1, NOW_MS + 2, "dealstage", "closedwon"), deal(1, NOW_MS + 1, "dealstage", "appointment")]
        lost = {"subscriptionType": "deal.deletion", "objectId": 2, "occurredAt": NOW_MS + 9}
        producer.send(topics["hubspot"], orjson.dumps([*stages, lost, deal(2, NOW_MS, "dealstage", "closedwon")]))
        producer.send(topics["hubspot"], orjson.dumps(deal(3, NOW_MS, "dealstage", "closedwon")))
        for message in (
            record("CREATE", 1, ["006A", "006B"], StageName="Closed Won", Amount=100),
            record("UPDATE", 2, ["006A"], NextStep="call"),
            record("UPDATE", 3, ["006B"], StageName="Closed Lost"),
            record("UPDATE", 4, ["006A"], Amount=500),
            record("GAP_UPDATE", 5, ["006A"]),
            record("CREATE", 6, ["006C"], StageName="Closed Won", Amount="20.5"),
        ):
            producer.send(topics["salesforce_cdc"], message)
    expected = {"github": 2, "alertmanager": 3, "hubspot": 2, "salesforce_cdc": Decimal("120.5")}
    with running(settings(work.url, kafka)):
        for name, value in expected.items():
            eventually(lambda name=name, value=value: work.values(feeds[name])[-1:] == [value], what=name)  # type: ignore[misc]
    dead = work.rows("SELECT stage, reason FROM feeds.dead_letters ORDER BY message_offset")
    assert [letter["stage"] for letter in dead] == ["value", "decode"]
    assert "Amount changed" in dead[0]["reason"]
    assert dead[1]["reason"].startswith("a gap: GAP_UPDATE")
