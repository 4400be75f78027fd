"""`okr what-if`: two columns that a person reads, and what cannot be asked."""

from __future__ import annotations

import json
from pathlib import Path

from tests.api.client import Client, Json
from tests.cli.conftest import Desk

REASON = {"reason": "The market fell", "reason_code": "market_change"}


def lowered(client: Client) -> tuple[Json, int]:
    """A key result lowered from 100 to 60, with 48 reached; the position of the move."""
    id = client.key_result(unit="builds", title="Builds a day")
    move: int = client.done(f"/v1/key-results/{id}/target-adjustments", {"target": 60, **REASON})["position"]
    client.done(f"/v1/key-results/{id}/progress", {"value": 48})
    return client.state(f"/v1/key-results/{id}"), move


def test_the_two_columns(client: Client, desk: Desk) -> None:
    key_result, move = lowered(client)
    assert desk.shows("what-if", "builds", "--without", str(move)).splitlines() == [
        f"Without position {move}, “Builds a day” would stand at 48.0 % instead of 80.0 % and have 2.4 points "
        "instead of 4.0.",
        "",
        "                as it is   as it would be",
        f"  Builds a day  {key_result['id'][-8:]}",
        "    attainment  80.0 %     48.0 %",
        "    points      4.0        2.4",
        "    target      60 builds  100 builds",
        "    band        above      below half",
        "    advice      -          goal or execution",
        "“Builds a day” would have 2.4 points, below half: was the goal unreasonable, or the execution?",
    ]


def test_of_a_cycle_only_what_would_be_otherwise(client: Client, desk: Desk) -> None:
    key_result, _ = lowered(client)
    client.draft(key_result["objective_id"], title="Another")
    shown = desk.shows("what-if", "2026", "--targets", "as-committed")
    assert "2026 Q1\n    attainment  80.0 %     48.0 %" in shown
    assert "◆ Teams choose us" in shown
    assert "1 of 2 key results stay as they are." in shown
    assert "Another" not in shown
    found = json.loads(desk.shows("what-if", "2026", "--targets", "as-committed", "--json"))
    assert (found["changed_key_results"], found["supposed"]["targets"]) == (1, "as_committed")


def test_under_a_policy_by_name_and_from_a_file(client: Client, desk: Desk, tmp_path: Path) -> None:
    lowered(client)
    assert "points      4.0       80" in desk.shows("what-if", "Teams choose us", "--policy", "hundred_0_100")
    file = tmp_path / "policy.yaml"
    file.write_text("name: from_one\nminimum: 1\nmaximum: 5\ndecimals: 2\nfactor: 4\noffset: 1\n", encoding="utf-8")
    assert "points      4.0       4.20" in desk.shows("what-if", "builds", "--policy", str(file))
    refused = {
        "name: x\nminimum: 5\nmaximum: 5\ndecimals: 1\nfactor: 4\n": "a scale has its minimum below its maximum",
        "- 7\n": "holds no policy",
        "a: [\n": "is no YAML",
    }
    for text, sentence in refused.items():
        file.write_text(text, encoding="utf-8")
        done = desk.okr("what-if", "builds", "--policy", str(file))
        assert (done.exit_code, sentence in done.output) == (1, True), done.output
    done = desk.okr("what-if", "builds", "--policy", "half")
    assert "half is none of guide_1_5, unit_0_1, hundred_0_100" in done.output


def test_what_cannot_be_left_out_is_told_in_a_sentence(client: Client, desk: Desk) -> None:
    key_result, _ = lowered(client)
    history = client.state(f"/v1/key-results/{key_result['id']}/history")["items"]
    drafted = history[-1]["position"]
    done = desk.okr("what-if", "builds", "--without", str(drafted))
    assert done.exit_code == 1
    assert f"position {drafted} cannot be left out: without its promise a goal has no history." in done.output
    assert "there is no feed 'crm'" in desk.okr("what-if", "builds", "--without-feed", "crm").output
