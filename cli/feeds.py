"""Commands for feeds: which messages of business systems write to which key result."""

from __future__ import annotations

import click
import yaml
from rich.text import Text

from cli import feeds_files, feeds_letters, feeds_try, finding, settings
from cli.client import Api, Json, connect
from cli.finding import short
from cli.output import json_option, say, show_json, show_table
from domain.feeds.formats import FORMATS
from domain.feeds.message import Format


@click.group()
def feeds() -> None:
    """Define feeds, try them out, and look at them.

    A feed says: messages of this Kafka topic, that match this filter, contribute this value to that key result.
    """


@feeds.command("list")
@json_option
def list_feeds(as_json: bool) -> None:
    """Show all feeds, what they measure and what they read.

    \b
    Example:
      okr feeds list
    """
    api = connect(settings.read())
    found = list(api.items("/feeds"))
    if as_json:
        show_json(found)
        return
    show_table(
        ["feed", "key result", "format", "topics", "revision", "reads", "gaps"],
        [
            [
                feed["name"],
                _title(api, feed["key_result_id"]),
                feed["definition"]["source"]["format"],
                ", ".join(_topics(feed)),
                str(feed["revision"]),
                "paused" if feed["is_paused"] else "yes",
                str(feed["gaps"]),
            ]
            for feed in found
        ],
        empty="There is no feed yet: `okr feeds apply FILE.yaml` defines one.",
    )


@feeds.command("show")
@click.argument("feed")
@json_option
def show_feed(feed: str, as_json: bool) -> None:
    """Show one feed with its definition.

    FEED is its name, or the beginning or end of its id.

    \b
    Example:
      okr feeds show revenue
    """
    api = connect(settings.read())
    found = finding.feed(api, feed)
    if as_json:
        show_json(found)
        return
    state = "paused" if found["is_paused"] else "read"
    say(Text(found["name"], "bold").append(f"  {state}, revision {found['revision']}, {found['id']}", "not bold dim"))
    click.echo(yaml.safe_dump(found["definition"], allow_unicode=True, sort_keys=False).rstrip())


@feeds.command("formats")
@click.argument("name", type=click.Choice(list(FORMATS)), metavar="[FORMAT]", required=False)
@json_option
def show_formats(name: str | None, as_json: bool) -> None:
    """Show the formats of messages that feeds read, or all about one.

    \b
    Examples:
      okr feeds formats
      okr feeds formats github
    """
    if as_json:
        found = [_format(each) for each in FORMATS.values() if name in (None, each.name)]
        show_json(found if name is None else found[0])
    elif name is not None:
        click.echo(FORMATS[name].guide.rstrip())
    else:
        show_table(
            ["format", "messages", "an entity, where the feed names none"],
            [[each.name, each.summary, each.entity] for each in FORMATS.values()],
            empty="There is no format.",
        )


def _format(each: Format) -> Json:
    return {
        "name": each.name,
        "messages": each.summary,
        "entity": each.entity,
        "specification": each.specification,
        "paths": None if each.roots is None else sorted(each.roots),
        "guide": each.guide,
    }


def _title(api: Api, key_result_id: str) -> str:
    return f"{short(key_result_id)} {api.get(f'/key-results/{key_result_id}')['title']}"


def _topics(feed: Json) -> list[str]:
    source = feed["definition"]["source"]
    return [source["topic"]] if "topic" in source else list(source["topics"])


feeds.add_command(feeds_try.try_feed)
feeds.add_command(feeds_files.apply_feeds)
feeds.add_command(feeds_files.export_feeds)
feeds.add_command(feeds_files.show_schema)
feeds.add_command(feeds_letters.dead_letters)
