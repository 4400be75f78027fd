"""Dead letters: the messages that a feed could not take, looked at, tried again, or discarded.

They are no facts: what has become of one stands beside it, with who did it, when and why. A retry is done by a feed
worker; the answer tells where to follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

from flask import Response, request
from psycopg import Connection
from psycopg.rows import DictRow

from api import documentation
from api.auth import Caller, Scope
from api.door import knock
from api.endpoints import listed, must_be_there, nothing_here, read_body
from api.feeds import routes
from api.fields import OneOf, Whole, Words
from api.inputs import Body
from api.moments import moment_of
from api.parameters import LONGEST_FILTER, OnePage, Parameters
from api.resources import FEED, PREFIX
from api.responses import json_response
from api.services import services
from domain.feeds.contribution import Stage
from ledger.dead_letters import Chosen, ask_retry, discard, retry
from projections import dead_letters
from projections.answers import Answer
from projections.moment import Moment

__all__ = ["routes"]

LOOKING = (Scope.FEEDS_WRITE, Scope.AUDIT_READ)
MOST_LETTER = 2**63 - 1

State = StrEnum("State", {word.upper(): word for word in dead_letters.STATES})  # type: ignore[misc]


class Letters(OnePage):
    """Which letters."""

    state = OneOf(State, load_default=State("open"), metadata={"description": "what has become of them"})
    stage = OneOf(Stage, metadata={"description": "where they failed"})
    cause = Words(longest=2 * LONGEST_FILTER, metadata={"description": "the reason for which they died, as it is told"})


class Nothing(Parameters):
    """No parameters."""


class Choice(Body):
    """Open letters: one by its number, those of a stage or of a cause; all where nothing is said."""

    number = Whole(least=1, most=MOST_LETTER, allow_none=True)
    stage = OneOf(Stage, allow_none=True)
    cause = Words(longest=2 * LONGEST_FILTER, allow_none=True, metadata={"description": "the reason, as it is told"})
    example: ClassVar = {"cause": "entity: row.id is null or missing"}


class Discard(Choice):
    reason = Words(required=True, metadata={"description": "why they shall not count; kept beside each"})
    example: ClassVar = {"number": 12, "reason": "A test order"}


@contextmanager
def _asked_about(id: UUID, *scopes: Scope) -> Iterator[tuple[Connection[DictRow], Caller, Moment]]:
    now = datetime.now(UTC)
    here = services()
    with here.reads.connection() as connection:
        caller, heads = knock(connection, request, now)
        caller.must_hold(*scopes)
        moment = moment_of(connection, request, {}, now, heads, here.settings)
        must_be_there(FEED, connection, id, moment)
        yield connection, caller, moment


def _question(answer: str, parameters: type[Parameters], *, is_page: bool = False) -> Callable[..., Any]:
    doc: Callable[..., Any] = routes.doc(
        **documentation.of_question(answer, parameters, scopes=LOOKING, is_page=is_page, is_state=False)
    )
    return doc


@routes.get("/<uuid:id>/dead-letters")  # type: ignore[untyped-decorator] # flask-smorest has no types
@_question("DeadLetters", Letters, is_page=True)
def list_dead_letters(id: UUID) -> Response:
    """The messages that a feed could not take, newest first: byte for byte, with the place and the reason."""
    with _asked_about(id, *LOOKING) as (connection, _, moment):
        asked = Letters().read(request)
        items, following = dead_letters.page(
            connection,
            id,
            asked.get("cursor"),
            asked["limit"],
            state=str(asked["state"]),
            stage=asked.get("stage"),
            cause=asked.get("cause"),
        )
    return listed(items, following, moment)


@routes.get("/<uuid:id>/dead-letters/causes")  # type: ignore[untyped-decorator]
@_question("DeadLetterCauses", Nothing)
def list_causes(id: UUID) -> Response:
    """Of what a feed's open letters died, the most frequent cause first."""
    return _answered(id, lambda connection: dead_letters.causes(connection, id))


@routes.get("/<uuid:id>/dead-letters/<int:number>")  # type: ignore[untyped-decorator]
@_question("ShownDeadLetter", Nothing)
def show_dead_letter(id: UUID, number: int) -> Response:
    """One letter, also as a person may look at it safely: text, or a hex dump of what is none."""
    return _answered(id, lambda connection: dead_letters.get(connection, id, number), number)


@routes.get("/<uuid:id>/dead-letters/retries/<int:number>")  # type: ignore[untyped-decorator]
@_question("Retry", Nothing)
def show_retry(id: UUID, number: int) -> Response:
    """How a retry goes: it is done once `done_at` is there."""

    def found(connection: Connection[DictRow]) -> Answer | None:
        row = retry(connection, id, number) if number <= MOST_LETTER else None
        return None if row is None else dead_letters.retry(row)

    return _answered(id, found, number)


@routes.post("/<uuid:id>/dead-letters/retries")  # type: ignore[untyped-decorator]
@routes.doc(**documentation.of_rehearsal("Retry", Choice, Scope.FEEDS_WRITE, status="202"))  # type: ignore[untyped-decorator]
def retry_dead_letters(id: UUID) -> Response:
    """Have open letters read again, under the definition as it now is. A feed worker does it, soon."""
    with _asked_about(id, Scope.FEEDS_WRITE) as (connection, caller, moment):
        chosen = Chosen(id, **read_body(Choice(), may_be_empty=True))
        asked = dead_letters.retry(ask_retry(connection, chosen, caller.actor.id))
    location = f"{PREFIX}/feeds/{id}/dead-letters/retries/{asked['number']}"
    return json_response(asked, 202, {"Location": location, **_fresh(moment)})


@routes.post("/<uuid:id>/dead-letters/discards")  # type: ignore[untyped-decorator]
@routes.doc(**documentation.of_rehearsal("Discarded", Discard, Scope.FEEDS_WRITE))  # type: ignore[untyped-decorator]
def discard_dead_letters(id: UUID) -> Response:
    """Settle open letters that shall not count, with a reason."""
    with _asked_about(id, Scope.FEEDS_WRITE) as (connection, caller, moment):
        members = read_body(Discard(), may_be_empty=False)
        because = members.pop("reason")
        settled = discard(connection, Chosen(id, **members), caller.actor.id, because)
    return json_response({"discarded": settled}, headers=_fresh(moment))


def _answered(id: UUID, find: Callable[[Connection[DictRow]], Answer | None], number: int | None = None) -> Response:
    with _asked_about(id, *LOOKING) as (connection, _, moment):
        Nothing().read(request)
        found = find(connection)
    if found is None:
        raise nothing_here({"id": number})
    return json_response(found, headers=_fresh(moment))


def _fresh(moment: Moment) -> dict[str, str]:
    return {"Okr-Position": str(moment.position), "Cache-Control": "no-store"}
