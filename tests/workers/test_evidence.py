"""Which deals make this number: the question, asked of every moment."""

from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from domain.application import OkrLedger
from ledger.datastore import become
from projections.feed_evidence import evidence
from projections.moment import Moment
from projections.reading import BadCursor
from tests.workers.given import EPOCH, TOPIC, Reader, Workplace, deal
from tests.workers.test_timekeeper import A_WEEK, days_ago, on, unattended_for
from workers.feeds.timekeeper import keep_time

ALWAYS = 10**9


def ask(
    work: Workplace, position: int = ALWAYS, *, after: str | None = None, limit: int = 100, **which: Any
) -> dict[str, Any]:
    effective_at = which.pop("effective_at", None)
    with psycopg.connect(work.url, row_factory=dict_row) as connection:
        become(connection)
        moment = Moment(position, days_ago(0), effective_at)
        return evidence(connection, moment=moment, after=after, limit=limit, **which)


def entities(answer: dict[str, Any]) -> dict[str, str]:
    return {item["entity"]: item["value"] for item in answer["items"]}


def test_each_moment_has_the_contributions_of_its_last_fact(work: Workplace, okr: OkrLedger) -> None:
    key_result = work.key_result()
    work.feed(key_result)
    assert ask(work, key_result_id=key_result) == {
        "value": None, "count": 0, "recorded_in": None, "items": [], "next": None
    }  # fmt: skip
    reader = Reader.of(okr)
    reader.read([deal(0, "a", "10.50"), deal(1, "b", 20)])
    reader.read([deal(2, "a", 11, rev=2), deal(3, "c", 5)])
    reader.read([deal(4, "b", 20, rev=2, lost=True)])
    first, second, third = (line.position for line in work.lines("Measurement."))
    answers = {
        first - 1: (None, {}),
        first: ("30.5", {"a": "10.5", "b": "20"}),
        second: ("36", {"a": "11", "b": "20", "c": "5"}),
        third: ("16", {"a": "11", "c": "5"}),
        ALWAYS: ("16", {"a": "11", "c": "5"}),
    }
    for position, (value, held) in answers.items():
        answer = ask(work, position, key_result_id=key_result)
        assert (answer["value"], entities(answer), answer["count"]) == (value, held, len(held))
    item = ask(work, second, key_result_id=key_result)["items"][0]
    assert (item["topic"], item["epoch"], item["partition"], item["offset"]) == (TOPIC, EPOCH, 0, 2)
    assert (item["recorded_in"], item["effective_by"], item["part"]) == (second, "arrival", None)
    assert ask(work, second, key_result_id=key_result)["items"][1]["recorded_in"] == first


def test_what_no_fact_has_taken_in_is_in_none(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(emit={"debounce": "PT1H"})
    reader = Reader.of(okr)
    reader.read([deal(0, "a", 1)])
    reader.read([deal(1, "a", 2, rev=2), deal(2, "b", 3)])
    assert entities(ask(work, feed_id=feed)) == {"a": "1"}


def test_only_what_lies_in_the_window_of_the_fact_makes_its_number(work: Workplace, okr: OkrLedger) -> None:
    feed = work.feed(**A_WEEK)
    reader = Reader.of(okr)
    unattended_for(work, 1)
    reader.read([on(0, "leaves", 1, 8), on(1, "stays", 10, 5), on(2, "comes", 100, 1)])
    keep_time(okr, reader.catalogue)
    before, after = (line.position for line in work.lines("Measurement."))
    assert entities(ask(work, before, feed_id=feed)) == {"leaves": "1", "stays": "10"}
    assert entities(ask(work, after, feed_id=feed)) == {"stays": "10", "comes": "100"}
    then = days_ago(0) - timedelta(hours=1)
    assert ask(work, after, feed_id=feed, effective_at=then)["recorded_in"] == before


def test_pages_follow_each_other(work: Workplace, okr: OkrLedger) -> None:
    sides = {"numerator": {"filter": "amount > 5"}, "denominator": {}}
    feed = work.feed(aggregate={"fn": "ratio", "window": "cycle", **sides}, value=None)
    Reader.of(okr).read([deal(number, f"d{number}", number) for number in range(10)])
    found, after = [], None
    while True:
        page = ask(work, feed_id=feed, after=after, limit=4)
        found += [(item["part"], item["entity"]) for item in page["items"]]
        assert (page["value"], page["count"]) == ("40", 14)
        after = page["next"]
        if after is None:
            break
    everything = [("denominator", f"d{number}") for number in range(10)]
    assert found == everything + [("numerator", f"d{number}") for number in range(6, 10)]
    with pytest.raises(BadCursor):
        ask(work, feed_id=feed, after="7")
