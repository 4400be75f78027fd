"""Trying a feed on a file and on a real topic, where no trace is left."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition

from cli.feeds_messages import of_file, within_budget
from cli.output import Failure
from tests.api.test_dead_letters import Office
from tests.cli.conftest import Desk
from tests.conftest import TopicFactory
from tests.support.kafka_server import KafkaServer
from tests.workers.running import producing

DEALS = """\
name: revenue
key_result: builds a day
source: {{topic: {topic}, format: json}}
entity: id
filter: stage == 'won'
value: {{expr: amount}}
aggregate: {{fn: sum}}
"""


@pytest.fixture
def file(tmp_path: Path, desk: Desk) -> Path:
    desk.client.key_result()
    path = tmp_path / "feeds.yaml"
    path.write_text(DEALS.format(topic="crm.deals"))
    return path


def lines(path: Path, *messages: Any) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in messages))
    return path


def test_messages_of_a_file_are_told_one_by_one(desk: Desk, file: Path, tmp_path: Path) -> None:
    now = datetime.now(UTC).isoformat()
    messages = lines(
        tmp_path / "deals.jsonl",
        {"value": {"id": "a", "stage": "won", "amount": 1250.5}, "timestamp": now},
        {"value": '{"id": "b", "stage": "open"}', "headers": {"trace": "7"}},
        {"payload": '{"id": "c", "stage": "won", "amount": "much"}', "ts": 1, "headers": ["a", "b"], "broker": 1},
        {"value_base64": "ew=="},
    )
    told = desk.shows("feeds", "try", str(file), "--messages", str(messages))
    for said in (
        "crm.deals[0] 0  ",
        "    a: 1,250.5 at ",
        ", when it arrived; counts\n",
        "    the filter is not met\n    filter: stage == 'won' is false: stage is 'open'\n",
        "    value: 'much' is a text that writes no number (value.expr: amount)\n",
        "    decode: the value is no JSON that is read",
        "1 matched, 1 ignored, 2 dead.",
        "These messages alone make 1,250.5: the sum of 1 contribution, ",
        "Today 'Builds a day' stands at -.",
    ):
        assert said in told, told
    packed = tmp_path / "deals.jsonl.gz"
    packed.write_bytes(gzip.compress(messages.read_bytes()))
    document = json.loads(desk.shows("feeds", "try", str(file), "--messages", str(packed), "--json"))
    assert (document["result"]["value"], document["counts"]["dead"]) == ("1250.5", 2)


def test_each_line_may_itself_be_a_value(desk: Desk, file: Path, tmp_path: Path) -> None:
    values = lines(tmp_path / "values.jsonl", {"id": "a", "stage": "won", "amount": 3})
    document = json.loads(desk.shows("feeds", "try", str(file), "--messages", str(values), "--values", "--json"))
    assert document["result"]["value"] == "3"
    refused = desk.okr("feeds", "try", str(file), "--messages", str(values))
    assert refused.exit_code == 1
    assert f"{values}:1: this is no message (it has amount, id)" in refused.stderr
    assert "say --values" in refused.stderr


def test_files_that_hold_no_messages_are_refused(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_text('{"value": 1}\nnot json\n')
    with pytest.raises(Failure, match=r"broken\.jsonl:2: this is no JSON"):
        of_file(tmp_path / "broken.jsonl", are_values=False, most=9)
    with pytest.raises(Failure, match="it has neither key nor value"):
        of_file(lines(tmp_path / "letters.jsonl", {"at": "2026-01-01", "stage": "won"}), are_values=False, most=9)
    (tmp_path / "broken.gz").write_bytes(b"not packed")
    with pytest.raises(Failure, match="cannot be read"):
        of_file(tmp_path / "broken.gz", are_values=False, most=9)
    (exact,) = of_file(lines(tmp_path / "exact.jsonl", {"value": {"a": "é"}}), are_values=False, most=9)
    assert json.loads(exact["value"]) == {"a": "é"}
    (tmp_path / "exact.jsonl").write_text('{"value": {"a": 1.10, "b": [0.12345678901234567890, "x"]}}')
    (exact,) = of_file(tmp_path / "exact.jsonl", are_values=False, most=9)
    assert exact["value"] == '{"a": 1.10, "b": [0.12345678901234567890, "x"]}'
    large = {"value": "x" * 3_000_000}
    assert len(within_budget([large, large])) == 1


def test_one_source_of_messages_is_chosen(desk: Desk, file: Path) -> None:
    for wrong in (
        ["--last", "3", "--from-time", "2026-01-31T09:30:00Z"],
        ["--values"],
        ["--from-time", "yesterday"],
        ["--from-time", "2026-01-31T09:30:00"],
        ["--last", "501"],
    ):
        assert desk.okr("feeds", "try", str(file), *wrong).exit_code == 2, wrong
    several = file.with_name("several.yaml")
    several.write_text(f"---\n{file.read_text()}---\n{file.read_text().replace('revenue', 'profit')}")
    assert "holds revenue, profit: name one with --name" in desk.okr("feeds", "try", str(several)).stderr


def test_dead_letters_are_tried_again_under_a_mended_definition(
    desk: Desk, file: Path, tmp_path: Path, api_url: str
) -> None:
    office = Office(desk.client, api_url)
    name = desk.client.state(office.path)["name"]
    (tmp_path / "letters.json").write_text(desk.shows("feeds", "dead-letters", "list", name, "--json"))
    (tmp_path / "feed.yaml").write_text(desk.shows("feeds", "export", name).replace("expr: amount", "expr: rev"))
    arguments = (str(tmp_path / "feed.yaml"), "--messages", str(tmp_path / "letters.json"), "--json")
    told = json.loads(desk.shows("feeds", "try", *arguments))
    assert (told["counts"], told["result"]["value"]) == ({"matched": 3, "ignored": 0, "dead": 1}, "3")
    assert told["feed"]["is_same_definition"] is False
    places = sorted((each["topic"], each["offset"]) for each in told["messages"])
    assert places == [("deals", offset) for offset in range(4)]


def test_without_a_broker_that_is_said(desk: Desk, file: Path) -> None:
    refused = desk.okr("feeds", "try", str(file), kafka="127.0.0.1:9")
    assert (refused.exit_code, "no broker answers at 127.0.0.1:9" in refused.stderr) == (1, True), refused.output


def test_the_last_messages_of_a_topic_are_tried_and_no_trace_is_left(
    desk: Desk, file: Path, kafka: KafkaServer, topic: TopicFactory
) -> None:
    deals = topic("deals", partitions=2)
    file.write_text(DEALS.format(topic=deals))
    start = 1_750_000_000_000
    with producing(kafka) as producer:
        for number in range(12):
            value = json.dumps({"id": f"d{number}", "stage": "won", "amount": number}).encode()
            producer.send(deals, value, partition=number % 2, timestamp_ms=start + number * 1000)

    def tried(*arguments: str) -> Any:
        return json.loads(desk.shows("feeds", "try", str(file), "--json", *arguments, kafka=kafka.bootstrap))

    before = groups_of(kafka)
    last = tried("--last", "5")
    assert [each["effects"][0]["entity"] for each in last["messages"]] == ["d7", "d8", "d9", "d10", "d11"]
    assert {each["topic"] for each in last["messages"]} == {deals}
    assert len(tried()["messages"]) == 12
    window = ("--from-time", moment(start + 3_000), "--to-time", moment(start + 6_000))
    assert [each["effects"][0]["entity"] for each in tried(*window)["messages"]] == ["d3", "d4", "d5"]
    assert len(tried("--from-time", moment(start), "--at-most", "4")["messages"]) == 4
    assert tried("--from-time", moment(start + 60_000))["messages"] == []
    assert groups_of(kafka) == before
    missing = desk.okr("feeds", "try", str(file), "--topic", "nowhere", kafka=kafka.bootstrap)
    assert "has no topic nowhere" in missing.stderr
    assert "nowhere" not in topics_of(kafka)


def moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()


def groups_of(kafka: KafkaServer) -> set[str]:
    admin = KafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    try:
        return {each["group_id"] if isinstance(each, dict) else each[0] for each in admin.list_groups()}
    finally:
        admin.close()


def topics_of(kafka: KafkaServer) -> set[str]:
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap)
    try:
        consumer.assign([TopicPartition("__consumer_offsets", 0)])
        return set(consumer.topics())
    finally:
        consumer.close()
