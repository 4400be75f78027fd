"""Trying a feed out over HTTP: what is told, and that nothing whatever is written."""

from __future__ import annotations

import base64
import json
from typing import Any

import psycopg
import pytest

from api.services import services_of
from tests.api.client import Client, Json, ago, read, rules
from tests.workers.given import Reader, Workplace, deal


def definition(key_result: str, **changes: Any) -> Json:
    usual: Json = {
        "name": "revenue",
        "key_result": key_result,
        "source": {"topic": "crm.deals", "format": "json"},
        "entity": "id",
        "filter": "stage == 'won' or lost",
        "retract_when": "lost == true",
        "value": {"expr": "amount"},
        "aggregate": {"fn": "sum"},
    }
    return usual | changes


def said(**members: Any) -> Json:
    return {"value": json.dumps(members), "timestamp": ago(days=1)}


def tried(client: Client, definition: Json, *messages: Json) -> Json:
    return client.done("/v1/feeds/dry-run", {"definition": definition, "messages": list(messages)}, role="feed-admin")


def test_each_message_is_told_with_what_it_does_and_why(client: Client) -> None:
    key_result = client.key_result()
    client.done(f"/v1/key-results/{key_result}/progress", {"value": 5})
    done = tried(
        client,
        definition(key_result),
        said(id="a", stage="won", amount=12.5),
        said(id="a", stage="open", amount=20),
        said(id="b", stage="won", amount="many"),
        {"value": "{"},
        said(id="c", lost=True),
        {"key": '"a"', "offset": 77},
    )
    won, still_open, wordy, broken, lost, tombstone = done["messages"]
    assert won["outcome"] == "matched"
    assert won["decoded"] == ['{"id":"a","stage":"won","amount":12.5}']
    (effect,) = won["effects"]
    assert (effect["entity"], effect["value"], effect["effective_by"]) == ("a", "12.5", "arrival")
    assert (effect["counts"], effect["because"]) == (False, "retracted by a tombstone")
    assert (still_open["outcome"], still_open["ignored"]) == ("ignored", "the filter is not met")
    assert still_open["findings"] == [
        {
            "field": "filter",
            "expression": "stage == 'won'",
            "column": 1,
            "was": "false",
            "values": {"stage": "'open'"},
        },
        {"field": "filter", "expression": "lost", "column": 19, "was": "null", "values": {"lost": "null"}},
    ]
    assert (wordy["failure"]["stage"], wordy["failure"]["field"]) == ("value", "value.expr")
    assert "'many' is a text that writes no number" in wordy["failure"]["reason"]
    assert (broken["outcome"], broken["failure"]["stage"]) == ("dead", "decode")
    assert (lost["effects"][0]["value"], lost["findings"][0]["field"]) == (None, "retract_when")
    assert (tombstone["effects"][0]["entity"], tombstone["offset"]) == ("a", 77)
    assert done["counts"] == {"matched": 3, "ignored": 1, "dead": 2}
    assert (done["result"]["value"], done["result"]["contributions"]) == ("0", 0)
    assert (done["today"]["value"], done["today"]["value_source"], done["feed"]) == ("5", "person", None)


def test_a_message_without_any_time_is_dead_as_it_is_for_the_worker(client: Client) -> None:
    message = {**said(id="a", stage="won", amount=1), "timestamp": None}
    done = tried(client, definition(client.key_result()), message)
    assert done["messages"][0]["failure"]["reason"] == "neither the message nor the broker says when it was"


def whole_database(url: str) -> dict[str, list[Any]]:
    """Every row of every table of ours."""
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        ).fetchall()
        sequences = connection.execute("SELECT schemaname, sequencename, last_value FROM pg_sequences ORDER BY 1, 2")
        found: dict[str, list[Any]] = {"sequences": sequences.fetchall()}
        for (table,) in tables:
            rows = connection.execute(f"SELECT t::text, xmin::text, ctid::text FROM {table} t ORDER BY ctid".encode())
            found[table] = rows.fetchall()
        return found


def test_nothing_at_all_is_written(client: Client, api_url: str) -> None:
    okr = services_of(client.app).okr
    work = Workplace(okr, api_url)
    key_result = str(work.key_result())
    feed = work.feed(work.key_result())
    Reader.of(okr).read([deal(0, "a", 10), deal(1, "b", "none")])
    # The use of a token is noted to the minute, and views follow what was recorded before.
    client.state(f"/v1/feeds/{feed}")
    tried(client, definition(key_result))
    before = whole_database(api_url)
    assert before["feeds.dead_letters"]
    done = tried(client, definition(key_result), said(id="a", stage="won", amount=1), {"value": "{"})
    assert (done["result"]["value"], done["counts"]["dead"]) == ("1", 1)
    refused = client.post("/v1/feeds/dry-run", {"definition": definition(key_result), "messages": 7}, role="feed-admin")
    assert refused.status_code == 422
    assert whole_database(api_url) == before


