"""Dead letters on the command line: the messages that a feed could not take."""

from __future__ import annotations

import time

import click
from rich.text import Text

from cli import finding, settings
from cli.client import Api, Json, connect
from cli.output import Failure, json_option, say, show_json, show_table

PATIENCE = 60.0
LOOK_EVERY = 0.2

_feed = click.argument("feed")
_number = click.argument("number", type=click.IntRange(1), required=False)
_cause = click.option("--cause", help="Those that died of this cause, as `list` tells it.")
_all = click.option("--all", "is_all", is_flag=True, help="All open letters of the feed.")


@click.group("dead-letters")
def dead_letters() -> None:
    """Look at messages that a feed could not take, try them again, or discard them."""


@dead_letters.command("list")
@_feed
@click.option("--causes", "is_by_cause", is_flag=True, help="Count them by cause instead.")
@click.option("--state", type=click.Choice(["open", "retried", "discarded"]), default="open", help="Which; open.")
@click.option("--limit", type=click.IntRange(1, 200), default=20, help="The most that are shown; 20.")
@json_option
def list_letters(feed: str, is_by_cause: bool, state: str, limit: int, as_json: bool) -> None:
    """Show the dead letters of a feed, newest first, or count them by cause.

    \b
    Examples:
      okr feeds dead-letters list revenue
      okr feeds dead-letters list revenue --causes
    """
    api, path = _found(feed)
    if is_by_cause:
        found = api.get(f"{path}/causes")
        if as_json:
            show_json(found)
            return
        show_table(
            ["letters", "stage", "cause", "newest"],
            [[str(each["count"]), each["stage"], each["cause"], str(each["newest"])] for each in found["items"]],
            empty="No letter is open.",
        )
        return
    items = api.get(path, state=state, limit=limit)["items"]
    if as_json:
        show_json(items)
        return
    show_table(
        ["number", "at", "place", "stage", "cause"],
        [[str(each["number"]), _minute(each["at"]), _place(each), each["stage"], each["reason"]] for each in items],
        empty=f"There is no {state} letter.",
    )


@dead_letters.command("show")
@_feed
@click.argument("number", type=click.IntRange(1))
@json_option
def show_letter(feed: str, number: int, as_json: bool) -> None:
    """Show one dead letter: why it died, and its key, headers and value.

    Bytes that are no plain text are shown as a hex dump, so that nothing in a message can play with the terminal.

    \b
    Example:
      okr feeds dead-letters show revenue 12
    """
    api, path = _found(feed)
    letter = api.get(f"{path}/{number}")
    if as_json:
        show_json(letter)
        return
    say(Text(f"letter {letter['number']}", "bold").append(f"  {_place(letter)}  {letter['at']}", "not bold dim"))
    say(Text(f"{letter['stage']}: {letter['reason']}", "red").append(f"  (revision {letter['feed_revision']})", "dim"))
    if settled := letter["settled"]:
        because = f": {settled['because']}" if settled["because"] else ""
        say(f"{letter['state']} by {settled['by']}, {_minute(settled['at'])}{because}")
    parts = [("key", letter["key_shown"])]
    parts += [(f"header {each['name']}", each["value"]) for each in letter["headers_shown"]]
    for name, shown in [*parts, ("value", letter["value_shown"])]:
        say(Text(name, "bold"))
        for line in ("null" if shown is None else shown or "(empty)").split("\n"):
            say(f"  {line}")


@dead_letters.command("retry")
@_feed
@_number
@_cause
@_all
@json_option
def retry_letters(feed: str, number: int | None, cause: str | None, is_all: bool, as_json: bool) -> None:
    """Have dead letters read again, by the feed as it is defined now.

    A feed worker does it, in the order of their places; reading goes on meanwhile. What is dead again stays open.

    \b
    Examples:
      okr feeds dead-letters retry revenue 12
      okr feeds dead-letters retry revenue --all
    """
    chosen = _chosen(number, cause, is_all)
    api, path = _found(feed)
    asked = api.post(f"{path}/retries", chosen).body
    told = _followed(api, f"{path}/retries/{asked['number']}")
    if as_json:
        show_json(told)
        return
    say(f"{told['matched']} count now, {told['ignored']} are ignored, {told['dead']} are dead again.")
    if told["done_at"] is None:
        raise Failure(f"the retry is not done after {PATIENCE:.0f} s: does `okr feed` run, and is the feed not paused?")


@dead_letters.command("discard")
@_feed
@_number
@_cause
@_all
@click.option("--reason", required=True, help="Why they shall not count; kept with who and when.")
@json_option
def discard_letters(feed: str, number: int | None, cause: str | None, is_all: bool, reason: str, as_json: bool) -> None:
    """Settle dead letters that shall not count. They stay, with who discarded them, when and why.

    \b
    Example:
      okr feeds dead-letters discard revenue 12 --reason "A test order"
    """
    chosen = _chosen(number, cause, is_all)
    api, path = _found(feed)
    done = api.post(f"{path}/discards", {**chosen, "reason": reason}).body
    if as_json:
        show_json(done)
        return
    say(f"{done['discarded']} discarded.")


def _found(feed: str) -> tuple[Api, str]:
    api = connect(settings.read())
    return api, f"/feeds/{finding.feed(api, feed)['id']}/dead-letters"


def _chosen(number: int | None, cause: str | None, is_all: bool) -> Json:
    if sum((number is not None, cause is not None, is_all)) != 1:
        raise click.UsageError("say which: a letter's NUMBER, --cause, or --all.")
    return {"number": number} if number is not None else {"cause": cause} if cause is not None else {}


def _followed(api: Api, path: str) -> Json:
    give_up_at = time.monotonic() + PATIENCE
    while True:
        told: Json = api.get(path)
        if told["done_at"] is not None or time.monotonic() > give_up_at:
            return told
        time.sleep(LOOK_EVERY)


def _place(letter: Json) -> str:
    return f"{letter['topic']}[{letter['partition']}] {letter['offset']}"


def _minute(moment: str) -> str:
    return moment[:16].replace("T", " ")
