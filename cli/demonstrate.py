"""`okr demo`: load the demonstration, and play its messages into the trial broker."""

from __future__ import annotations

import time
from datetime import date

import click

from cli import log_files, running
from cli import settings as door
from cli.client import Api, connect
from cli.demo import loader, story
from cli.demo.messages import messages
from cli.demo.narrator import TIME_ZONE
from cli.demo.play import play
from cli.output import Failure, progress_bar, say
from cli.settings import Settings
from domain.calendar import start_of_day

MEASURED_WITHIN = 30.0
STEPS = 125
"""About how many steps the story has, for the bar."""


@click.command()
@click.option("--only-if-empty", is_flag=True, help="Load it only where no cycle has been opened yet.")
def demo(only_if_empty: bool) -> None:
    """Load a demonstration: a quarter of four companies' goals.

    Goals, progress, a lowered target, a replaced key result, feeds: all told through the API by the people of the
    story. May be interrupted and repeated: nothing happens twice. Messages are played into the trial broker of
    `okr up`, not into a broker that OKR_KAFKA names.

    \b
    Example:
      okr demo
    """
    settings = door.read()
    log_files.configure("warning")
    api = connect(settings)
    if only_if_empty and _is_somebody_elses(api):
        say("The ledger has goals already: no demonstration is loaded.")
        return
    starts_on = loader.starts_on(api, loader.today())
    if loader.is_told(api):
        say("The demonstration is loaded.")
    else:
        url = running.database_url(settings)
        with progress_bar("loading") as moved, loader.telling(api.url, url, lambda done: moved(done, STEPS)) as teller:
            story.tell(teller, starts_on)
        say(f"Loaded: a quarter from {starts_on}.")
    if settings.kafka is None:
        _play(settings, api, starts_on)
    else:
        say("OKR_KAFKA names a broker of yours: its topics get no messages from the demonstration.")


def _is_somebody_elses(api: Api) -> bool:
    cycles = {cycle["id"] for cycle in api.items("/cycles")}
    return bool(cycles) and story.QUARTER not in cycles


def _play(settings: Settings, api: Api, starts_on: date) -> None:
    bootstrap, _ = running.kafka(settings)
    # To the last midnight, where rolling windows end too: so the same day has the same messages.
    sent = messages(starts_on, start_of_day(loader.today(), TIME_ZONE))
    play(bootstrap, sent)
    say(f"Played {len(sent)} messages of business systems.")
    deadline = time.monotonic() + MEASURED_WITHIN
    while any(api.get(f"/key-results/{id}")["value"] is None for id in story.FED):
        if time.monotonic() > deadline:
            raise Failure("the feed worker has not read them yet: `okr tree` shows their values once it has.")
        time.sleep(0.2)
