"""What differs between two moments: of a key result, an objective, a team or a whole cycle, field by field, each with
the facts that caused it.

CAUSES says which facts may change which field. Figures that depend on the clock also differ because time passed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain import cycle, feed, measurement, objective, team
from domain import key_result as kr
from domain.stream import Fact
from projections import cycles, key_results, objectives, teams
from projections.answers import Answer, Page, time
from projections.moment import BadMoment, BeforeCreation, Moment

GOALS_A_PAGE = 100
MOST_FACTS = 20
"""Of each kind so many facts are named with a difference, the latest ones."""

Kinds = tuple[type[Fact], ...]

# Which facts change which field

_TARGET: Kinds = (kr.TargetAdjusted, kr.TargetCorrected)
_VALUE: Kinds = (
    kr.ProgressRecorded,
    kr.ProgressCorrected,
    kr.ProgressOverridden,
    kr.OverrideLifted,
    measurement.MeasurementRecorded,
    measurement.MeasurementWindowMoved,
)
_ATTAINMENT: Kinds = (*_TARGET, *_VALUE, kr.KeyResultCommitted, kr.MilestoneReached, kr.DeadlineAdjusted)
_ENDED: Kinds = (kr.KeyResultReplaced, kr.KeyResultDropped)
_DRAFT: Kinds = (kr.KeyResultDraftRevised,)

OF_KEY_RESULT: dict[str, Kinds] = {
    "title": (kr.KeyResultRephrased, *_DRAFT),
    "owner_id": (kr.KeyResultOwnerChanged, *_DRAFT),
    "direction": _DRAFT,
    "unit": _DRAFT,
    "baseline": _DRAFT,
    "target": (*_TARGET, *_DRAFT),
    "value": _VALUE,
    "value_effective_at": _VALUE,
    "value_source": _VALUE,
    "deadline": (kr.DeadlineAdjusted, *_DRAFT),
    "weight": (kr.WeightAdjusted, *_DRAFT),
    "state": (kr.KeyResultCommitted, kr.KeyResultScored, *_ENDED),
    "milestones": (kr.MilestoneReached, *_DRAFT),
    "attainment": _ATTAINMENT,
    "computed": _ATTAINMENT,
    "pace": (*_ATTAINMENT, *_ENDED),
    "original": (kr.KeyResultCommitted, kr.TargetCorrected),
    "score": (kr.KeyResultScored,),
    "confidence": (kr.KeyResultCheckedIn,),
    "stated_status": (kr.KeyResultCheckedIn,),
    "replaces": (kr.KeyResultDrafted,),
    "replaced_by": (kr.KeyResultReplaced,),
    "feed_id": (feed.FeedDefined,),
    "committed_at": (kr.KeyResultCommitted,),
}
_REVISED: Kinds = (objective.ObjectiveDraftRevised,)
OF_OBJECTIVE: dict[str, Kinds] = {
    "title": (objective.ObjectiveRephrased, *_REVISED),
    "description": _REVISED,
    "owner_id": (objective.ObjectiveOwnerChanged, *_REVISED),
    "level": _REVISED,
    "team_id": _REVISED,
    "supports": _REVISED,
    "state": (
        objective.ObjectiveCommitted,
        objective.ObjectiveScored,
        objective.ObjectiveReplaced,
        objective.ObjectiveDropped,
    ),
    "attainment": (*_ATTAINMENT, *_ENDED, kr.WeightAdjusted),
    "computed": (*_ATTAINMENT, *_ENDED, kr.WeightAdjusted),
    "score": (objective.ObjectiveScored,),
    "confidence": (objective.ObjectiveCheckedIn,),
    "stated_status": (objective.ObjectiveCheckedIn,),
    "replaces": (objective.ObjectiveDrafted,),
    "replaced_by": (objective.ObjectiveReplaced,),
}
OF_CYCLE: dict[str, Kinds] = {
    "state": (cycle.CycleStarted, cycle.CycleScoringBegun, cycle.CycleClosed, cycle.CycleReopened),
    "name": (cycle.CycleOpened,),
    "starts_on": (cycle.CycleOpened,),
    "ends_on": (cycle.CycleOpened,),
    "time_zone": (cycle.CycleOpened,),
}
OF_TEAM: dict[str, Kinds] = dict.fromkeys(("name", "parent_id", "lead_id"), (team.TeamFormed,))

CAUSES = {"key_result": OF_KEY_RESULT, "objective": OF_OBJECTIVE, "cycle": OF_CYCLE, "team": OF_TEAM}
BEGUN: dict[str, Kinds] = {
    "key_result": (kr.KeyResultDrafted,),
    "objective": (objective.ObjectiveDrafted,),
    "cycle": (cycle.CycleOpened,),
    "team": (team.TeamFormed,),
}
"""What is new has its first fields from these."""
BY_TIME = ("value", "value_effective_at", "value_source", "attainment", "computed", "pace")
"""Fields that differ also because time passed: a limit was held on, an override's day is over."""
PLACE = ("id", "cycle_id", "objective_id", "version", "position")
"""Fields that say where something is in the ledger or in the cycle: no differences."""


