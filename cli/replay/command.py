"""`okr replay`: play a cycle, print it, or make a page of it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from cli import finding, settings
from cli.client import Api, Json, connect
from cli.output import Failure, json_option, say, show_json
from cli.replay import film, page, picture, player
from projections.stops import FACTS, USUAL_STEP


@click.command()
@click.argument("cycle", required=False)
@click.option("--step", metavar="STEP", help="PT1H to P7D, `facts` or `adjustments`; without it P1D, or each fact.")
@click.option("--from", "from_", metavar="TIME", help="Begin there, such as 2026-10-01T00:00:00+08:00.")
@click.option("--to", metavar="TIME", help="End there.")
@click.option("--objective", metavar="GOAL", help="Only this objective: its id, or a part of its title.")
@click.option("--html", "html", type=click.Path(dir_okay=False, path_type=Path), help="Write one page for a browser.")
@click.option(
    "--language", type=click.Choice(["en", "zh"]), default="en", show_default=True, help="How that page begins."
)
@json_option
def replay(
    cycle: str | None,
    step: str | None,
    from_: str | None,
    to: str | None,
    objective: str | None,
    html: Path | None,
    language: str,
    as_json: bool,
) -> None:
    """Play how a cycle came to be what it is.

    CYCLE is a part of its name or of its id; without it, the cycle that is running. Each frame shows the goals as
    they were known then, and what had happened since the frame before. On a terminal, keys move: → and ← by a frame,
    a and A to the next changed promise and back, space stops and goes on, + and - change the speed, q quits. Elsewhere
    the frames are printed.

    \b
    Examples:
      okr replay
      okr replay 2026-Q4 --step adjustments
      okr replay 2026-Q4 --html retrospective.html
    """
    if cycle is not None and objective is not None:
        raise click.UsageError("name a cycle, or an objective of any cycle, not both")
    api = connect(settings.read())
    found = _read(api, _path(api, cycle, objective), step, from_, to)
    if as_json:
        show_json(found)
        return
    shown = film.developed(found)
    if html is not None:
        _write(html, page.html(shown, language=language))
        say(f"{html} shows {len(shown.frames)} frames: open it in a browser.")
    elif sys.stdin.isatty() and sys.stdout.isatty():
        player.play(shown)
    else:
        _print(shown)


def _path(api: Api, cycle: str | None, objective: str | None) -> str:
    if objective is None:
        return f"/cycles/{finding.cycle(api, cycle)['id']}"
    collection, goal = finding.goal(api, objective)
    if collection != "objectives":
        raise Failure(f"{objective!r} is a key result: name its objective, as `okr tree` shows it.")
    return f"/objectives/{goal['id']}"


def _read(api: Api, path: str, step: str | None, from_: str | None, to: str | None) -> Json:
    """By day, unless a step is named or all happened within one day: then fact by fact."""
    found = film.read(api, path, step=step or USUAL_STEP, from_=from_, to=to)
    if step is None and len(found["frames"]) < 3:
        found = film.read(api, path, step=FACTS, from_=from_, to=to)
    return found


def _print(shown: film.Film) -> None:
    for frame in shown.frames:
        say(f"── {picture.when(frame.moment, shown.cycle)}")
        for line, is_new in picture.goals(frame):
            say(f"{'*' if is_new else ' '} {line}")
        for line in picture.told(frame):
            say(f"    {line}")


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror}.") from None
