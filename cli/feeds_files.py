"""Feeds as code: a file says what is to be, a plan says what that changes, and the same file again changes nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import click
from rich.text import Text

from cli import feeds_yaml, settings
from cli.client import Api, Json, Refused, connect
from cli.finding import short
from cli.output import Failure, json_option, say, show_json
from domain.command import ReasonCode
from domain.feeds.definition import FeedDefinition
from domain.feeds.fields import file_schema


class Difference(NamedTuple):
    """A field that is to change; None where it is not there."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"+ {self.field}: {_shown(self.after)}"
        if self.after is None:
            return f"- {self.field}: {_shown(self.before)}"
        return f"~ {self.field}: {_shown(self.before)} → {_shown(self.after)}"


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one feed of the file."""

    definition: Json
    key_result: Json
    feed: Json | None
    differences: tuple[Difference, ...]

    @property
    def what(self) -> str:
        return "new" if self.feed is None else "changed" if self.differences else "unchanged"


@dataclass(frozen=True, slots=True)
class Plan:
    steps: tuple[Step, ...]
    left_alone: tuple[str, ...]

    @property
    def due(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.what != "unchanged")


@click.command("apply")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--yes", "is_agreed", is_flag=True, help="Apply the plan without asking.")
@click.option("--plan", "only_plan", is_flag=True, help="Show what would change, and stop.")
@click.option("--reason", help="Why the mapping changes; kept with each change.")
@click.option(
    "--reason-code",
    type=click.Choice([str(code) for code in ReasonCode]),
    help="The kind of the reason.",
)
@json_option
def apply_feeds(
    file: Path, is_agreed: bool, only_plan: bool, reason: str | None, reason_code: str | None, as_json: bool
) -> None:
    """Make the feeds be what a YAML file says: one definition, several documents, or a list.

    Shows first what is new and what changes, and asks. The same file again changes nothing. Feeds that are not in the
    file are left alone. `key_result` may be an id or a part of the key result's title. With --json it never asks:
    nothing is applied without --yes.

    \b
    Examples:
      okr feeds apply revenue.yaml
      okr feeds apply feeds.yaml --yes --reason "The CRM has a new stage" --reason-code data_error
    """
    api = connect(settings.read())
    plan = make_plan(api, feeds_yaml.understood(api, feeds_yaml.read_file(file)))
    if not as_json:
        _show(plan)
    is_applied = bool(plan.due) and not only_plan and (is_agreed or (not as_json and _agrees(plan)))
    why = {name: said for name, said in (("reason", reason), ("reason_code", reason_code)) if said is not None}
    done = [_apply(api, step, why, is_told=not as_json) for step in plan.due] if is_applied else []
    if as_json:
        show_json(_as_json(plan) | {"is_applied": is_applied, "feeds": done})


@click.command("export")
@click.argument("names", nargs=-1, metavar="[NAME]...")
def export_feeds(names: tuple[str, ...]) -> None:
    """Print feeds as the YAML that `okr feeds apply` takes: all of them, or those that are named.

    \b
    Examples:
      okr feeds export > feeds.yaml
      okr feeds export revenue signups
    """
    api = connect(settings.read())
    known = {feed["name"]: feed for feed in api.items("/feeds")}
    if missing := [name for name in names if name not in known]:
        raise Failure(f"there is no feed {', '.join(missing)}: `okr feeds list` shows what there is.")
    for name in names or sorted(known):
        title = api.get(f"/key-results/{known[name]['key_result_id']}")["title"]
        click.echo(
            feeds_yaml.document(known[name]["definition"], f"{title}: revision {known[name]['revision']}"), nl=False
        )


@click.command("schema")
def show_schema() -> None:
    """Print the JSON Schema (2020-12) of such files, for editors that check and complete YAML.

    \b
    Example:
      okr feeds schema > feeds.schema.json
    """
    click.echo(json.dumps(file_schema(), indent=2, ensure_ascii=False))


def make_plan(api: Api, wanted: Sequence[FeedDefinition]) -> Plan:
    """What the definitions change. A Failure with all that cannot be done, before anything is."""
    known = {feed["name"]: feed for feed in api.items("/feeds")}
    steps, wrong = [], []
    for definition in wanted:
        mapping, feed = definition.to_mapping(), known.get(definition.name)
        key_result = api.get(f"/key-results/{definition.key_result}")
        if feed is not None and feed["key_result_id"] != key_result["id"]:
            wrong.append(
                f"{definition.name} measures another key result, {short(feed['key_result_id'])}, and keeps it:"
                " define a feed of another name"
            )
        elif feed is None and key_result["feed_id"] is not None:
            wrong.append(f"{definition.name} is to measure {key_result['title']!r}, which has a feed already")
        else:
            differences = () if feed is None else tuple(differing(feed["definition"], mapping))
            steps.append(Step(mapping, key_result, feed, differences))
    if wrong:
        raise Failure("\n  ".join(["this cannot be done, and nothing was:", *wrong]))
    names = {definition.name for definition in wanted}
    return Plan(tuple(steps), tuple(sorted(known.keys() - names)))


def differing(before: Json, after: Json) -> Iterator[Difference]:
    """The fields in which two definitions differ, in the order of the newer one."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    for field in dict.fromkeys([*new, *old]):
        if old.get(field) != new.get(field):
            yield Difference(field, old.get(field), new.get(field))


