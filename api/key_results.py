"""Key results: the measure of an objective, its progress, and every way in which it may change."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from api import inputs, key_result_inputs
from api.between import TwoMoments, between
from api.endpoints import Members, Routes, must_be_there
from api.feeds import without_null_next
from api.fields import Id, OneOf, OpaqueId
from api.parameters import History, PageAtMoment
from api.resources import KEY_RESULT
from domain.application import OkrLedger, Outcome
from domain.command import Command
from domain.goal import GoalState
from domain.key_result import OverrideUntil
from domain.terms import Terms
from projections import differences, goalposts, history, key_results
from projections.answers import Answer, Page
from projections.feed_evidence import evidence
from projections.moment import Moment

routes = Routes("key-results", "How one will know that an objective is achieved")


class Filters(PageAtMoment):
    cycle_id = Id()
    objective_id = Id()
    owner_id = OpaqueId()
    state = OneOf(GoalState)


@routes.lists("", "KeyResults", parameters=Filters)
def list_key_results(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, **filters: Any
) -> Page:
    """The key results, in the order in which they were drafted."""
    return key_results.page(connection, moment, after, limit, **filters)


@routes.shows("/<uuid:id>", "KeyResult")
def show_key_result(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """One key result: what it promises and how far it has come."""
    return key_results.get(connection, id, moment)


@routes.lists("/<uuid:id>/history", "History", parameters=History, has_texts=True, is_logged=True)
def show_history(
    connection: Connection[DictRow], moment: Moment, after: str | None, limit: int, id: UUID, **filters: Any
) -> Page:
    """The facts about a key result, newest first: before and after, who, why, provenance."""
    must_be_there(KEY_RESULT, connection, id, moment)
    return history.page(connection, key_result_id=id, moment=moment, after=after, limit=limit, **filters)


@routes.shows("/<uuid:id>/goalposts", "Goalposts", has_texts=True)
def show_goalposts(connection: Connection[DictRow], moment: Moment, id: UUID) -> Answer | None:
    """What the attainment owes to the value, and what to the target having moved."""
    return goalposts.get(connection, id, moment)


@routes.shows("/<uuid:id>/diff", "Difference", parameters=TwoMoments)
def show_difference(connection: Connection[DictRow], moment: Moment, id: UUID, **asked: Any) -> Answer | None:
    """What differs between two moments of a key result, field by field, with the facts that caused it."""
    return differences.of_key_result(connection, id, between(connection, moment, asked))


@routes.shows("/<uuid:id>/evidence", "Evidence", parameters=PageAtMoment)
def show_evidence(
    connection: Connection[DictRow], moment: Moment, id: UUID, limit: int, cursor: str | None = None
) -> Answer | None:
    """The contributions behind the number, where a feed measures it."""
    if key_results.get(connection, id, moment) is None:
        return None
    return without_null_next(evidence(connection, key_result_id=id, moment=moment, after=cursor, limit=limit))


# From the draft to the promise


@routes.decides("/<uuid:id>/revisions", key_result_inputs.KeyResultRevision, KEY_RESULT)
def revise_key_result(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Revise the draft of a key result: any of its terms, without a reason."""
    return okr.revise_key_result(id, terms(body), by)


