"""What if: the facts of a cycle, an objective or a key result read from the ledger and folded twice, nothing written.

The read models say which facts are about what; the facts themselves, and so the figures, come from the ledger's lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain import scoring_data
from domain.errors import Breach, Invalid, Unknown
from domain.key_result import ProgressRecorded
from domain.measurement import Measurement, MeasurementRecorded
from domain.scoring import GUIDE_1_5, ScoringPolicy
from domain.stream import Fact
from domain.whatif.comparing import Asked, Comparison, KeyResultFigures, MeanFigures, Pair, Score, compare
from domain.whatif.folding import Line, Measured, When
from domain.whatif.leaving_out import LeftOut
from domain.whatif.sentences import sentence
from projections import lines, reading
from projections.answers import Answer, figure, measure, ref, time
from projections.cycles import CYCLES
from projections.feeds import FEEDS
from projections.key_results import KEY_RESULTS
from projections.lines import Progress, Told
from projections.moment import Moment
from projections.objectives import OBJECTIVES
from projections.tables import Table

LINES_A_PAGE = 2_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at: `kind` is cycle, objective or key_result."""

    kind: str
    id: UUID


@dataclass(frozen=True, slots=True)
class Supposed:
    """What is supposed to be otherwise: see `domain.whatif.comparing.Asked`. `without_feed` is a feed's id."""

    without: tuple[int, ...] = ()
    policy: ScoringPolicy = GUIDE_1_5
    without_feed: UUID | None = None
    targets_as_committed: bool = False


def what_if(connection: Connection[DictRow], scope: Scope, supposed: Supposed, moment: Moment) -> Answer:
    """{scope, supposed, sentence, left_out, cycle, objectives, key_results, …}, real and hypothetical side by side.

    `cycle` is None, and `objectives` are empty, below that scope. Raises `Unknown` for what is not there,
    `BeforeCreation`, and `Invalid` for what cannot be left out.
    """
    table = _TABLES[scope.kind]
    row = reading.one(connection, table, scope.id, moment)
    if row is None:
        field = f"scope.{scope.kind}_id"
        raise Unknown(Breach(field, "unknown", f"there is no {scope.kind.replace('_', ' ')} {scope.id}"))
    cycle = row if table is CYCLES else reading.one(connection, CYCLES, row["cycle_id"], moment)
    if cycle is None:
        raise LookupError(f"the cycle of {scope.id} is not in the views")
    subjects = _subjects(connection, scope, moment)
    feed = None if supposed.without_feed is None else _feed(connection, supposed.without_feed, scope, subjects, moment)
    streams = () if feed is None else (Measurement.create_id(feed["id"], feed["key_result_id"]),)
    left_out = LeftOut(supposed.without, frozenset(streams), supposed.targets_as_committed)
    asked = Asked(left_out, supposed.policy)
    facts = _lines(connection, scope, subjects, moment)
    when = When(moment.clock, moment.effective_at)
    found = compare(facts, asked, cycle["time_zone"], when, moment.position)
    subject = row["name"] if table is CYCLES else row["title"]
    said = sentence(found, asked, subject, None if feed is None else feed["name"])
    return {
        "scope": {"kind": scope.kind, "id": ref(scope.id), "title": subject},
        "supposed": {
            "without": list(supposed.without),
            "without_feed": ref(supposed.without_feed),
            "targets": "as_committed" if supposed.targets_as_committed else None,
            "policy": scoring_data.written(supposed.policy),
        },
        "policy": scoring_data.written(asked.real_policy),
        "sentence": said,
        **_sides(found, scope),
        "at": time(moment.looked_at),
        "position": moment.position,
    }


_TABLES: dict[str, Table] = {"cycle": CYCLES, "objective": OBJECTIVES, "key_result": KEY_RESULTS}


# What is read


def _subjects(connection: Connection[DictRow], scope: Scope, moment: Moment) -> list[UUID]:
    """The goals that the facts of the scope are about; of a cycle all, which need not be named."""
    if scope.kind == "cycle":
        return []
    rows = connection.execute(
        f"SELECT id FROM {KEY_RESULTS.name} WHERE objective_id = %s AND from_position = begun AND begun <= %s",
        [scope.id, moment.position],
    )
    return [scope.id, *(row["id"] for row in rows)]