# Questions


@dataclass(frozen=True, slots=True)
class Between:
    """Two moments, the earlier one first. BadMoment where they are not."""

    first: Moment
    last: Moment

    def __post_init__(self) -> None:
        if self.first.position > self.last.position or self.first.clock > self.last.clock:
            raise BadMoment("the moment to compare from lies after the one to compare with")


def of_key_result(connection: Connection[DictRow], id: UUID, between: Between) -> Answer | None:
    """What differs of a key result; None for an unknown id. Raises `BeforeCreation` where it was begun later still."""
    return _answer(connection, "key_result", key_results.get, id, between)


def of_objective(connection: Connection[DictRow], id: UUID, between: Between) -> Answer | None:
    """What differs of an objective and of its key results, without those that only time has changed."""
    parts = _pages(
        "key_result",
        lambda moment, after: key_results.page(connection, moment, after, GOALS_A_PAGE, objective_id=id),
        between,
    )
    return _answer(connection, "objective", objectives.get, id, between, parts)


def of_team(connection: Connection[DictRow], id: UUID, between: Between) -> Answer | None:
    """What differs of a team."""
    return _answer(connection, "team", teams.get, id, between)


def of_cycle(connection: Connection[DictRow], id: UUID, between: Between) -> Answer | None:
    """What differs of a cycle, its objectives and their key results, without those that only time has changed."""
    goals = _pages(
        "objective",
        lambda moment, after: objectives.page(connection, moment, after, GOALS_A_PAGE, cycle_id=id),
        between,
    )
    measures = _pages(
        "key_result",
        lambda moment, after: key_results.page(connection, moment, after, GOALS_A_PAGE, cycle_id=id),
        between,
    )
    return _answer(connection, "cycle", cycles.get, id, between, chain(goals, measures))


# Comparing


@dataclass(frozen=True, slots=True)
class _Change:
    """Something that differs, or that was not there at the first moment: then its fields say how it is now."""

    kind: str
    before: Answer | None
    after: Answer

    @property
    def fields(self) -> list[str]:
        causes = CAUSES[self.kind]
        if self.before is None:
            return [name for name in causes if self.after.get(name) is not None]
        return [name for name in causes if self.before.get(name) != self.after.get(name)]


Get = Callable[[Connection[DictRow], UUID, Moment], Answer | None]


def _one(connection: Connection[DictRow], kind: str, get: Get, id: UUID, between: Between) -> _Change | None:
    after = get(connection, id, between.last)
    if after is None:
        return None
    try:
        before = get(connection, id, between.first)
    except BeforeCreation:
        before = None
    return _Change(kind, before, after)


def _pages(kind: str, page: Callable[[Moment, str | None], Page], between: Between) -> Iterator[list[_Change]]:
    """All of a kind, page by page. What was there at the first moment comes first in the pages of the last."""
    following: str | None = None
    while True:
        before, _ = page(between.first, following)
        after, following = page(between.last, following)
        was = {item["id"]: item for item in before}
        yield [_Change(kind, was.get(item["id"]), item) for item in after]
        if following is None:
            return


# The answer


