"""Commands for people: the goals as a tree, one goal, its history, what became of its target. They ask the API."""

from __future__ import annotations

import sys
from decimal import Decimal
from itertools import islice

import click
from rich.text import Text

from cli import finding, settings
from cli.client import Api, Json, connect
from cli.finding import short
from cli.output import bar, json_option, say, screen, show_json, show_table
from cli.wording import (
    is_lowered,
    number,
    percent,
    points,
    said_of_it,
    score_and_advice,
    what_happened,
    where_from,
    with_unit,
)

as_of_option = click.option(
    "--as-of", metavar="TIME", help="As it was known at that moment, such as 2026-11-11T09:00:00+08:00."
)
_STATUS_STYLE = {"on_track": "green", "achieved": "bold green", "at_risk": "yellow", "behind": "red"}


@click.command()
@click.argument("cycle", required=False)
@as_of_option
@json_option
def tree(cycle: str | None, as_of: str | None, as_json: bool) -> None:
    """Show a cycle's objectives with their key results.

    CYCLE is a part of its name or of its id; without it, the cycle that is running. ▼ marks a target that is
    lower than the one that was promised.

    \b
    Examples:
      okr tree
      okr tree 2026-Q4 --as-of 2026-11-11T09:00:00+08:00
    """
    api = connect(settings.read())
    found = api.get(f"/cycles/{finding.cycle(api, cycle)['id']}/tree", as_of=as_of)
    if as_json:
        show_json(found)
        return
    of = found["cycle"]
    say(Text(of["name"], "bold").append(f"  {of['state']}, {of['starts_on']} to {of['ends_on']}", "not bold dim"))
    for objective in found["objectives"]:
        say()
        say(_objective_line(objective))
        for key_result in objective["key_results"]:
            say(_key_result_line(key_result))
    if not found["objectives"]:
        say("There is no objective in it yet.")


@click.command()
@click.argument("goal")
@as_of_option
@json_option
def show(goal: str, as_of: str | None, as_json: bool) -> None:
    """Show one key result or objective.

    GOAL is an id, its beginning or its end, or a part of the title.

    \b
    Examples:
      okr show revenue
      okr show 9e8f0a1b --as-of 2026-11-11T09:00:00+08:00
    """
    api = connect(settings.read())
    collection, found = finding.goal(api, goal)
    found = api.get(f"/{collection}/{found['id']}", as_of=as_of)
    if as_json:
        show_json(found)
    elif collection == "objectives":
        _show_objective(api, found, as_of)
    else:
        _show_key_result(found)


@click.command()
@click.argument("goal")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="How many facts at most.")
@click.option("--type", "type_", metavar="TYPE", help="Only facts of that type, such as KeyResult.TargetAdjusted.")
@click.option("--actor", metavar="ID", help="Only what this actor did.")
@as_of_option
@json_option
def history(goal: str, limit: int, type_: str | None, actor: str | None, as_of: str | None, as_json: bool) -> None:
    """Show what happened to a key result or an objective, newest first.

    Each fact with its position in the ledger, who and why; for an automatic value also the messages behind it:
    topic, partition and offsets.

    \b
    Examples:
      okr history revenue
      okr history "computing power" --type KeyResult.TargetAdjusted --json
    """
    api = connect(settings.read())
    collection, found = finding.goal(api, goal)
    asked = {"type": type_, "actor": actor, "as_of": as_of, "limit": min(limit, 200)}
    items = list(islice(api.items(f"/{collection}/{found['id']}/history", **asked), limit))
    if as_json:
        show_json(items)
        return
    say(Text(found["title"], "bold"))
    for item in items:
        _show_fact(item, is_about_another=item["subject"]["id"] != found["id"])


@click.command()
@click.argument("key_result")
@as_of_option
@json_option
def goalposts(key_result: str, as_of: str | None, as_json: bool) -> None:
    """Show what a key result's attainment owes to its target having moved.

    The attainment against the target that was promised, against today's, and against the mean of the targets
    weighted by how long each was in force; and every adjustment, with who and why.

    \b
    Example:
      okr goalposts "computing power"
    """
    api = connect(settings.read())
    found = finding.key_result(api, key_result)
    posts = api.get(f"/key-results/{found['id']}/goalposts", as_of=as_of)
    if as_json:
        show_json(posts)
        return
    say(Text(found["title"], "bold"))
    show_table(
        ["against the target", "target", "attainment"],
        [
            [words, with_unit(_rounded(posts["targets"][name]), found["unit"]), percent(posts["attainment"][name])]
            for name, words in (
                ("original", "as promised"),
                ("current", "of today"),
                ("time_weighted", "weighted by time"),
            )
        ],
        empty="",
    )
    if posts["goalpost_shift"] is not None:
        say(f"The bar stands {_shift(Decimal(posts['goalpost_shift']))}.")
    for move in posts["adjustments"]:
        say()
        say(
            f"{_minute(move['recorded_at'])}  {number(move['from'])} → {number(move['to'])}  by {move['actor']['id']}"
            f"  (after {percent(move['time_share'])} of the time)"
        )
        say(f"    {move['reason_code']}: {move['reason'] or '(erased)'}")
        say(f"    attainment {percent(move['attainment_before'])} → {percent(move['attainment_after'])}")


