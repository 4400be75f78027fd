"""Feeds: which messages of business systems measure which key result."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask import Response, request
from psycopg import Connection
from psycopg.rows import DictRow

from api import documentation, dry_runs, feed_inputs, inputs
from api.auth import Scope
from api.door import knock
from api.endpoints import Members, Routes, read_body
from api.fields import Flag, Id
from api.moments import moment_of
from api.parameters import PageAtMoment
from api.resources import FEED
from api.responses import json_response
from api.services import services
from domain.application import OkrLedger, Outcome
from domain.command import Command
from domain.cycle import CycleState, CycleTerms
from domain.errors import Breach, Unknown
from domain.feeds.definition import BadDefinition, FeedDefinition, Problem, parse_definition
from domain.feeds.rehearsal import rehearse
from projections import cycles, feeds, key_results
from projections.answers import Answer, Page
from projections.feed_evidence import evidence
from projections.moment import Moment

routes = Routes("feeds", "How business systems write progress")


class Filters(PageAtMoment):
    cycle_id = Id()
    key_result_id = Id()
    is_paused = Flag()


@routes.decides("", feed_inputs.Feed, FEED, scope=Scope.FEEDS_WRITE, is_created=True, takes_version=False)
def define_feed(okr: OkrLedger, body: Members, by: Command, new_id: UUID) -> Outcome:
    """Define a feed for a key result that has none."""
    return okr.define_feed(new_id, definition(body), by)


@routes.lists("", "Feeds", parameters=Filters)
def list_feeds(connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, **filters: Any) -> Page:
    """The feeds, in the order in which they were defined."""
    return feeds.page(connection, moment, after, limit, **filters)


@routes.shows("/<uuid:id>", "Feed")
def show_feed(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """One feed with its definition."""
    return feeds.get(connection, id, moment)


@routes.decides("/<uuid:id>/revisions", feed_inputs.FeedRevision, FEED, scope=Scope.FEEDS_WRITE, demands_version=True)
def revise_feed(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Revise the definition of a feed; the whole of it, so If-Match must name the version that you looked at."""
    return okr.revise_feed(id, definition(body), by)


@routes.decides("/<uuid:id>/pause", inputs.Reason, FEED, scope=Scope.FEEDS_WRITE)
def pause_feed(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Pause a feed: its messages wait."""
    return okr.pause_feed(id, by)


@routes.decides("/<uuid:id>/resume", inputs.Reason, FEED, scope=Scope.FEEDS_WRITE)
def resume_feed(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Let a paused feed go on where it stopped."""
    return okr.resume_feed(id, by)


@routes.shows("/<uuid:id>/evidence", "Evidence", parameters=PageAtMoment)
def show_evidence(
    connection: Connection[DictRow], moment: Moment, id: UUID, limit: int, cursor: str | None = None
) -> Answer | None:
    """The contributions behind the number that a feed measures."""
    if feeds.get(connection, id, moment) is None:
        return None
    return without_null_next(evidence(connection, feed_id=id, moment=moment, after=cursor, limit=limit))


_DRY_RUN = dry_runs.DryRun()


@routes.post("/dry-run")  # type: ignore[untyped-decorator] # flask-smorest has no types
@routes.doc(**documentation.of_rehearsal("DryRun", dry_runs.DryRun, Scope.FEEDS_WRITE))  # type: ignore[untyped-decorator]
def try_feed() -> Response:
    """Try a definition on messages: what each would do and why, and the number that they make. Nothing is kept.

    The messages are read by the worker's own program, in a transaction that can write nothing.
    """
    now = datetime.now(UTC)
    request.max_content_length = dry_runs.MOST_BYTES
    here = services()
    with here.reads.connection() as connection:
        caller, heads = knock(connection, request, now)
        caller.must_hold(Scope.FEEDS_WRITE)
        members = read_body(_DRY_RUN, may_be_empty=False)
        wanted = _definition_within(members["definition"])
        messages = dry_runs.read_messages(members["messages"], wanted, now)
        moment = moment_of(connection, request, {}, now, heads, here.settings)
        with connection.transaction():
            connection.execute("SET TRANSACTION READ ONLY")
            key_result = key_results.get(connection, wanted.key_result, moment)
            if key_result is None:
                raise Unknown(Breach("definition.key_result", "unknown", f"there is no key result {wanted.key_result}"))
            cycle = cycles.get(connection, UUID(key_result["cycle_id"]), moment)
            feed = feeds.get(connection, wanted.name, moment)
    done = rehearse(wanted, messages, _terms(cycle or {}), now)
    headers = {"Okr-Position": str(moment.position), "Cache-Control": "no-store"}
    return json_response(dry_runs.answer(done, key_result, feed, wanted), headers=headers)


def _definition_within(members: Any) -> FeedDefinition:
    """The definition that is a part of a body: its fields are told with the part's name."""
    try:
        return parse_definition(_whole_as_int(members))
    except BadDefinition as bad:
        raise BadDefinition(
            [
                Problem("definition" if field == "definition" else f"definition.{field}", rule, message)
                for field, rule, message in bad.problems
            ]
        ) from None


def _terms(cycle: Answer) -> CycleTerms:
    return CycleTerms(
        UUID(cycle["id"]),
        CycleState(cycle["state"]),
        date.fromisoformat(cycle["starts_on"]),
        date.fromisoformat(cycle["ends_on"]),
        cycle["time_zone"],
    )


def without_null_next(answer: Answer) -> Answer:
    """An answer whose last page has no `next`."""
    if answer["next"] is None:
        del answer["next"]
    return answer


def definition(body: Members) -> FeedDefinition:
    """The definition that a body spells out. Raises `BadDefinition`."""
    return parse_definition({name: _whole_as_int(part) for name, part in body.items()})


def _whole_as_int(tree: Any) -> Any:
    """The tree as a reader of YAML would give it: whole numbers as int."""
    if isinstance(tree, dict):
        return {name: _whole_as_int(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_whole_as_int(value) for value in tree]
    if isinstance(tree, Decimal) and tree.as_tuple().exponent == 0:
        return int(tree)
    return tree
