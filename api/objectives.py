"""Objectives: what is to be achieved, from the draft to the score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from api import inputs, key_result_inputs
from api.between import TwoMoments, between
from api.endpoints import Members, Routes, must_be_there
from api.fields import Id, OneOf, OpaqueId
from api.key_results import terms
from api.parameters import History, PageAtMoment
from api.replays import Replay
from api.resources import KEY_RESULT, OBJECTIVE
from domain.application import OkrLedger, Outcome
from domain.command import Command
from domain.goal import GoalState
from domain.objective import Level, Wording
from domain.terms import Terms
from domain.words import words
from projections import differences, history, moved_targets, objectives, replay
from projections.answers import Answer, Page
from projections.moment import Moment
from projections.replay import Asked

routes = Routes("objectives", "What is to be achieved")


class Filters(PageAtMoment):
    cycle_id = Id()
    owner_id = OpaqueId()
    team_id = Id()
    level = OneOf(Level)
    state = OneOf(GoalState)


@routes.decides("", inputs.Objective, OBJECTIVE, is_created=True, takes_version=False)
def draft_objective(okr: OkrLedger, body: Members, by: Command, new_id: UUID) -> Outcome:
    """Draft an objective for a cycle."""
    cycle_id = body.pop("cycle_id")
    return okr.draft_objective(new_id, cycle_id, Wording(**wording(body)), by)


@routes.lists("", "Objectives", parameters=Filters, has_texts=True)
def list_objectives(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, **filters: Any
) -> Page:
    """The objectives, in the order in which they were drafted."""
    return objectives.page(connection, moment, after, limit, **filters)


@routes.shows("/<uuid:id>", "Objective", has_texts=True)
def show_objective(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """One objective."""
    return objectives.get(connection, id, moment)


@routes.lists("/<uuid:id>/history", "History", parameters=History, has_texts=True, is_logged=True)
def show_history(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, id: UUID, **filters: Any
) -> Page:
    """The facts about an objective, newest first: before and after, who, why, provenance."""
    must_be_there(OBJECTIVE, connection, id, moment)
    return history.page(connection, objective_id=id, moment=moment, after=after, limit=limit, **filters)


@routes.shows("/<uuid:id>/replay", "Replay", parameters=Replay, has_texts=True)
def replay_objective(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """An objective with its key results, frame by frame."""
    return replay.of_objective(connection, id, Asked(**asked), moment)


@routes.shows("/<uuid:id>/goalposts", "ObjectiveGoalposts")
def show_goalposts(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """What the attainment of an objective owes to targets that moved, and each adjustment's part in it."""
    return moved_targets.of_one_objective(connection, id, moment)


@routes.shows("/<uuid:id>/diff", "Difference", parameters=TwoMoments, has_texts=True)
def show_difference(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """What differs between two moments of an objective and its key results, with the facts that caused it."""
    return differences.of_objective(connection, id, between(connection, moment, asked))


@routes.decides("/<uuid:id>/revisions", inputs.ObjectiveRevision, OBJECTIVE)
def revise_objective(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Revise the draft of an objective: any part of it, without a reason."""
    return okr.revise_objective(id, wording(body), by)


@routes.decides("/<uuid:id>/commit", inputs.Reason, OBJECTIVE)
def commit_objective(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Commit an objective together with the key results that are drafted for it."""
    return okr.commit_objective(id, by)


@routes.decides("/<uuid:id>/rephrasings", inputs.Rephrasing, OBJECTIVE)
def rephrase_objective(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Say the same in other words, with a reason."""
    return okr.rephrase_objective(id, body["title"], by)


@routes.decides("/<uuid:id>/owner-changes", inputs.OwnerChange, OBJECTIVE)
def change_objective_owner(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Give an objective another owner, with a reason."""
    return okr.change_objective_owner(id, body["owner_id"], by)


@routes.decides("/<uuid:id>/check-ins", inputs.CheckIn, OBJECTIVE)
def check_in_on_objective(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """The weekly word on an objective."""
    return okr.check_in_on_objective(id, by, **body)


@routes.decides("/<uuid:id>/scores", inputs.Score, OBJECTIVE)
def score_objective(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Give an objective points, with a comment."""
    return okr.score_objective(id, by, points=body["points"], kind=body["kind"], comment=body.get("comment"))


@routes.decides("/<uuid:id>/replacements", inputs.ObjectiveReplacement, OBJECTIVE, is_created=True)
def replace_objective(okr: OkrLedger, body: Members, by: Command, id: UUID, new_id: UUID) -> Outcome:
    """End an objective in favour of a successor, which is what the answer shows; its live key results are dropped."""
    outcome = okr.replace_objective(id, new_id, Wording(**wording(body)), by)
    return replace(outcome, id=new_id, version=1)


@routes.decides("/<uuid:id>/drops", inputs.Reason, OBJECTIVE)
def drop_objective(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Give an objective up, its live key results with it."""
    return okr.drop_objective(id, by)


@routes.decides("/<uuid:id>/key-results", key_result_inputs.KeyResult, KEY_RESULT, is_created=True, takes_version=False)
def draft_key_result(okr: OkrLedger, body: Members, by: Command, id: UUID, new_id: UUID) -> Outcome:
    """Draft a key result for an objective."""
    return okr.draft_key_result(new_id, id, Terms(**terms(body)), by)


def wording(body: Members) -> dict[str, Any]:
    """The members of a body as those of `Wording`."""
    said = dict(body)
    if "description" in said:
        said["description"] = words(said["description"], "description")
    if said.get("supports") is not None:
        said["supports"] = tuple(said["supports"])
    return said
