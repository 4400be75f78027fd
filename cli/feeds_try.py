"""Trying a feed out before it is defined: what each message would do, and the number that they make."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.text import Text

from cli import feeds_yaml, running, settings
from cli.client import Json, connect
from cli.feeds_messages import of_file, within_budget
from cli.output import json_option, say, show_json
from cli.wording import number
from domain.feeds.definition import FeedDefinition

if TYPE_CHECKING:
    from workers.feeds.settings import WorkerSettings

MOST = 500

_STYLES = {"matched": "green", "ignored": "dim", "dead": "red"}


def _moment(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    """A moment as RFC 3339 writes it."""
    try:
        moment = None if value is None else datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter("write a moment like 2026-01-31T09:30:00Z") from None
    if moment is not None and moment.tzinfo is None:
        raise click.BadParameter("a moment needs its offset: 2026-01-31T09:30:00Z")
    return moment


@click.command("try")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", help="Which feed of the file, where it has several.")
@click.option(
    "--messages",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file of messages, JSON lines, also gzipped: key, value, headers, timestamp.",
)
@click.option("--values", "are_values", is_flag=True, help="Each line of that file is itself a message's value.")
@click.option("--last", type=click.IntRange(1, MOST), help="The last so many messages of the topic; 20 if not said.")
@click.option(
    "--from-time", "since", callback=_moment, metavar="MOMENT", help="Messages of the topic from this moment on."
)
@click.option(
    "--to-time", "until", callback=_moment, metavar="MOMENT", help="Messages of the topic before this moment."
)
@click.option("--topic", "topics", multiple=True, help="Read this topic instead of the feed's.")
@click.option("--at-most", type=click.IntRange(1, MOST), default=100, help="The most messages of a time; 100.")
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=10, help="The longest that is read; 10.")
@json_option
def try_feed(
    file: Path,
    name: str | None,
    messages: Path | None,
    are_values: bool,
    last: int | None,
    since: datetime | None,
    until: datetime | None,
    topics: tuple[str, ...],
    at_most: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Show what messages would do under a feed, and why. Nothing is written, and no consumer group is joined.

    The feed is that of a YAML file; it need not be defined. The messages are the last ones of its topic, those of a
    time, or those of a file. Each is read by the very program that the feed worker runs.

    \b
    Examples:
      okr feeds try revenue.yaml
      okr feeds try revenue.yaml --last 100
      okr feeds try revenue.yaml --from-time 2026-01-31T09:00:00Z --to-time 2026-01-31T10:00:00Z
      okr feeds try revenue.yaml --messages deals.jsonl.gz
    """
    if sum((messages is not None, last is not None, since is not None or until is not None)) > 1:
        raise click.UsageError("messages come from --messages, --last, or --from-time and --to-time: choose one.")
    if are_values and messages is None:
        raise click.UsageError("--values says how the file of --messages is written: name one.")
    known = settings.read()
    api = connect(known)
    (definition,) = feeds_yaml.understood(api, [feeds_yaml.one_of(file, feeds_yaml.read_file(file), name)])
    if messages is not None:
        found = of_file(messages, are_values=are_values, most=MOST)
    else:
        from cli.feeds_topic import Topics

        with Topics(_broker(known), topics or definition.source.topics) as broker:
            if since is None and until is None:
                found = broker.last(last or 20, seconds)
            else:
                found = broker.between(since, until, at_most, seconds)
    sent = within_budget(found)
    told = api.post("/feeds/dry-run", {"definition": definition.to_mapping(), "messages": sent}).body
    if as_json:
        show_json(told)
        return
    for each in told["messages"]:
        _show(each)
    if len(sent) < len(found):
        say(f"{len(found) - len(sent)} messages were left out: together they are too large.")
    _show_result(told, definition)


def _broker(known: settings.Settings) -> WorkerSettings:
    from workers.feeds.settings import WorkerSettings

    bootstrap, epoch = running.kafka(known)
    return WorkerSettings(
        database_url="",
        bootstrap_servers=bootstrap,
        client_id="okr-feeds-try",
        security={} if epoch is not None else known.kafka_options,
        is_trial=epoch is not None,
        trial_epoch=epoch,
    )


def _show(message: Json) -> None:
    place = f"{message['topic']}[{message['partition']}] {message['offset']}"
    at = (message["timestamp"] or "no time")[:19].replace("T", " ")
    say(
        Text(f"{place}  ", "bold")
        .append(f"{at}  ", "not bold dim")
        .append(message["outcome"], _STYLES[message["outcome"]])
    )
    for decoded in message["decoded"]:
        say(Text(f"    {decoded if len(decoded) <= 160 else decoded[:159] + '…'}", "dim"))
    for effect in message["effects"]:
        what = f"{number(effect['value'])}" if effect["value"] is not None else ""
        part = f" ({effect['part']})" if effect["part"] else ""
        when = f" at {effect['effective_at'][:19].replace('T', ' ')}" if effect["effective_at"] else ""
        by = ", when it arrived" if effect["effective_by"] == "arrival" else ""
        told = f"{what}{when}{by}; {effect['because']}" if what else f"{effect['because']}{when}{by}"
        say(f"    {effect['entity']}{part}: {told}")
    if message["ignored"]:
        say(f"    {message['ignored']}")
    for finding in message["findings"]:
        read = ", ".join(f"{path} is {value}" for path, value in finding["values"].items())
        say(f"    {finding['field']}: {finding['expression']} is {finding['was']}" + (f": {read}" if read else ""))
    if failure := message["failure"]:
        where = f" ({failure['field']}: {failure['expression']})" if failure["expression"] else ""
        say(Text(f"    {failure['stage']}: {failure['reason']}{where}", "red"))


def _show_result(told: Json, definition: FeedDefinition) -> None:
    result, today, counts = told["result"], told["today"], told["counts"]
    say()
    say(", ".join(f"{counts[name]} {name}" for name in ("matched", "ignored", "dead")) + ".")
    window = " to ".join(result["window"][end][:16].replace("T", " ") for end in ("from", "to"))
    say(
        f"These messages alone make {number(result['value'])}: the {definition.aggregate.fn} of"
        f" {result['contributions']} contribution{'' if result['contributions'] == 1 else 's'}, {window} (UTC)."
    )
    by = {"person": "by a person", "feed": "by a feed", "override": "by an override"}.get(
        today["value_source"] or "", ""
    )
    say(f"Today {today['title']!r} stands at {number(today['value'])}{by and ' ' + by}.")
    if feed := told["feed"]:
        same = "this very definition" if feed["is_same_definition"] else "another definition than this one"
        say(f"The feed {feed['name']} is defined, with {same} (revision {feed['revision']}).")