@routes.decides("/<uuid:id>/commit", inputs.Reason, KEY_RESULT)
def commit_key_result(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Commit one that was drafted after its objective's commitment, or a successor."""
    return okr.commit_key_result(id, by)


# What is measured


@routes.decides("/<uuid:id>/progress", key_result_inputs.Progress, KEY_RESULT)
def record_progress(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Record what a person measured."""
    source = body.get("source", {})
    return okr.record_progress(
        id,
        body["value"],
        by,
        effective_at=body.get("effective_at"),
        note=body.get("note"),
        source_title=source.get("title"),
        source_url=source.get("url"),
    )


@routes.decides("/<uuid:id>/milestones/<ordinal:n>/reached", key_result_inputs.MilestoneReached, KEY_RESULT)
def reach_milestone(okr: OkrLedger, body: Members, by: Command, id: UUID, n: int) -> Outcome:
    """Say that milestone n, counted from 1, is reached."""
    return okr.reach_milestone(id, n, by, effective_at=body.get("effective_at"), note=body.get("note"))


@routes.decides("/<uuid:id>/overrides", key_result_inputs.Override, KEY_RESULT)
def override(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Put a person's value before the feed's, with a reason."""
    standing: tuple[OverrideUntil, date | None] = body.get("until", (OverrideUntil.STICKY, None))
    until, until_on = standing
    return okr.override(id, body["value"], by, until=until, until_on=until_on)


@routes.decides("/<uuid:id>/overrides/lift", key_result_inputs.OverrideLift, KEY_RESULT)
def lift_override(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Let the feed's value stand again, with a reason."""
    return okr.lift_override(id, by)


@routes.decides("/<uuid:id>/corrections", key_result_inputs.Correction, KEY_RESULT)
def correct(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Put right what was written down wrongly: within 24 hours, later by an admin only."""
    target: Decimal | None = body.get("target")
    value: Decimal | None = body.get("value")
    return okr.correct(id, body["corrects"], by, target=target, value=value)


# What moves after the promise


@routes.decides("/<uuid:id>/target-adjustments", key_result_inputs.TargetAdjustment, KEY_RESULT)
def adjust_target(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Move the target, visibly and with a reason."""
    return okr.adjust_target(id, body["target"], by, effective_at=body.get("effective_at"))


@routes.decides("/<uuid:id>/deadline-adjustments", key_result_inputs.DeadlineAdjustment, KEY_RESULT)
def adjust_deadline(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Move the deadline, with a reason."""
    return okr.adjust_deadline(id, body["deadline"], by, effective_at=body.get("effective_at"))


@routes.decides("/<uuid:id>/weight-adjustments", key_result_inputs.WeightAdjustment, KEY_RESULT)
def adjust_weight(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Let it count more or less, with a reason."""
    return okr.adjust_weight(id, body["weight"], by, effective_at=body.get("effective_at"))


@routes.decides("/<uuid:id>/owner-changes", inputs.OwnerChange, KEY_RESULT)
def change_owner(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Give it another owner, with a reason."""
    return okr.change_key_result_owner(id, body["owner_id"], by)


@routes.decides("/<uuid:id>/rephrasings", inputs.Rephrasing, KEY_RESULT)
def rephrase(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Say the same in other words, with a reason."""
    return okr.rephrase_key_result(id, body["title"], by)


# What people say of it, and how it ends


@routes.decides("/<uuid:id>/check-ins", inputs.CheckIn, KEY_RESULT)
def check_in(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """The weekly word on a key result."""
    return okr.check_in_on_key_result(id, by, **body)


@routes.decides("/<uuid:id>/scores", inputs.Score, KEY_RESULT)
def score(okr: OkrLedger, body: Members, by: Command, id: UUID) -> Outcome:
    """Give it points: the owner's own, or the review's."""
    return okr.score_key_result(id, by, points=body["points"], kind=body["kind"], comment=body.get("comment"))


@routes.decides("/<uuid:id>/replacements", key_result_inputs.KeyResultReplacement, KEY_RESULT, is_created=True)
def replace_key_result(okr: OkrLedger, body: Members, by: Command, id: UUID, new_id: UUID) -> Outcome:
    """End it in favour of a successor, which is what the answer shows."""
    outcome = okr.replace_key_result(id, new_id, Terms(**terms(body)), by)
    return replace(outcome, id=new_id, version=1)


@routes.decides("/<uuid:id>/drops", inputs.Reason, KEY_RESULT)
def drop(okr: OkrLedger, _: Members, by: Command, id: UUID) -> Outcome:
    """Give it up; with a reason once it is committed."""
    return okr.drop_key_result(id, by)


def terms(body: Members) -> dict[str, Any]:
    """The members of a body as those of `Terms`."""
    said = dict(body)
    if said.get("milestones") is not None:
        said["milestones"] = tuple(said["milestones"])
    return said
