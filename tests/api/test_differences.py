"""What differs between two moments, with what caused it; and what a whole cycle owes to moved targets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest

from projections.differences import CAUSES, PLACE
from tests.api.client import Client, Json, read, rules

WHY = {"reason": "Two large customers left", "reason_code": "market_change"}


@pytest.fixture
def grown(client: Client) -> Json:
    """A key result that got a value, then another target, owner and weight."""
    id = client.key_result(weight="10")
    path = f"/v1/key-results/{id}"
    state = client.state(path)
    return {
        "id": id,
        "path": path,
        "objective": state["objective_id"],
        "cycle": state["cycle_id"],
        "committed": state["position"],
        "first": client.done(f"{path}/progress", {"value": 20})["position"],
        "second": client.done(f"{path}/progress", {"value": 40})["position"],
        "lowered": client.done(f"{path}/target-adjustments", {"target": 50, **WHY})["position"],
        "owner": client.done(f"{path}/owner-changes", {"owner_id": "u-7", **WHY})["position"],
    }


def fields(change: Json) -> Json:
    return {each["field"]: (each["from"], each["to"], each["facts"]) for each in change["fields"]}


# Differences


def test_field_by_field_with_the_facts_behind(client: Client, grown: Json) -> None:
    found = client.state(f"{grown['path']}/diff?from_position={grown['first']}")
    (change,) = found["changes"]
    said = fields(change)
    assert said.pop("value") == ("20", "40", [grown["second"]])
    assert said.pop("target") == ("100", "50", [grown["lowered"]])
    assert said.pop("owner_id") == ("member", "u-7", [grown["owner"]])
    assert said.pop("attainment") == ("0.200000", "0.800000", [grown["second"], grown["lowered"]])
    assert said.keys() - {"pace", "computed"} == {"value_effective_at"}
    facts = {fact["position"]: fact for fact in found["facts"]}
    assert facts[grown["lowered"]]["reason_code"] == "market_change"
    assert facts[grown["lowered"]]["type"] == "KeyResult.TargetAdjusted"
    assert (found["from"]["position"], found["to"]["position"]) == (grown["first"], grown["owner"])


def test_between_two_positions_or_times(client: Client, grown: Json) -> None:
    one = f"from_position={grown['second']}&to_position={grown['lowered']}"
    (change,) = client.state(f"{grown['path']}/diff?{one}")["changes"]
    assert fields(change).keys() - {"pace", "computed"} == {"target", "attainment"}
    recorded = client.state(f"/v1/events?after_position={grown['second'] - 1}&limit=2")["items"]
    moments = "&".join(
        f"{name}={quote(item['recorded_at'])}" for name, item in zip(("from", "to"), recorded, strict=True)
    )
    (again,) = client.state(f"{grown['path']}/diff?{moments}")["changes"]
    assert fields(again) == fields(change)
    same = client.state(f"{grown['path']}/diff?from_position={grown['second']}&to_position={grown['second']}")
    assert same["changes"] == []


def test_of_an_objective_its_key_results_differ_too(client: Client, grown: Json) -> None:
    path = f"/v1/objectives/{grown['objective']}/diff"
    own, part = client.state(f"{path}?from_position={grown['first']}")["changes"]
    assert (own["kind"], part["kind"]) == ("objective", "key_result")
    assert fields(own)["attainment"][2] == [grown["second"], grown["lowered"]]
    added = client.draft(grown["objective"], title="Another")
    changes = client.state(f"{path}?from_position={grown['owner']}")["changes"]
    assert [(each["id"], each["is_new"]) for each in changes] == [(added, True)]
    drafted = client.state(f"/v1/key-results/{added}")["position"]
    assert fields(changes[0])["title"] == (None, "Another", [drafted])


def test_of_a_cycle_everything_in_it(client: Client, grown: Json) -> None:
    path = f"/v1/cycles/{grown['cycle']}/diff"
    changes = client.state(f"{path}?from_position={grown['committed']}")["changes"]
    assert [(each["kind"], each["id"]) for each in changes] == [
        ("objective", grown["objective"]),
        ("key_result", grown["id"]),
    ]
    assert fields(changes[1])["value"] == (None, "40", [grown["first"], grown["second"]])
    client.done(f"/v1/cycles/{grown['cycle']}/scoring")
    own, *others = client.state(f"{path}?from_position={grown['owner']}")["changes"]
    assert (fields(own)["state"][:2], others) == (("running", "scoring"), []), "what only time changed is left out"


def test_of_a_team(client: Client) -> None:
    team = client.done("/v1/teams", {"name": "Compilers"})
    client.key_result()
    assert client.state(f"/v1/teams/{team['id']}/diff?from_position={team['position']}")["changes"] == []


def test_more_goals_than_fit_on_a_page(client: Client, grown: Json, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        client.draft(grown["objective"], title=f"Number {number}")
    path = f"/v1/cycles/{grown['cycle']}/diff?from_position={grown['first']}&to_position={grown['owner'] + 3}"
    whole = client.state(path)
    monkeypatch.setattr("projections.differences.GOALS_A_PAGE", 1)
    assert client.state(path) == whole
    assert len(whole["changes"]) == 5


def test_every_field_of_an_answer_has_its_causes(client: Client, grown: Json) -> None:
    """A field that is added to an answer needs a line in the table of causes, or is no difference."""
    team = client.done("/v1/teams", {"name": "Compilers"})["id"]
    for kind, path in [
        ("key_result", grown["path"]),
        ("objective", f"/v1/objectives/{grown['objective']}"),
        ("cycle", f"/v1/cycles/{grown['cycle']}"),
        ("team", f"/v1/teams/{team}"),
    ]:
        assert set(client.state(path)) - set(PLACE) <= set(CAUSES[kind]), kind


def test_moments_that_cannot_be_compared(client: Client, grown: Json) -> None:
    path = f"{grown['path']}/diff"
    none = client.get(path)
    assert (none.status_code, rules(none)) == (400, {"from": "required"})
    turned = client.get(f"{path}?from_position={grown['lowered']}&to_position={grown['first']}")
    assert (turned.status_code, read(turned)["type"]) == (400, "/problems/bad-moment")
    to_come = quote((datetime.now(UTC) + timedelta(hours=1)).isoformat())
    future = read(client.get(f"{path}?from={to_come}"))
    assert (future["type"], future["detail"]) == ("/problems/future-moment", "from lies in the future")
    assert client.get(f"{path}?from_position=1&as_of_position=1").status_code == 400
    early = client.get(f"{path}?from_position=1&to_position=2")
    assert (early.status_code, read(early)["type"]) == (404, "/problems/before-creation")


# Moved targets of the whole


def test_what_a_cycle_owes_to_moved_targets(client: Client, grown: Json) -> None:
    """40 of 100 and later of 50, weight 10, beside 30 of 60, weight 30: 0.475 promised, 0.575 now."""
    other = client.draft(grown["objective"], target="60", weight="30")
    client.done(f"/v1/key-results/{other}/commit")
    client.done(f"/v1/key-results/{other}/progress", {"value": 30})
    second = client.objective(grown["cycle"], title="Nothing moves here")
    steady = client.draft(second)
    client.done(f"/v1/objectives/{second}/commit")
    client.done(f"/v1/key-results/{steady}/progress", {"value": 80})

    own = client.state(f"/v1/objectives/{grown['objective']}/goalposts")
    assert own["attainment"]["original"] == {"clamped": "0.475000", "unclamped": "0.475000"}
    assert own["attainment"]["current"] == {"clamped": "0.575000", "unclamped": "0.575000"}
    assert (own["owed_to_moved_targets"], own["goalpost_shift"]) == ("0.100000", "-0.125000")
    (move,) = own["adjustments"]
    assert (move["position"], move["effect"], move["effect_on_objective"]) == (grown["lowered"], "0.400000", "0.100000")

    whole = client.state(f"/v1/cycles/{grown['cycle']}/goalposts")
    assert whole["attainment"]["original"]["clamped"] == "0.637500"
    assert whole["attainment"]["current"]["clamped"] == "0.687500"
    assert (whole["owed_to_moved_targets"], whole["owed_share"]) == ("0.050000", "0.072727")
    assert [each["objective_id"] for each in whole["objectives"]] == [grown["objective"]]
    assert whole["objective_count"] == 2
    assert whole["adjustments"][0]["effect_on_whole"] == "0.050000"
    assert "5.0 points are owed to targets that were moved, once." in whole["sentence"]

    before = client.state(f"/v1/cycles/{grown['cycle']}/goalposts?as_of_position={grown['second']}")
    assert (before["owed_to_moved_targets"], before["adjustments"]) == ("0.000000", [])


def test_the_whole_says_what_its_only_key_result_says(client: Client, grown: Json) -> None:
    one = client.state(f"{grown['path']}/goalposts")
    own = client.state(f"/v1/objectives/{grown['objective']}/goalposts")
    moment = "?as_of_position=" + str(own["position"])
    one, own = (
        client.state(f"{grown['path']}/goalposts{moment}"),
        client.state(f"/v1/objectives/{grown['objective']}/goalposts{moment}"),
    )
    assert {name: roll["unclamped"] for name, roll in own["attainment"].items()} == one["attainment"]
    assert own["goalpost_shift"] == one["goalpost_shift"]
    assert own["adjustments"][0]["effect"] == one["adjustments"][0]["effect"]


@pytest.mark.parametrize("direction", ["at_most", "milestones"])
def test_limits_and_milestones(client: Client, direction: str) -> None:
    terms: Json = {"direction": direction, "baseline": None, "target": "15"}
    if direction == "milestones":
        terms |= {"target": None, "milestones": [{"name": "design", "weight": 1}, {"name": "launch", "weight": 3}]}
    id = client.key_result(**terms)
    path = f"/v1/key-results/{id}"
    objective = client.state(path)["objective_id"]
    empty = client.state(f"/v1/objectives/{objective}/goalposts")
    assert empty["attainment"]["original"]["clamped"] == "0.000000"
    if direction == "at_most":
        client.done(f"{path}/progress", {"value": 18})
        client.done(f"{path}/target-adjustments", {"target": 20, **WHY})
        moment = f"?as_of_position={client.state(path)['position']}"
        one = client.state(f"{path}/goalposts{moment}")
        own = client.state(f"/v1/objectives/{objective}/goalposts{moment}")
        assert {name: roll["unclamped"] for name, roll in own["attainment"].items()} == one["attainment"]
        assert one["goalpost_shift"] == own["goalpost_shift"]


def test_an_empty_cycle_owes_nothing(client: Client) -> None:
    found = client.state(f"/v1/cycles/{client.cycle()}/goalposts")
    assert (found["owed_to_moved_targets"], found["adjustments"]) == (None, [])
    assert found["sentence"] == "Nothing in this cycle is committed yet."
