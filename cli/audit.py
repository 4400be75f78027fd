"""Commands for auditors: named questions about a cycle, what it owes to moved targets, and what differs since when."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

import click
from rich.text import Text

from cli import finding, settings
from cli.client import Api, Json, connect
from cli.finding import short
from cli.look import as_of_option
from cli.output import Failure, json_option, say, screen, show_json, show_table
from cli.wording import number, percent
from domain.audit.questions import QUESTIONS

F = TypeVar("F", bound=Callable[..., Any])
cycle_option = click.option(
    "--cycle", metavar="CYCLE", help="A part of its name or id; else the cycle that is running."
)


@click.group()
def audit() -> None:
    """Ask what was done to the goals of a cycle, with the positions that prove it."""


@audit.command()
@json_option
def questions(as_json: bool) -> None:
    """List the questions: what each finds, and what it may be told.

    \b
    Example:
      okr audit questions
    """
    found = connect(settings.read()).get("/audit/questions")
    if as_json:
        show_json(found)
        return
    for question in found["items"]:
        say(Text(question["name"], "bold"))
        say(f"    {question['finds']}")
        for each in question["parameters"]:
            say(Text(f"    {_option(each['name'])} {each['default']}", "cyan").append(f"  {each['meaning']}", "dim"))


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _parameters(command: F) -> F:
    """An option for each parameter that a question may be told."""
    takers: dict[str, list[str]] = {}
    for question in QUESTIONS.values():
        for parameter in question.parameters:
            takers.setdefault(parameter.name, []).append(question.name)
    for name, those in reversed(takers.items()):
        command = click.option(_option(name), name, metavar="NUMBER", help=f"Of {', '.join(those)}.")(command)
    return command


@audit.command()
@click.argument("question")
@cycle_option
@_parameters
@as_of_option
@json_option
def ask(question: str, cycle: str | None, as_of: str | None, as_json: bool, **given: str | None) -> None:
    """Ask a question about a cycle: a sentence, what was found, and the positions that prove it.

    `okr audit questions` lists them. The numbers that a question goes by may be changed.

    \b
    Examples:
      okr audit ask lowered_to_reach
      okr audit ask lowered_late --cycle 2026-Q4 --after-share 0.6 --json
    """
    api = connect(settings.read())
    of = finding.cycle(api, cycle)
    found = _whole_answer(api, question, cycle_id=of["id"], as_of=as_of, **given)
    if as_json:
        show_json(found)
        return
    say(Text(of["name"], "dim"))
    say(Text(found["sentence"], "bold"))
    for item in found["items"]:
        say()
        name = item["title"] or item["owner_id"] or "-"
        line = Text("▸ ").append(name, "bold")
        if item["title"]:
            line.append(f"  {item['owner_id']}  {short(item['key_result_id'] or item['objective_id'])}", "dim")
        say(line)
        say(f"    {item['sentence']}")
        if item["positions"]:
            say(Text(f"    proven by {_positions(item['positions'])}", "dim"))
    if found["items"] and found["recommends"]:
        say()
        say(Text(found["recommends"], "italic"))


def _whole_answer(api: Api, question: str, **asked: str | int | None) -> Json:
    """The answer with all that was found: the further pages are those of the moment of the first."""
    path = f"/audit/questions/{question}"
    whole: Json = api.get(path, limit=200, **asked)
    following = whole.pop("next", None)
    if following is not None and asked.get("as_of") is None:
        asked = {**asked, "as_of_position": whole["position"]}
    while following is not None:
        page = api.get(path, limit=200, cursor=following, **asked)
        whole["items"] += page["items"]
        following = page.get("next")
    return whole


@audit.command()
@cycle_option
@click.option("--objective", metavar="GOAL", help="Of an objective: its id, a part of it, or a part of the title.")
@as_of_option
@json_option
def goalposts(cycle: str | None, objective: str | None, as_of: str | None, as_json: bool) -> None:
    """Show how much of a cycle's success, or of an objective's, is moved target.

    The attainment against the targets that were promised, against today's, and against those weighted by time;
    and each adjustment with what it is worth.

    \b
    Examples:
      okr audit goalposts
      okr audit goalposts --objective "market share"
    """
    api = connect(settings.read())
    collection, of = ("cycles", finding.cycle(api, cycle)) if objective is None else finding.goal(api, objective)
    if collection == "key-results":
        raise Failure(f"{objective!r} is a key result: `okr goalposts` shows what became of its target.")
    found = api.get(f"/{collection}/{of['id']}/goalposts", as_of=as_of)
    if as_json:
        show_json(found)
        return
    say(Text(of.get("title") or of["name"], "bold"))
    if "sentence" in found:
        say(found["sentence"])
    show_table(
        ["against the targets", "attainment"],
        [
            [words, percent((found["attainment"][name] or {}).get("clamped"))]
            for name, words in (
                ("original", "as promised"),
                ("current", "of today"),
                ("time_weighted", "weighted by time"),
            )
        ],
        empty="",
    )
    for move in found["adjustments"]:
        say()
        say(Text("▸ ").append(move["title"], "bold").append(f"  {short(move['key_result_id'])}", "dim"))
        say(
            f"    {number(move['from'])} → {number(move['to'])} by {move['actor']['id']}"
            f" after {percent(move['time_share'])} of the time, {move['reason_code']}, position {move['position']}"
        )
        worth = f"    worth {_points(move['effect'])} to it, {_points(move['effect_on_objective'])} to its objective"
        say(worth if objective else f"{worth}, {_points(move['effect_on_whole'])} to the cycle")


def _points(effect: str | None) -> str:
    """A difference of two attainments in percentage points."""
    return "nothing yet" if effect is None else f"{Decimal(effect) * 100:+.1f} points"


@click.command()
@click.argument("goal")
@click.option("--from", "from_", metavar="MOMENT", required=True, help="A position of the ledger, or a time.")
@click.option("--to", metavar="MOMENT", help="The same; now, where it is not given.")
@json_option
def diff(goal: str, from_: str, to: str | None, as_json: bool) -> None:
    """Show what differs between two moments, field by field, with the facts that caused it.

    GOAL is a key result, an objective (with its key results), or a cycle (with its goals): an id or a part of it,
    or a part of the title or name.

    \b
    Examples:
      okr diff "computing power" --from 33
      okr diff 2026-Q4 --from 2026-11-01T00:00:00+08:00 --to 2026-11-11T00:00:00+08:00
    """
    api = connect(settings.read())
    collection, of = _meant(api, goal)
    moments = {**_moment("from", from_), **({} if to is None else _moment("to", to))}
    found = api.get(f"/{collection}/{of['id']}/diff", **moments)
    if as_json:
        show_json(found)
        return
    say(Text(f"From position {found['from']['position']} to {found['to']['position']}:", "dim"))
    facts = {fact["position"]: fact for fact in found["facts"]}
    for change in found["changes"]:
        say()
        new = "  (new)" if change["is_new"] else ""
        say(Text(change["title"] or change["id"], "bold").append(f"{new}  {short(change['id'])}", "not bold dim"))
        for field in change["fields"]:
            _show_field(field, facts)
    if not found["changes"]:
        say("Nothing differs.")


def _meant(api: Api, word: str) -> tuple[str, Json]:
    """A cycle or a goal."""
    cycles = [each for each in api.items("/cycles") if word == each["id"] or word.casefold() in each["name"].casefold()]
    if len(cycles) == 1:
        return "cycles", cycles[0]
    return finding.goal(api, word)


def _moment(name: str, said: str) -> dict[str, str]:
    return {f"{name}_position": said} if said.isdigit() else {f"{name}_": said}


def _show_field(field: Json, facts: dict[int, Json]) -> None:
    line = Text(f"  {field['field'].replace('_', ' '):<20}", "dim")
    line.append(f"{_shown(field['from'])} → {_shown(field['to'])}", "default not dim")
    behind = [
        f"{position} {facts[position]['type'].partition('.')[2]} by {facts[position]['actor']['id']}"
        for position in field["facts"]
    ]
    more = field["fact_count"] - len(behind)
    said = ", ".join(behind[-3:]) + (f" and {more + len(behind[:-3])} more" if more + len(behind[:-3]) > 0 else "")
    why = "as time passed" if field["by_time"] else said
    if line.cell_len + len(why) + 3 > screen().width and sys.stdout.isatty():
        say(line)
        say(Text(f"    {why}", "dim"))
    else:
        say(line.append(f"  ({why})" if why else "", "dim"))


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_shown(each)}" for name, each in value.items() if each is not None)
    if isinstance(value, list):
        return f"{len(value)} of them" if value and isinstance(value[0], dict) else ", ".join(map(str, value)) or "-"
    return str(value)


def _positions(positions: list[int]) -> str:
    plural = "s" if len(positions) > 1 else ""
    return f"position{plural} {', '.join(map(str, positions))}"
