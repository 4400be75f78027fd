"""How a command is run: one transaction that claims the client's key, decides, records, and stores the answer.

A command that named no version and lost a race is decided again on the newer state. From then on, and for a few
seconds, this process's commands about that stream stand in a queue, so that many writers of one key result do not
overtake each other for ever. The answer is the resource as it stood at the position of the command, whatever came
later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

from eventsourcing.persistence import IntegrityError
from flask import Response
from psycopg import Connection
from psycopg.rows import DictRow

from api.idempotency import Done, IdempotencyKey, KeyTaken
from api.moments import known_soon
from api.problems import RETRY_AFTER, Problem
from api.resources import KEY_RESULT, RESOURCES, Resource
from api.responses import json_response
from api.services import Services
from domain.application import OkrLedger, Outcome
from domain.command import Command
from domain.errors import Refusal
from ledger.durable import await_disk
from projections.answers import Answer
from projections.foreseen import key_result_at
from projections.moment import resolve
from projections.position import reached

ATTEMPTS = 5
CONTENDED_S = 5.0
MOST_CONTENDED = 1_000

_log = logging.getLogger("okr.api")

Decide = Callable[[OkrLedger, Command], Outcome]

_contended_until: dict[UUID, float] = {}


def run(
    services: Services,
    connection: Connection[DictRow],
    by: Command,
    decide: Decide,
    resource: Resource,
    *,
    key: IdempotencyKey | None,
    queue: UUID | None,
    is_created: bool,
) -> tuple[Done, bool]:
    """Run a command once; what it led to, and whether that was done before under the same key.

    `queue` is the stream that the command is about. Raises whatever the decision raises (a client's version that
    lost a race is stale at the next attempt), and a Problem 503 where others came first five times.
    """
    okr = services.okr
    for _ in range(ATTEMPTS):
        must_queue = queue is not None and _is_contended(queue)
        try:
            if key is None and not must_queue:
                # Nothing to be said or kept beside the facts: the transaction is the use case's own affair.
                with okr.record.on(connection):
                    outcome = decide(okr, by)
                    done = _done(okr, outcome, resource, is_created=is_created)
                return _on_disk(connection, outcome, done), False
            with okr.record.on(connection), okr.record.transaction():
                if key is not None and (before := key.claim(connection)) is not None:
                    return before, True
                if must_queue:
                    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"queue {queue}"])
                try:
                    outcome = decide(okr, by)
                except Refusal:
                    # Perhaps because of what its twin did, which ended between the claim's look and its lock.
                    if key is not None and (before := key.claim(connection)) is not None:
                        return before, True
                    raise
                done = _done(okr, outcome, resource, is_created=is_created)
                if key is not None:
                    key.keep(connection, done)
            return _on_disk(connection, outcome, done), False
        except (IntegrityError, KeyTaken):
            if queue is not None:
                _contended_until[queue] = time.monotonic() + CONTENDED_S
    raise Problem(
        503,
        "busy",
        "Too many others write here",
        f"others came first {ATTEMPTS} times: try again",
        {"Retry-After": RETRY_AFTER},
    )


def respond(services: Services, connection: Connection[DictRow], done: Done, *, is_replayed: bool) -> Response:
    """The answer to a command that has happened: never an error, whatever reading it back may lead to."""
    headers = done.headers
    if is_replayed:
        headers["Idempotency-Replayed"] = "true"
    return json_response(_as_it_stood(services, connection, done), done.status, headers)


def _as_it_stood(services: Services, connection: Connection[DictRow], done: Done) -> Answer:
    try:
        if done.resource == KEY_RESULT.name and (foreseen := key_result_at(connection, done.id, done.position)):
            return foreseen
        if known_soon(connection, done.position, reached(connection), services.settings.wait_seconds):
            moment = resolve(connection, now=datetime.now(UTC), as_of_position=done.position)
            found = RESOURCES[done.resource].get(connection, done.id, moment)
            if found is not None:
                return found
    except Exception:  # the command has happened: an error now would make the client do it again
        _log.exception("the answer to a command at position %s could not be read", done.position)
    return {"id": str(done.id), "version": done.version, "position": done.position}


def _is_contended(stream: UUID) -> bool:
    """Whether a command of this process lost a race for the stream a moment ago."""
    if len(_contended_until) > MOST_CONTENDED:
        _contended_until.clear()  # forgetting costs an attempt, no more
    return _contended_until.get(stream, 0.0) > time.monotonic()


def _on_disk(connection: Connection[DictRow], outcome: Outcome, done: Done) -> Done:
    """The same, once the disk has it: where nothing changed, the answer is about what others have just recorded."""
    if outcome.position is None:
        await_disk(connection)
    return done


def _done(okr: OkrLedger, outcome: Outcome, resource: Resource, *, is_created: bool) -> Done:
    position = outcome.position
    if position is None:  # nothing changed: the state is what it is now
        position = okr.recorder.max_notification_id() or 0
    location = resource.location(outcome.id) if is_created else None
    status = 201 if is_created else 200
    return Done(status, resource.name, outcome.id, outcome.version, position, location)
