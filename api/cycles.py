"""Cycles: opening and turning them, and the whole of one at any moment."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from api import inputs
from api.auth import Scope
from api.between import TwoMoments, between
from api.endpoints import Members, Routes
from api.fields import OneOf
from api.parameters import PageAtMoment
from api.replays import Replay
from api.resources import CYCLE
from domain.application import OkrLedger, Outcome
from domain.command import Command
from domain.cycle import CycleState
from projections import cycles, differences, moved_targets, replay
from projections.answers import Answer, Page
from projections.moment import Moment
from projections.replay import Asked
from projections.tree import tree

routes = Routes("cycles", "The periods for which goals are set")


class Filters(PageAtMoment):
    state = OneOf(CycleState)


@routes.decides("", inputs.Cycle, CYCLE, scope=Scope.OKR_ADMIN, is_created=True, takes_version=False)
def open_cycle(okr: OkrLedger, body: Members, by: Command, new_id: UUID) -> Outcome:
    """Open a cycle."""
    return okr.open_cycle(new_id, by=by, **body)


@routes.lists("", "Cycles", parameters=Filters)
def list_cycles(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, state: CycleState | None = None
) -> Page:
    """The cycles, in the order in which they were opened."""
    return cycles.page(connection, moment, after, limit, state=state)


@routes.shows("/<uuid:id>", "Cycle")
def show_cycle(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """One cycle."""
    return cycles.get(connection, id, moment)


@routes.shows("/<uuid:id>/tree", "Tree", has_texts=True)
def show_tree(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """The objectives of a cycle with their key results, measures and pace, all at one moment."""
    return tree(connection, id, moment)


@routes.shows("/<uuid:id>/replay", "Replay", parameters=Replay, has_texts=True)
def replay_cycle(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """A cycle frame by frame: what differs from the frame before, and the facts that fell into each."""
    return replay.of_cycle(connection, id, Asked(**asked), moment)


@routes.shows("/<uuid:id>/goalposts", "CycleGoalposts")
def show_goalposts(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """How much of a cycle's success is moved target: three attainments, and each adjustment's part in it."""
    return moved_targets.of_one_cycle(connection, id, moment)


@routes.shows("/<uuid:id>/diff", "Difference", parameters=TwoMoments, has_texts=True)
def show_difference(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """What differs between two moments of a cycle and its goals, field by field, with the facts that caused it."""
    return differences.of_cycle(connection, id, between(connection, moment, asked))


@routes.decides("/<uuid:id>/start", inputs.Reason, CYCLE, scope=Scope.OKR_ADMIN)
def start_cycle(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Start a planned cycle."""
    return okr.start_cycle(id, by)


@routes.decides("/<uuid:id>/scoring", inputs.Reason, CYCLE, scope=Scope.OKR_ADMIN)
def begin_scoring(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Begin the scoring of a running cycle."""
    return okr.begin_scoring(id, by)


@routes.decides("/<uuid:id>/close", inputs.Reason, CYCLE, scope=Scope.OKR_ADMIN)
def close_cycle(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Close a cycle; nothing is written to it any more."""
    return okr.close_cycle(id, by)


@routes.decides("/<uuid:id>/reopen", inputs.Reason, CYCLE, scope=Scope.OKR_ADMIN)
def reopen_cycle(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Reopen a closed cycle for scoring, with a reason in words."""
    return okr.reopen_cycle(id, by)