def _answer(
    connection: Connection[DictRow],
    kind: str,
    get: Get,
    id: UUID,
    between: Between,
    parts: Iterable[list[_Change]] = (),
) -> Answer | None:
    own = _one(connection, kind, get, id, between)
    if own is None:
        return None
    items = _items(connection, [own], between)
    for changes in parts:
        found = _items(connection, changes, between)
        items += [item for item in found if item["is_new"] or not all(field["by_time"] for field in item["fields"])]
    return {
        "kind": kind,
        "id": str(id),
        "from": {"position": between.first.position, "at": time(between.first.clock)},
        "to": {"position": between.last.position, "at": time(between.last.clock)},
        "changes": items,
        "facts": _told(connection, items),
        "position": between.last.position,
    }


def _items(connection: Connection[DictRow], changes: list[_Change], between: Between) -> list[Answer]:
    changed = [change for change in changes if change.before is None or change.fields]
    facts = _Facts(connection, changed, between)
    return [
        {
            "kind": change.kind,
            "id": change.after["id"],
            "title": change.after.get("title") or change.after.get("name"),
            "is_new": change.before is None,
            "fields": [_field(change, name, facts) for name in change.fields],
        }
        for change in changed
    ]


def _field(change: _Change, name: str, facts: _Facts) -> Answer:
    count, positions = facts.behind(change, name)
    return {
        "field": name,
        "from": None if change.before is None else change.before.get(name),
        "to": change.after.get(name),
        "facts": positions,
        "fact_count": count,
        "by_time": not count and name in BY_TIME,
    }


class _Facts:
    """The facts between the two moments, by what they are about and of which type: how many, and the latest."""

    def __init__(self, connection: Connection[DictRow], changes: list[_Change], between: Between) -> None:
        self.found: dict[tuple[str, str], tuple[int, list[int]]] = {}
        self.parts: dict[str, list[str]] = {}
        ids = [change.after["id"] for change in changes]
        goals = [change.after["id"] for change in changes if change.kind == "objective"]
        if goals:
            for row in connection.execute(
                "SELECT id, objective_id FROM key_results"
                " WHERE objective_id = ANY(%s::uuid[]) AND from_position = begun",
                [goals],
            ):
                self.parts.setdefault(str(row["objective_id"]), []).append(str(row["id"]))
                ids.append(str(row["id"]))
        for row in connection.execute(
            "SELECT subject_id, type, count(*) AS count, (array_agg(position ORDER BY position DESC))[1:%s] AS latest"
            " FROM history WHERE subject_id = ANY(%s::uuid[]) AND position > %s AND position <= %s"
            " GROUP BY subject_id, type",
            [MOST_FACTS, sorted(set(ids)), between.first.position, between.last.position],
        ):
            self.found[str(row["subject_id"]), row["type"]] = row["count"], row["latest"]

    def behind(self, change: _Change, field: str) -> tuple[int, list[int]]:
        """How many facts changed the field, and the positions of the latest, in order."""
        id = change.after["id"]
        count, positions = 0, list[int]()
        begun = BEGUN[change.kind] if change.before is None else ()
        for kind in dict.fromkeys((*CAUSES[change.kind][field], *begun)):
            for subject in (id, *(self.parts.get(id, ()) if kind not in begun else ())):
                more, latest = self.found.get((subject, kind.TYPE), (0, []))
                count += more
                positions += latest
        return count, sorted(positions)[-MOST_FACTS:]


def _told(connection: Connection[DictRow], items: list[Answer]) -> list[Answer]:
    """What the facts behind the differences are, who and why, in the order of the ledger."""
    named = {position for item in items for field in item["fields"] for position in field["facts"]}
    rows = connection.execute(
        "SELECT position, line FROM ledger.events WHERE position = ANY(%s) ORDER BY position", [sorted(named)]
    )
    lines = [(row["position"], orjson.loads(row["line"])) for row in rows]
    return [
        {
            "position": position,
            "type": line["type"],
            "actor": line["who"],
            "recorded_at": line["recorded_at"],
            "effective_at": line["data"].get("effective_at"),
            "reason_code": line.get("why", {}).get("code"),
        }
        for position, line in lines
    ]
