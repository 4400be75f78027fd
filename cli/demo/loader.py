"""Tells the story to the API: each step once, by the person who did it, also when the telling was interrupted.

Every step has an idempotency key, so a second telling gets the first one's answers. Keys are kept for a week; what
is made after that again is refused, because its id is taken, and counts as told.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from importlib import resources
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg
import yaml

from cli import running
from cli.client import Api, Json, Refused, Unreachable
from cli.demo import story
from cli.demo.narrator import ADMIN, TIME_ZONE, id_of
from ledger import tokens
from ledger.tokens import Role

PATIENCE = 30.0
"""How long a step is tried again while the API is busy or starting."""
_TOKEN_LASTS = timedelta(hours=1)


def is_told(api: Api) -> bool:
    """Whether the story has been told to its end."""
    return _find(api, f"/cycles/{story.NEXT_QUARTER}") is not None


def starts_on(api: Api, today: date) -> date:
    """The quarter's first day: that of the first telling, else such that much of the quarter has passed today."""
    quarter = _find(api, f"/cycles/{story.QUARTER}")
    return today - story.PASSED if quarter is None else date.fromisoformat(quarter["starts_on"])


def today() -> date:
    """The day at the story's place."""
    return datetime.now(ZoneInfo(TIME_ZONE)).date()


class Telling:
    """A `Teller`. `told` hears how many steps are done.

    Actors get tokens as they appear; `revoke` takes them back.
    """

    def __init__(self, url: str, connection: psycopg.Connection[Any], told: Callable[[int], None]) -> None:
        self._url = url
        self._connection = connection
        self._told = told
        self._apis: dict[str, Api] = {}
        self._tokens: list[UUID] = []
        self._steps = 0

    def tell(self, actor: str, path: str, body: Json, step: str) -> int:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = self._api(actor).post(path, body, key=f"demonstration:{id_of(step)}")
                break
            except Refused as refused:
                if refused.kind == "id-taken":
                    return 0
                if refused.status != 503 and refused.kind != "request-in-progress":
                    raise
                _wait(deadline, refused)
            except Unreachable as unreachable:
                _wait(deadline, unreachable)
        self._steps += 1
        self._told(self._steps)
        return int(answer.headers["Okr-Position"])

    def feed(self, name: str) -> None:
        definition = feed_definition(name)
        self.tell(ADMIN, "/feeds", {"id": id_of(f"feed {name}"), **definition}, f"feed {name}")

    def revoke(self) -> None:
        """Take back the tokens of everybody in the story."""
        for id in self._tokens:
            tokens.revoke(self._connection, id)

    def _api(self, actor: str) -> Api:
        if actor not in self._apis:
            role = Role.ADMIN if actor == ADMIN else Role.MEMBER
            expires_at = datetime.now(UTC) + _TOKEN_LASTS
            text, id = tokens.create_token(self._connection, actor, role, expires_at, "demonstration")
            self._tokens.append(id)
            self._apis[actor] = Api(self._url, text)
        return self._apis[actor]


def feed_definition(name: str) -> Json:
    """The definition in a YAML file of this folder."""
    text = resources.files("cli.demo").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    definition: Json = yaml.safe_load(text)
    return definition


@contextmanager
def telling(url: str, database_url: str, told: Callable[[int], None]) -> Iterator[Telling]:
    """A telling whose tokens are revoked at its end, however it ends."""
    with running.connection(database_url) as connection:
        teller = Telling(url, connection, told)
        try:
            yield teller
        finally:
            teller.revoke()


def _find(api: Api, path: str) -> Json | None:
    try:
        found: Json = api.get(path)
    except Refused as refused:
        if refused.status == 404:
            return None
        raise
    return found


def _wait(deadline: float, error: Exception) -> None:
    if time.monotonic() > deadline:
        raise error
    time.sleep(0.3)