def _leaves(tree: Json, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        path = f"{prefix}{name}"
        if isinstance(value, dict) and value and path != "start":
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value


def _show(plan: Plan) -> None:
    width = max(len(step.definition["name"]) for step in plan.steps)
    styles = {"new": "green", "changed": "yellow", "unchanged": "dim"}
    for step in plan.steps:
        line = Text(f"{step.what:9}  ", styles[step.what]).append(f"{step.definition['name']:{width}}  ", "bold")
        line.append(f"{short(step.key_result['id'])} {step.key_result['title']}", "not bold dim")
        if step.what == "changed" and step.feed is not None:
            line.append(f"  revision {step.feed['revision']} → {step.feed['revision'] + 1}", "not bold dim")
        say(line)
        for difference in step.differences:
            say(f"             {difference}")
    if plan.left_alone:
        several = len(plan.left_alone) > 1
        say(
            f"{len(plan.left_alone)} {'feeds that are' if several else 'feed that is'} not in the file"
            f" {'are' if several else 'is'} left alone: {', '.join(plan.left_alone)}."
        )
    if not plan.due:
        say("Nothing changes.")


def _agrees(plan: Plan) -> bool:
    if not sys.stdin.isatty():
        raise Failure("nothing was applied, as nobody can be asked here: say --yes, or --plan to only look.")
    counts = [(what, sum(step.what == what for step in plan.due)) for what in ("new", "changed")]
    return click.confirm(f"Apply {' and '.join(f'{count} {what}' for what, count in counts if count)}?")


def _apply(api: Api, step: Step, why: Json, *, is_told: bool) -> Json:
    try:
        if step.feed is None:
            done: Json = api.post("/feeds", step.definition | why).body
        else:
            version = {"If-Match": f'"v{step.feed["version"]}"'}
            done = api.send("POST", f"/feeds/{step.feed['id']}/revisions", step.definition | why, version).body
    except Refused as refused:
        name = step.definition["name"]
        if refused.status == 412:
            raise Failure(f"somebody else has just changed {name}: look at the plan again.") from None
        raise Failure(f"{name} was refused: {refused.message}") from None
    if is_told:
        say(f"{'defined' if step.feed is None else 'revised'} {done['name']} (revision {done['revision']}).")
    return done


def _as_json(plan: Plan) -> Json:
    return {
        "plan": [
            {
                "name": step.definition["name"],
                "what": step.what,
                "key_result_id": step.key_result["id"],
                "differences": [each._asdict() for each in step.differences],
            }
            for step in plan.steps
        ],
        "left_alone": list(plan.left_alone),
    }


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