def test_a_dead_letter_can_be_tried_again_under_another_definition(client: Client, api_url: str) -> None:
    okr = services_of(client.app).okr
    work = Workplace(okr, api_url)
    feed = work.feed(name="deals")
    Reader.of(okr).read([deal(7, "a", "12")._replace(value=b'{"id": "a", "price": 12, "rev": 1}')])
    (letter,) = client.state(f"/v1/feeds/{feed}/dead-letters")["items"]
    message = {name: letter[name] for name in ("topic", "partition", "offset", "key_base64", "value", "value_base64")}
    known = client.state(f"/v1/feeds/{feed}")
    as_it_is = tried(client, known["definition"], message)
    assert as_it_is["messages"][0]["failure"]["reason"] == letter["reason"]
    assert as_it_is["feed"] == {"id": str(feed), "name": "deals", "revision": 1, "is_same_definition": True}
    mended = tried(client, {**known["definition"], "value": {"expr": "price"}}, message)
    assert (mended["result"]["value"], mended["messages"][0]["offset"]) == ("12", 7)
    assert mended["feed"]["is_same_definition"] is False


def test_bytes_and_headers_are_taken_as_base64(client: Client) -> None:
    event = base64.b64encode(b'{"amount": 3}').decode()
    headers = [
        {"name": "ce_specversion", "value": "1.0"},
        {"name": "ce_type", "value": "won"},
        {"name": "ce_source", "value_base64": base64.b64encode(b"/crm").decode()},
        {"name": "ce_id", "value": "9"},
    ]
    feed = definition(client.key_result(), source={"topic": "crm", "format": "cloudevents"}, entity=None, filter=None)
    feed |= {"retract_when": None, "value": {"expr": "data.amount"}}
    done = tried(client, feed, {"value_base64": event, "headers": headers})
    assert (done["result"]["value"], done["counts"]["matched"]) == ("3", 1), done


@pytest.mark.parametrize(
    ("message", "field", "rule"),
    [
        (7, "messages.0", "object"),
        ({"valeu": "{}"}, "messages.0.valeu", "unknown_field"),
        ({"value": {}}, "messages.0.value", "text"),
        ({"value_base64": "%"}, "messages.0.value_base64", "base64"),
        ({"value": "a", "value_base64": "Yg=="}, "messages.0.value", "conflict"),
        ({"offset": 1.5}, "messages.0.offset", "whole_number"),
        ({"partition": -1}, "messages.0.partition", "whole_number"),
        ({"timestamp": "soon"}, "messages.0.timestamp", "moment"),
        ({"headers": {"a": "b"}}, "messages.0.headers", "list"),
        ({"topic": 7}, "messages.0.topic", "text"),
    ],
)
def test_a_message_that_is_none_is_told_by_its_member(lonely: Client, message: Any, field: str, rule: str) -> None:
    body = {"definition": definition("0198c0de-0000-7000-8000-0000000000f1"), "messages": [message]}
    answer = lonely.post("/v1/feeds/dry-run", body)
    assert (answer.status_code, rules(answer)) == (422, {field: rule})


def test_a_bad_definition_is_told_below_its_name(lonely: Client) -> None:
    bad = definition("x", filter="a = 1")
    answer = lonely.post("/v1/feeds/dry-run", {"definition": bad, "messages": []})
    assert (answer.status_code, rules(answer)) == (
        422,
        {"definition.key_result": "uuid", "definition.filter": "expression"},
    )
    assert lonely.post("/v1/feeds/dry-run", {"definition": 7, "messages": []}).status_code == 422
    unknown = lonely.post(
        "/v1/feeds/dry-run",
        {"definition": definition("0198c0de-0000-7000-8000-0000000000f1"), "messages": []},
    )
    assert (unknown.status_code, rules(unknown)) == (404, {"definition.key_result": "unknown"})


def test_there_are_limits(lonely: Client) -> None:
    body = {"definition": definition("0198c0de-0000-7000-8000-0000000000f1"), "messages": [{}] * 501}
    assert rules(lonely.post("/v1/feeds/dry-run", body)) == {"messages": "list"}
    large = b'{"definition": {}, "messages": [{"value": "' + b"x" * (9 * 1024 * 1024) + b'"}]}'
    assert lonely.send("POST", "/v1/feeds/dry-run", raw=large).status_code == 413
    larger_than_commands_are = b'{"definition": {}, "messages": [{"value": "' + b"x" * (1024 * 1024) + b'"}]}'
    assert read(lonely.send("POST", "/v1/feeds/dry-run", raw=larger_than_commands_are))["status"] == 422
