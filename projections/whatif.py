"""What if: of a cycle, an objective or a key result, the figures as they are and as they would be. Nothing is written.

The facts of those key results of which something is left out are read from the ledger's lines and folded, so what an
answer costs is the history of what it asks about. Of all others the read models know how they stand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain import scoring_data
from domain.errors import Breach, Invalid, Unknown
from domain.goal import GoalState
from domain.key_result import ProgressRecorded, TargetAdjusted
from domain.measurement import Measurement, MeasurementRecorded
from domain.scoring import GUIDE_1_5, ScoringPolicy
from domain.stream import Fact
from domain.whatif.comparing import Asked, Comparison, KeyResultFigures, MeanFigures, Pair, Score, compare
from domain.whatif.folding import Line, Measured, Standing, When
from domain.whatif.leaving_out import LeftOut
from domain.whatif.sentences import sentence
from projections import key_results, lines, reading
from projections.answers import Answer, figure, measure, ref, time
from projections.cycles import CYCLES
from projections.feeds import FEEDS
from projections.key_results import KEY_RESULTS, Reckoned
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
    titles, standings = _standings(connection, scope, row, moment)
    within = {scope.id, *titles, *(each.id for each in standings)}
    feed = None if supposed.without_feed is None else _feed(connection, supposed.without_feed, within, moment)
    streams = () if feed is None else (Measurement.create_id(feed["id"], feed["key_result_id"]),)
    left_out = LeftOut(supposed.without, frozenset(streams), supposed.targets_as_committed)
    asked = Asked(left_out, supposed.policy)
    touched = within & _touched(connection, supposed, feed, within, moment)
    facts = lines_about(connection, sorted(touched), moment)
    when = When(moment.clock, moment.effective_at)
    found = compare(titles, standings, facts, asked, cycle["time_zone"], when, moment.position)
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


def _standings(
    connection: Connection[DictRow], scope: Scope, row: DictRow, moment: Moment
) -> tuple[dict[UUID, str], list[Standing]]:
    """The objectives of the scope by their titles, and its key results as they stand, in the order of their drafts."""
    match scope.kind:
        case "cycle":
            rows = reading.many(
                connection, OBJECTIVES, moment, columns="row.id, row.title", under={"cycle_id": scope.id}
            )
            parts = key_results.under(connection, moment, "cycle_id", [scope.id])
            titles = {each["id"]: each["title"] for each in rows}
        case "objective":
            parts = key_results.under(connection, moment, "objective_id", [scope.id])
            titles = {scope.id: row["title"]}
        case _:
            parts, titles = key_results.under(connection, moment, "objective_id", [row["objective_id"]]), {}
    found = [_standing(part) for own in parts.values() for part in own]
    return titles, [each for each in found if titles or each.id == scope.id]


def _standing(part: Reckoned) -> Standing:
    answer = part.answer
    return Standing(
        UUID(answer["id"]),
        UUID(answer["objective_id"]),
        answer["title"],
        answer["unit"],
        GoalState(answer["state"]),
        _decimal(answer["value"]),
        _decimal(answer["target"]),
        part.weight,
        part.attainment,
    )


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _feed(connection: Connection[DictRow], id: UUID, within: set[UUID], moment: Moment) -> DictRow:
    """The feed. `Invalid` where there is none, or none that measures in the scope."""
    row = connection.execute(
        f"SELECT id, key_result_id, name FROM {FEEDS.name} WHERE id = %s AND from_position = begun AND begun <= %s",
        [id, moment.position],
    ).fetchone()
    if row is None:
        raise Invalid(Breach("without_feed", "unknown_feed", f"there is no feed {id} at that moment"))
    if row["key_result_id"] not in within:
        raise Invalid(Breach("without_feed", "outside_scope", f"the feed {row['name']} measures something else"))
    return row


def _touched(
    connection: Connection[DictRow], supposed: Supposed, feed: DictRow | None, within: set[UUID], moment: Moment
) -> set[UUID]:
    """What the facts are about that may be left out."""
    rows = connection.execute(
        "SELECT subject_id FROM history WHERE position = ANY(%s::bigint[])", [list(supposed.without)]
    ).fetchall()
    if supposed.targets_as_committed:
        rows += connection.execute(
            "SELECT subject_id FROM history WHERE subject_id = ANY(%s) AND type = %s AND position <= %s",
            [list(within), TargetAdjusted.TYPE, moment.position],
        ).fetchall()
    return {row["subject_id"] for row in rows} | (set() if feed is None else {feed["key_result_id"]})


def lines_about(connection: Connection[DictRow], goals: Sequence[UUID], moment: Moment) -> Iterator[Line]:
    """The facts about these goals in their order, a page of lines in memory at a time."""
    after = 0
    while True:
        rows = connection.execute(
            _FACTS, {"goals": goals, "after": after, "last": moment.position, "limit": LINES_A_PAGE}
        ).fetchall()
        for row in rows:
            yield _line(*lines.read(row["type"], row["line"]))
        if len(rows) < LINES_A_PAGE:
            return
        after = rows[-1]["position"]


# Each goal's next facts, then the next of all: a few steps in the index for each, however long the histories.
_FACTS = """
    SELECT position, e.type, e.line FROM (
        SELECT h.position FROM unnest(%(goals)s::uuid[]) AS about (id) CROSS JOIN LATERAL (
            SELECT position FROM history
             WHERE subject_id = about.id AND position > %(after)s AND position <= %(last)s
             ORDER BY position LIMIT %(limit)s) AS h
         ORDER BY h.position LIMIT %(limit)s
    ) AS found JOIN ledger.events AS e USING (position) ORDER BY position
"""


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