def _feed(connection: Connection[DictRow], id: UUID, scope: Scope, subjects: list[UUID], moment: Moment) -> DictRow:
    """The feed. `Invalid` where there is none, or none that measures in the scope."""
    row = connection.execute(
        f"SELECT id, key_result_id, cycle_id, name FROM {FEEDS.name} WHERE id = %s AND from_position = begun"
        " AND begun <= %s",
        [id, moment.position],
    ).fetchone()
    if row is None:
        raise Invalid(Breach("without_feed", "unknown_feed", f"there is no feed {id} at that moment"))
    is_within = row["cycle_id"] == scope.id if scope.kind == "cycle" else row["key_result_id"] in subjects
    if not is_within:
        raise Invalid(Breach("without_feed", "outside_scope", f"the feed {row['name']} measures something else"))
    return row


def _lines(connection: Connection[DictRow], scope: Scope, subjects: list[UUID], moment: Moment) -> Iterator[Line]:
    """The facts about the scope in their order, a page of lines in memory at a time."""
    asked = {"id": scope.id, "subjects": subjects, "last": moment.position, "limit": LINES_A_PAGE}
    statement = _OF_CYCLE if scope.kind == "cycle" else _OF_GOALS
    after = 0
    while True:
        rows = connection.execute(statement, {**asked, "after": after}).fetchall()
        for row in rows:
            yield _line(*lines.read(row["type"], row["line"]))
        if len(rows) < LINES_A_PAGE:
            return
        after = rows[-1]["position"]


_FACTS = (
    "SELECT e.position, e.type, e.line FROM ({}) AS found JOIN ledger.events AS e USING (position) ORDER BY position"
)
_PAGE = "position > %(after)s AND position <= %(last)s ORDER BY position LIMIT %(limit)s"
_OF_CYCLE = _FACTS.format(f"SELECT position FROM history WHERE cycle_id = %(id)s AND {_PAGE}")
# Each goal's next facts, then the next of all: a few steps in the index for each, however long the histories.
_OF_GOALS = _FACTS.format(
    "SELECT f.position FROM unnest(%(subjects)s::uuid[]) AS about (id) CROSS JOIN LATERAL ("
    f"SELECT position FROM history WHERE subject_id = about.id AND {_PAGE}) AS f ORDER BY position LIMIT %(limit)s"
)


def _line(told: Told[Any], fact: Any) -> Line:
    return Line(told.position, told.recorded_at, UUID(told.stream), told.version, _fact(told, fact))


def _fact(told: Told[Any], fact: Any) -> Fact | Measured:
    """The fact, where the line was read in part as what a fold needs of it."""
    match fact:
        case Progress():
            return ProgressRecorded(value=Decimal(fact.value), effective_at=datetime.fromisoformat(fact.effective_at))
        case lines.Measured():
            return Measured(
                UUID(fact.key_result_id),
                None if fact.value is None else Decimal(fact.value),
                datetime.fromisoformat(fact.effective_at),
                is_message=told.type == MeasurementRecorded.TYPE,
            )
    known: Fact = fact
    return known


# The answer


def _sides(found: Comparison, scope: Scope) -> Answer:
    is_cycle = scope.kind == "cycle"
    return {
        "left_out": found.left_out,
        "key_result_count": len(found.key_results),
        "changed_key_results": found.changed_key_results,
        "cycle": {"real": _mean(found.real), "hypothetical": _mean(found.hypothetical)} if is_cycle else None,
        "objectives": [
            {
                "id": ref(pair.id),
                "title": pair.title,
                "is_changed": pair.is_changed,
                "real": _mean(pair.real),
                "hypothetical": _mean(pair.hypothetical),
            }
            for pair in found.objectives
        ],
        "key_results": [_key_result(pair) for pair in found.key_results],
    }


def _key_result(pair: Pair[KeyResultFigures]) -> Answer:
    return {
        "id": ref(pair.id),
        "objective_id": ref(pair.objective_id),
        "title": pair.title,
        "unit": pair.unit,
        "is_changed": pair.is_changed,
        "real": _figures(pair.real),
        "hypothetical": _figures(pair.hypothetical),
    }


def _figures(figures: KeyResultFigures) -> Answer:
    return {
        "state": figures.state,
        "value": measure(figures.value),
        "target": measure(figures.target),
        "weight": measure(figures.weight),
        "attainment": figure(figures.attainment),
        **_score(figures.score),
    }


def _mean(figures: MeanFigures) -> Answer:
    roll = figures.attainment
    return {
        "attainment": None if roll is None else {"clamped": figure(roll.clamped), "unclamped": figure(roll.unclamped)},
        **_score(figures.score),
    }


def _score(score: Score | None) -> Answer:
    if score is None:
        return {"points": None, "band": None, "advice": None}
    return {"points": measure(score.points), "band": score.band, "advice": score.advice}
