"""`okr what-if`: the figures as they are and as they would be, in two columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import yaml
from rich.cells import cell_len
from rich.text import Text

from cli import finding, settings
from cli.client import Api, Json, connect
from cli.finding import short
from cli.look import as_of_option
from cli.output import Failure, json_option, say, show_json
from cli.wording import number, score_and_advice, with_unit
from domain.scoring import BUILT_IN

Figure = tuple[str, list[str]]
"""The name of a figure, and what it is on each side."""
Block = tuple[Text, list[Figure]]

REAL, HYPOTHETICAL = "as it is", "as it would be"
INDENT = 16
COLLECTIONS = {"cycles": "cycle_id", "objectives": "objective_id", "key-results": "key_result_id"}


@click.command()
@click.argument("goal")
@click.option(
    "--without", metavar="POSITION", type=click.IntRange(1), multiple=True, help="Leave out that fact; may be repeated."
)
@click.option("--policy", metavar="NAME|FILE", help=f"Score by {', '.join(BUILT_IN)}, or by the policy in a YAML file.")
@click.option("--without-feed", metavar="NAME", help="Leave out all that this feed measured.")
@click.option("--targets", type=click.Choice(["as-committed"]), help="Leave out every adjustment of a target.")
@as_of_option
@json_option
def what_if(
    goal: str,
    without: tuple[int, ...],
    policy: str | None,
    without_feed: str | None,
    targets: str | None,
    as_of: str | None,
    as_json: bool,
) -> None:
    """Show what the figures would be without some facts, or under another scoring policy, beside the real ones.

    GOAL is a key result, an objective (with its key results), or a cycle (with its goals): an id or a part of it,
    or a part of the title or name. Both columns come from the same facts of the ledger; nothing is written.
    `okr history` shows the positions.

    \b
    Examples:
      okr what-if "computing power" --without 57
      okr what-if 2026-Q4 --targets as-committed
      okr what-if 2026-Q4 --policy unit_0_1
      okr what-if revenue --without-feed revenue --json
    """
    api = connect(settings.read())
    supposed = {
        "scope": _scope(api, goal),
        "without": list(dict.fromkeys(without)),
        "policy": None if policy is None else _policy(policy),
        "without_feed": None if without_feed is None else finding.feed(api, without_feed)["id"],
        "targets": None if targets is None else targets.replace("-", "_"),
        "as_of": as_of,
    }
    found = api.post("/what-if", supposed).body
    if as_json:
        show_json(found)
        return
    say(Text(found["sentence"], "bold"))
    say()
    _show(_blocks(found))
    unchanged = found["key_result_count"] - found["changed_key_results"]
    if unchanged and found["scope"]["kind"] == "cycle":
        say(Text(f"{unchanged} of {found['key_result_count']} key results stay as they are.", "dim"))
    for advice in _new_advice(found):
        say(advice)


def _scope(api: Api, word: str) -> Json:
    """The id of the cycle or goal that is meant."""
    cycles = [each for each in api.items("/cycles") if word == each["id"] or word.casefold() in each["name"].casefold()]
    if len(cycles) == 1:
        return {"cycle_id": cycles[0]["id"]}
    collection, found = finding.goal(api, word)
    return {COLLECTIONS[collection]: found["id"]}


def _policy(said: str) -> Any:
    """The name of a policy that needs no file, or the policy that a file holds; numbers as they are written there."""
    if said in BUILT_IN:
        return said
    file = Path(said)
    try:
        read = yaml.load(file.read_text(encoding="utf-8"), yaml.BaseLoader)  # noqa: S506 - makes nothing but texts
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise Failure(f"{said} is none of {', '.join(BUILT_IN)}, and no file that can be read ({reason}).") from None
    except yaml.YAMLError as error:
        raise Failure(f"{said} is no YAML: {getattr(error, 'problem', None) or error}.") from None
    if not isinstance(read, dict):
        raise Failure(f"{said} holds no policy: a policy is a mapping with name, minimum, maximum, decimals, factor.")
    if str(read.get("decimals", "")).isdigit():
        read["decimals"] = int(read["decimals"])
    return read


def _blocks(found: Json) -> Iterator[Block]:
    """The whole, and below it what would be otherwise; of an objective or a key result everything."""
    is_cycle = found["cycle"] is not None
    if is_cycle:
        yield Text(found["scope"]["title"], "bold"), _mean(found["cycle"])
    parts: dict[str, list[Json]] = {objective["id"]: [] for objective in found["objectives"]}
    for part in found["key_results"]:
        if part["is_changed"] or not is_cycle:
            parts.setdefault(part["objective_id"], []).append(part)
    for objective in found["objectives"]:
        if objective["is_changed"] or parts[objective["id"]] or not is_cycle:
            yield Text("◆ ").append(objective["title"], "bold"), _mean(objective)
        yield from map(_key_result, parts.pop(objective["id"]))
    for own in parts.values():
        yield from map(_key_result, own)


def _mean(sides: Json) -> list[Figure]:
    shares = [_percent((side["attainment"] or {}).get("clamped")) for side in _both(sides)]
    return [("attainment", shares), ("points", [_points(side) for side in _both(sides)])]


def _key_result(part: Json) -> Block:
    """Attainment and points always; the rest where it would be otherwise."""
    both, unit = _both(part), part["unit"]
    further = [
        ("value", [with_unit(side["value"], unit) for side in both]),
        ("target", [with_unit(side["target"], unit) for side in both]),
        ("weight", [number(side["weight"]) for side in both]),
        ("state", [side["state"] for side in both]),
        ("band", [_words(side["band"]) for side in both]),
        ("advice", [_words(side["advice"]) for side in both]),
    ]
    figures = [
        ("attainment", [_percent(side["attainment"]) for side in both]),
        ("points", [_points(side) for side in both]),
        *((name, sides) for name, sides in further if sides[0] != sides[1]),
    ]
    return Text(f"  {part['title']}").append(f"  {short(part['id'])}", "dim"), figures


def _show(blocks: Iterable[Block]) -> None:
    found = list(blocks)
    width = max([len(REAL), *(cell_len(real) for _, figures in found for _, (real, _) in figures)]) + 2
    say(Text(f"{'':{INDENT}}{REAL:<{width}}{HYPOTHETICAL}", "dim"))
    for title, figures in found:
        say(title)
        for name, (real, other) in figures:
            line = Text(f"    {name}".ljust(INDENT), "dim")
            line.append(real + " " * (width - cell_len(real)), "default not dim")
            say(line.append(other, "bold yellow not dim" if real != other else "default not dim"))


def _both(sides: Json) -> tuple[Json, Json]:
    return sides["real"], sides["hypothetical"]


def _percent(share: str | None) -> str:
    """To a tenth: where columns are compared, a little counts."""
    return "-" if share is None else f"{(Decimal(share) * 100).quantize(Decimal('0.1'))} %"


def _points(side: Json) -> str:
    return "-" if side["points"] is None else str(Decimal(side["points"]))


def _words(slug: str | None) -> str:
    return "-" if slug is None else slug.replace("_", " ")


def _new_advice(found: Json) -> list[Text]:
    """What people would be asked about that they are not asked about now."""
    return [
        Text(f"“{part['title']}” would have {score_and_advice(part['hypothetical'])}", "italic")
        for part in found["key_results"]
        if part["hypothetical"]["advice"] not in (None, part["real"]["advice"])
    ]
