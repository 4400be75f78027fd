"""Dead letters on the command line, with a worker's timekeeper beside."""

from __future__ import annotations

import json

import pytest

from tests.api.test_dead_letters import Office
from tests.cli.conftest import Desk
from workers.feeds.metrics import Metrics
from workers.feeds.timekeeper import Timekeeper


@pytest.fixture
def office(desk: Desk, api_url: str) -> Office:
    return Office(desk.client, api_url)


def test_letters_are_shown_tried_again_and_discarded(desk: Desk, office: Office, api_url: str) -> None:
    name = desk.client.state(office.path)["name"]
    causes = desk.shows("feeds", "dead-letters", "list", name, "--causes")
    assert "2        value   value: amount is null or missing" in causes
    (broken,) = office.letters("?stage=decode")
    shown = desk.shows("feeds", "dead-letters", "show", name, str(broken["number"]))
    assert "\x1b" not in shown
    for said in ("deals[0] 1", "decode: the value is no JSON", "  00000000  00 1b 5b 33 31 6d", "header trace\n  7\n"):
        assert said in shown, shown
    office.mend()
    timekeeper = Timekeeper(api_url, Metrics())
    timekeeper.start()
    try:
        done = desk.shows("feeds", "dead-letters", "retry", name, "--cause", "value: amount is null or missing")
        assert done == "2 count now, 0 are ignored, 0 are dead again.\n"
        again = json.loads(desk.shows("feeds", "dead-letters", "retry", name, str(broken["number"]), "--json"))
        assert (again["dead"], again["done_at"] is not None) == (1, True)
    finally:
        timekeeper.end()
    assert desk.shows("feeds", "dead-letters", "discard", name, "--all", "--reason", "tests") == "2 discarded.\n"
    assert desk.shows("feeds", "dead-letters", "list", name) == "There is no open letter.\n"
    assert "discarded by feed-admin" in desk.shows("feeds", "dead-letters", "show", name, str(broken["number"]))
    assert len(json.loads(desk.shows("feeds", "dead-letters", "list", name, "--state", "discarded", "--json"))) == 2


def test_which_letters_has_to_be_said(desk: Desk) -> None:
    for wrong in ([], ["3", "--all"], ["--all", "--cause", "x"]):
        assert desk.okr("feeds", "dead-letters", "retry", "revenue", *wrong).exit_code == 2
    assert desk.okr("feeds", "dead-letters", "discard", "revenue", "3").exit_code == 2
