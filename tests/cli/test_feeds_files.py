"""Feeds as code: a plan first, then what it says, and the second time nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from cli.feeds_files import differing
from tests.cli.conftest import Desk

REVENUE = """\
name: revenue
key_result: more revenue   # a part of its title
source: {topic: crm.deals, format: json}
entity: id
value: {expr: amount, max: 1000000}
aggregate: {fn: sum}
"""
SIGNUPS = """\
name: signups
key_result: registered users
source: {topic: crm.users, format: json}
aggregate: {fn: count, window: P28D}
"""


@pytest.fixture
def goals(desk: Desk) -> dict[str, str]:
    objective = desk.client.objective(desk.client.cycle())
    ids = {title: desk.client.draft(objective, title=title) for title in ("More revenue", "Registered users", "Calm")}
    desk.client.done(f"/v1/objectives/{objective}/commit")
    return ids


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "feeds.yaml"


def test_a_file_is_planned_applied_and_then_changes_nothing(desk: Desk, goals: dict[str, str], file: Path) -> None:
    file.write_text(f"---\n{REVENUE}---\n{SIGNUPS}")
    planned = desk.shows("feeds", "apply", str(file), "--plan")
    assert planned.splitlines() == [
        f"new        revenue  {goals['More revenue'][-8:]} More revenue",
        f"new        signups  {goals['Registered users'][-8:]} Registered users",
    ]
    assert desk.shows("feeds", "list").startswith("There is no feed yet")
    applied = desk.shows("feeds", "apply", str(file), "--yes")
    assert applied.splitlines()[2:] == ["defined revenue (revision 1).", "defined signups (revision 1)."]
    size = desk.client.state("/v1/events?limit=200")["items"][-1]["position"]
    again = desk.shows("feeds", "apply", str(file))
    assert again.splitlines()[0].startswith("unchanged  revenue")
    assert again.splitlines()[-1] == "Nothing changes."
    assert desk.client.state("/v1/events?limit=200")["items"][-1]["position"] == size


def test_what_changes_is_told_field_by_field_and_kept_with_who_and_why(
    desk: Desk, goals: dict[str, str], file: Path
) -> None:
    file.write_text(f"- {REVENUE.replace(chr(10), chr(10) + '  ').rstrip()}\n")
    desk.shows("feeds", "apply", str(file), "--yes")
    file.write_text(REVENUE.replace("entity: id", "entity: deal\nfilter: stage == 'won'").replace(", max: 1000000", ""))
    done = desk.okr("feeds", "apply", str(file), "--yes", "--reason", "Ids were reused", "--reason-code", "data_error")
    assert done.stdout.splitlines() == [
        f"changed    revenue  {goals['More revenue'][-8:]} More revenue  revision 1 → 2",
        "             + filter: stage == 'won'",
        "             ~ entity: id → deal",
        "             - value.max: 1000000",
        "revised revenue (revision 2).",
    ]
    (fact,) = desk.client.state(f"/v1/key-results/{goals['More revenue']}/history?type=Feed.Revised")["items"]
    assert (fact["actor"]["id"], fact["reason"], fact["reason_code"]) == ("feed-admin", "Ids were reused", "data_error")


def test_nothing_is_applied_to_nobodys_answer(desk: Desk, goals: dict[str, str], file: Path) -> None:
    file.write_text(REVENUE)
    asked = desk.okr("feeds", "apply", str(file))
    assert asked.exit_code == 1
    assert "say --yes" in asked.stderr
    shown = json.loads(desk.shows("feeds", "apply", str(file), "--json"))
    assert (shown["plan"][0]["what"], shown["is_applied"], shown["feeds"]) == ("new", False, [])
    assert desk.shows("feeds", "list").startswith("There is no feed yet")
    assert json.loads(desk.shows("feeds", "apply", str(file), "--json", "--yes"))["feeds"][0]["revision"] == 1


def test_feeds_that_are_not_in_the_file_are_left_alone_and_told(desk: Desk, goals: dict[str, str], file: Path) -> None:
    file.write_text(f"---\n{REVENUE}---\n{SIGNUPS}")
    desk.shows("feeds", "apply", str(file), "--yes")
    file.write_text(SIGNUPS)
    assert "1 feed that is not in the file is left alone: revenue." in desk.shows("feeds", "apply", str(file))
    assert "revenue" in desk.shows("feeds", "list")


def test_what_was_exported_applies_to_nothing(desk: Desk, goals: dict[str, str], file: Path) -> None:
    trap = REVENUE.replace("max: 1000000", 'max: "1000000.10"').replace("entity: id", "entity: \"'0' + text(id)\"")
    file.write_text(f"---\n{trap}start: {{timestamp: 2026-01-01T00:00:00Z}}\n---\n{SIGNUPS}")
    desk.shows("feeds", "apply", str(file), "--yes")
    exported = desk.shows("feeds", "export")
    assert "# More revenue: revision 1" in exported
    file.write_text(exported)
    assert desk.shows("feeds", "apply", str(file)).splitlines()[-1] == "Nothing changes."
    (one,) = yaml.safe_load_all(desk.shows("feeds", "export", "signups"))
    assert one["name"] == "signups"
    assert "there is no feed nobody" in desk.okr("feeds", "export", "nobody").stderr


def test_all_that_is_wrong_is_told_with_its_line_before_anything_is_done(
    desk: Desk, goals: dict[str, str], file: Path
) -> None:
    broken = REVENUE.replace("entity: id", "entity: id ==\nfilter: a ? b").replace("max: ", "maximum: ")
    file.write_text(f"---\n{SIGNUPS}---\n{broken}")
    refused = desk.okr("feeds", "apply", str(file), "--yes")
    assert refused.exit_code == 1
    assert [line.strip().partition(": column")[0] for line in refused.stderr.splitlines()[1:]] == [
        f"{file}:11: filter",
        f"{file}:10: entity",
        f"{file}:12: value.maximum: there is no such field: did you mean max?",
    ]
    assert desk.shows("feeds", "list").startswith("There is no feed yet")


UNMEANT = [
    ("name: [", "is no YAML at line"),
    ("just words", "holds no feed"),
    ("", "holds no feed"),
    ("[]", "holds no feed"),
    (REVENUE + "entity: deal\n", "feeds.yaml:7: entity is said twice"),
    (f"---\n{REVENUE}---\n{REVENUE}", "there are two feeds named revenue"),
    (REVENUE.replace("more revenue", "world peace"), "feeds.yaml:2: key_result: there is no objective or key"),
]


def test_a_file_that_cannot_be_meant_is_refused(desk: Desk, goals: dict[str, str], file: Path) -> None:
    for text, said in UNMEANT:
        file.write_text(text)
        refused = desk.okr("feeds", "apply", str(file), "--yes")
        assert (refused.exit_code, said in refused.stderr) == (1, True), refused.output


def test_what_a_feed_keeps_is_refused_in_the_plan(desk: Desk, goals: dict[str, str], file: Path) -> None:
    file.write_text(REVENUE)
    desk.shows("feeds", "apply", str(file), "--yes")
    file.write_text(f"---\n{SIGNUPS}---\n" + REVENUE.replace("more revenue", "calm"))
    moved = desk.okr("feeds", "apply", str(file), "--yes")
    assert "revenue measures another key result" in moved.stderr
    file.write_text(SIGNUPS.replace("registered users", "more revenue"))
    assert "which has a feed already" in desk.okr("feeds", "apply", str(file), "--yes").stderr
    assert "signups" not in desk.shows("feeds", "list")


def test_an_answer_is_asked_for_on_a_terminal(
    desk: Desk, goals: dict[str, str], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True, raising=False)
    file.write_text(REVENUE)
    refused = desk.okr("feeds", "apply", str(file), answers="n\n")
    assert "Apply 1 new? [y/N]: n" in refused.stdout
    assert "no feed yet" in desk.shows("feeds", "list")
    assert "defined revenue (revision 1)." in desk.okr("feeds", "apply", str(file), answers="y\n").stdout


def test_the_schema_for_editors_is_printed(desk: Desk) -> None:
    schema: Any = json.loads(desk.shows("feeds", "schema"))
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(yaml.safe_load(REVENUE))
    assert not Draft202012Validator(schema).is_valid(yaml.safe_load(REVENUE.replace("expr", "expression")))


def test_differences_are_those_of_the_leaves() -> None:
    before = {"source": {"topic": "a", "format": "json"}, "order": ["x"], "start": {"timestamp": "t"}}
    after = {"source": {"topics": ["a", "b"], "format": "json"}, "order": ["x", "y"], "emit": {"round": 0}}
    assert [str(each) for each in differing(before, after)] == [
        '+ source.topics: ["a", "b"]',
        '~ order: ["x"] → ["x", "y"]',
        "+ emit.round: 0",
        "- source.topic: a",
        '- start: {"timestamp": "t"}',
    ]