def _objective_line(objective: Json) -> Text:
    share = (objective["attainment"] or {}).get("clamped")
    line = Text("◆ ").append(_ended(objective)).append(objective["title"], "bold")
    line.append(f"  {percent(share)}", "bold" if share else "dim").append(f"  {points(objective['computed'])}", "dim")
    return line.append(f"  {objective['owner_id']}  {short(objective['id'])}", "dim")


def _key_result_line(key_result: Json) -> Text:
    """One line, or two where the terminal is too narrow for one."""
    share, pace = key_result["attainment"], (key_result["pace"] or {}).get("status")
    line = Text("  ").append_text(bar(Decimal(share or 0), 12)).append(f" {percent(share):>6} ")
    line.append(f" {(pace or key_result['state']).replace('_', ' '):<9}", _STATUS_STYLE.get(pace or "", "dim"))
    line.append("▼ " if is_lowered(key_result) else "  ", "bold red")
    indent = line.cell_len
    line.append(_ended(key_result)).append(key_result["title"])
    rest = Text("  ")
    if key_result["target"] is not None:
        rest.append(f"{number(key_result['value'])} of {with_unit(key_result['target'], key_result['unit'])}  ")
    rest.append(f"{points(key_result['computed'])}  {key_result['owner_id']}  {short(key_result['id'])}", "dim")
    if line.cell_len + rest.cell_len > screen().width and sys.stdout.isatty():
        line.append("\n" + " " * (indent - 2))
    return line.append_text(rest)


def _ended(goal: Json) -> str:
    return f"({goal['state']}) " if goal["state"] in ("draft", "replaced", "dropped") else ""


def _show_objective(api: Api, objective: Json, as_of: str | None) -> None:
    share = objective["attainment"] or {}
    _facts_of(
        objective,
        [
            ("level", objective["level"]),
            ("attainment", percent(share.get("clamped"))),
            ("description", objective["description"]),
        ],
    )
    parts = api.items("/key-results", objective_id=objective["id"], as_of=as_of)
    for key_result in parts:
        say(_key_result_line(key_result))


def _show_key_result(found: Json) -> None:
    unit, lowered = found["unit"], ""
    if is_lowered(found):
        lowered = f"  ▼ lowered from {with_unit(found['original']['target'], unit)}"
    rows: list[tuple[str, str | None]] = [("attainment", percent(found["attainment"]))]
    if pace := found["pace"]:
        passed = f"{percent(pace['elapsed'])} of the time has passed"
        rows.append(("pace", f"{pace['status'].replace('_', ' ')}, {passed}"))
    if found["value"] is not None:
        rows.append(("value", f"{with_unit(found['value'], unit)}, by {found['value_source']}"))
    if found["baseline"] is not None:
        rows.append(("baseline", with_unit(found["baseline"], unit)))
    if found["target"] is not None:
        aim = f"{found['direction'].replace('_', ' ')} {with_unit(found['target'], unit)}"
        rows.append(("target", aim + lowered))
    rows += [("deadline", found["deadline"]), ("weight", found["weight"] and number(found["weight"]))]
    for step in found["milestones"] or ():
        rows.append(("milestone", f"{'☑' if step['reached_at'] else '☐'} {step['name']}"))
    _facts_of(found, rows)


def _facts_of(goal: Json, rows: list[tuple[str, str | None]]) -> None:
    say(Text(goal["title"], "bold"))
    common = [
        ("id", goal["id"]),
        ("state", goal["state"]),
        ("owner", goal["owner_id"]),
        *rows,
        ("confidence", None if goal["confidence"] is None else f"{goal['confidence']} of 10"),
        ("stated", goal["stated_status"] and goal["stated_status"].replace("_", " ")),
        ("computed", score_and_advice(goal["computed"])),
        ("score", _score(goal["score"])),
        ("replaces", goal["replaces"]),
        ("replaced by", goal["replaced_by"]),
    ]
    for name, value in common:
        if value is not None:
            say(Text(f"  {name:<12}", "dim").append(str(value), "default not dim"))


def _show_fact(item: Json, *, is_about_another: bool) -> None:
    about = f"[{short(item['subject']['id'])}] " if is_about_another else ""
    line = Text(f"{item['position']:>6}  ", "dim").append(f"{_minute(item['recorded_at'])}  ", "not dim")
    line.append(f"{about}{what_happened(item)}", "bold not dim").append(f"  by {item['actor']['id']}", "dim")
    if item["effective_at"] and item["effective_at"][:10] != item["recorded_at"][:10]:
        line.append(f", true since {item['effective_at'][:10]}", "dim")
    say(line)
    for words in [*said_of_it(item), *where_from(item["provenance"])]:
        say(Text(f"        {words}", "dim"))


def _score(score: Json | None) -> str | None:
    if score is None:
        return None
    return ", ".join(f"{kind} {points}" for kind, points in score.items() if points is not None)


def _shift(shift: Decimal) -> str:
    if shift == 0:
        return "where it was promised"
    return f"{percent(str(abs(shift)))} {'lower' if shift < 0 else 'higher'} than it was promised"


def _rounded(measure: str | None) -> str | None:
    """At most two digits after the point: a mean has six, which nobody reads."""
    return None if measure is None else str(round(Decimal(measure), 2))


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
