"""Teams: who leads them, and the tree that they form."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from api import inputs
from api.auth import Scope
from api.between import TwoMoments, between
from api.endpoints import Members, Routes
from api.fields import Id, OpaqueId
from api.parameters import PageAtMoment
from api.resources import TEAM
from domain.application import OkrLedger, Outcome
from domain.command import Command
from projections import differences, teams
from projections.answers import Answer, Page
from projections.moment import Moment

routes = Routes("teams", "Who works together, and under whom")


class Filters(PageAtMoment):
    parent_id = Id()
    lead_id = OpaqueId()


@routes.decides("", inputs.Team, TEAM, scope=Scope.OKR_ADMIN, is_created=True, takes_version=False)
def form_team(okr: OkrLedger, body: Members, by: Command, new_id: UUID) -> Outcome:
    """Form a team, below another one where `parent_id` is given."""
    return okr.form_team(new_id, name=body["name"], parent_id=body.get("parent_id"), lead_id=body.get("lead_id"), by=by)


@routes.lists("", "Teams", parameters=Filters)
def list_teams(
    connection: Connection[DictRow],
    moment: Moment,
    after: str | None,
    limit: int,
    parent_id: UUID | None = None,
    lead_id: str | None = None,
) -> Page:
    """The teams, in the order in which they were formed."""
    return teams.page(connection, moment, after, limit, parent_id=parent_id, lead_id=lead_id)


@routes.shows("/<uuid:id>", "Team")
def show_team(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """One team."""
    return teams.get(connection, id, moment)


@routes.shows("/<uuid:id>/diff", "Difference", parameters=TwoMoments)
def show_difference(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """What differs between two moments of a team, field by field, with the facts that caused it."""
    return differences.of_team(connection, id, between(connection, moment, asked))
