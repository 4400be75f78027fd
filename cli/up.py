"""`okr up`: everything on this machine, for a person who has just cloned the repository.

In order: take the data directory and the port, start the database, bring it to our schema, make the first admin's
token, start the broker and the processes, wait until they can work, load the demonstration. Then keep all of it
running until Ctrl-C, and end it in the opposite order.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import sysconfig
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request

import click

from cli import running, welcome
from cli import settings as door
from cli.child import Command
from cli.client import opened
from cli.output import Failure
from cli.place import Place, listening_socket
from cli.sealing import REFUSED, make_key_if_none
from cli.settings import Settings
from cli.supervisor import GaveUp, Supervisor
from cli.trial import TrialError
from cli.trial.broker import TrialAddress, read_address
from cli.trial.postgres import EmbeddedPostgres
from ledger import tokens
from ledger.migrate import migrate
from ledger.tokens import Role

READY_WITHIN = 90.0
BROKER_WITHIN = 15.0
ADMIN = "admin"


@click.command()
@click.option("--demo/--no-demo", default=True, help="Whether an empty ledger gets a demonstration to look at.")
def up(demo: bool) -> None:
    """Start everything on this machine: a database, a broker, the API and the workers.

    Nothing needs to be installed. OKR_DATABASE_URL and OKR_KAFKA name servers of your own instead. An empty
    ledger gets a demonstration, told through the API; messages are played into the trial broker only. Ctrl-C ends
    everything in order; the data stay in OKR_DATA_DIR for the next time.

    \b
    Examples:
      okr up
      OKR_PORT=9000 OKR_DATABASE_URL=postgresql://okr@db.example/okr okr up --no-demo
    """
    began = time.monotonic()
    settings = door.read()
    if settings.kafka is None and importlib.util.find_spec("confluent_kafka") is None:
        raise TrialError(
            "the trial broker is not installed: run `pip install 'okr-ledger[trial]'`, or set OKR_KAFKA to a broker."
        )
    supervisor = Supervisor(settings.log_dir, _show_line)
    with ExitStack() as stack:
        place = Place(settings)
        stack.callback(place.leave)
        place.take()
        listening = stack.enter_context(closing(listening_socket(settings)))
        stack.enter_context(supervisor.signals())
        house = House(settings, supervisor, place)
        stack.callback(house.close)
        try:
            house.open(listening.fileno(), began)
            if demo and not supervisor.is_asked_to_stop:
                house.load_demonstration()
            if not supervisor.is_asked_to_stop:
                welcome.show(settings, okr(), seconds=time.monotonic() - began)
            house.keep()
        except GaveUp as end:
            raise Failure(str(end)) from None
        finally:
            _tell("stopping …")
    _tell(f"stopped. The data are in {settings.data_dir}.")


class House:
    """What `okr up` runs, from `open` to `close`."""

    def __init__(self, settings: Settings, supervisor: Supervisor, place: Place) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._place = place
        self._postgres: EmbeddedPostgres | None = None
        self._broker: TrialAddress | None = None
        self._plays_messages = False

    def open(self, listening: int, began: float) -> None:
        """Start all of it and wait until it can work."""
        self._start_broker()
        self._open_database()
        self._make_admin_token()
        self._wait_for_broker()
        inherited = self._place.inherited
        self._supervisor.keep(
            Command("serve", [*okr(), "serve", "--fd", str(listening)], pass_fds=(*inherited, listening))
        )
        self._supervisor.keep(Command("project", [*okr(), "project"], 1, inherited))
        self._supervisor.keep(Command("feed", [*okr(), "feed"], 0, inherited))
        make_key_if_none(self._settings.sealing_key_path)
        self._supervisor.keep(Command("seal", [*okr(), "seal"], 1, inherited, over_at=REFUSED))
        url = _address(self._settings)
        running.write_whole(running.api_file(self._settings), url)
        self._wait_until_ready(url, began)

    def load_demonstration(self) -> None:
        """Load what there is to look at, where the ledger is empty, and play its messages."""
        _tell("loading the demonstration …")
        code = self._supervisor.run_once(self._demonstration())
        if code != 0 and not self._supervisor.is_asked_to_stop:
            log = self._settings.log_dir / "demo.log"
            _tell(f"the demonstration is not complete: {log} says why, and `okr demo` goes on with it.")
        self._plays_messages = code == 0 and self._broker is not None

    def keep(self) -> None:
        """Keep it running until asked to stop. Raises GaveUp."""
        while not self._supervisor.is_asked_to_stop:
            self._supervisor.step(0.5)
            self._place.note(self._supervisor.pids)
            if self._postgres is not None and self._postgres.pid is None:
                _show_line("postgres", "ended; starts again")
                self._postgres.start()
            self._follow_broker()

    def close(self) -> None:
        """End it: who writes first, the database last."""
        self._supervisor.stop()
        if self._postgres is not None:
            self._postgres.stop()
        for file in (running.api_file, running.database_file, running.broker_file):
            file(self._settings).unlink(missing_ok=True)

    def _open_database(self) -> None:
        if self._settings.database_url is None:
            _tell("starting PostgreSQL …")
            self._postgres = EmbeddedPostgres(self._settings.data_dir / "postgres")
            running.write_whole(running.database_file(self._settings), self._postgres.start())
        else:
            running.database_file(self._settings).unlink(missing_ok=True)
        migrate(running.migrate_url(self._settings))

    def _make_admin_token(self) -> None:
        """Make the first admin's token, unless the file has one that still opens everything here."""
        path = self._settings.admin_token_path
        with running.connection(running.database_url(self._settings)) as connection:
            kept = tokens.find(connection, path.read_text(encoding="utf-8").strip()) if path.exists() else None
            if kept is not None and kept.role is Role.ADMIN and kept.holds_at(datetime.now(UTC)):
                return
            text, _ = tokens.create_token(connection, ADMIN, Role.ADMIN, name="made by okr up")
        try:
            running.write_whole(path, text)
        except OSError as error:
            raise Failure(f"cannot write the admin's token to {path} ({error.strerror}).") from None

    def _start_broker(self) -> None:
        running.broker_file(self._settings).unlink(missing_ok=True)
        if self._settings.kafka is None:
            self._supervisor.keep(Command("trial-broker", [*okr(), "trial-broker"], 2, self._place.inherited))

    def _wait_for_broker(self) -> None:
        deadline = time.monotonic() + BROKER_WITHIN
        while self._settings.kafka is None and self._broker is None and not self._supervisor.is_asked_to_stop:
            if time.monotonic() > deadline:
                raise Failure(f"the trial broker does not start: see {self._settings.log_dir}/trial-broker.log.")
            self._supervisor.step(0.05)
            self._broker = read_address(running.broker_file(self._settings))

    def _follow_broker(self) -> None:
        """A trial broker that was started again is another, empty one: tell the worker, play the messages again."""
        found = read_address(running.broker_file(self._settings))
        if found is None or found == self._broker:
            return
        self._broker = found
        self._supervisor.restart("feed")
        if self._plays_messages:
            self._supervisor.run_once(self._demonstration())

    def _demonstration(self) -> Command:
        return Command("demo", [*okr(), "demo", "--only-if-empty"], 0, self._place.inherited)

    def _wait_until_ready(self, url: str, began: float) -> None:
        _tell("waiting until everything can work …")
        answer = "nothing"
        while not self._supervisor.is_asked_to_stop:
            self._supervisor.step(0.1)
            self._place.note(self._supervisor.pids)
            try:
                with opened(Request(f"{url}/readyz"), timeout=2):  # noqa: S310 - our own address
                    return
            except (OSError, HTTPException) as error:
                answer = str(error)
            if time.monotonic() - began > READY_WITHIN:
                raise Failure(f"{url}/readyz still answers {answer}: the logs are in {self._settings.log_dir}.")


def okr() -> list[str]:
    """How to run our own command, in this very environment."""
    program = Path(sysconfig.get_path("scripts")) / "okr"
    return [str(program)] if program.exists() else [sys.executable, "-m", "cli.main"]


def _address(settings: Settings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104 - read, not bound
    return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{settings.port}"


def _show_line(name: str, line: str) -> None:
    _tell(click.style(f"{name}: ", dim=True) + click.style(line, fg="yellow"))


def _tell(text: str) -> None:
    """Say it, where anybody still listens: that the terminal has gone must not keep us from ending in order."""
    try:
        click.echo(text)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
