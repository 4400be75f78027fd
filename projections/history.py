"""History: the facts about a key result, an objective or a cycle, newest first: before and after, who and why.

The table only says which facts are about what, and what was the case before where the fact itself does not say it. The
rest is read from the ledger's lines, and the words of people from beside it, so that an erased text is gone at once.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson
from psycopg import Connection
from psycopg.rows import DictRow

from domain.cycle import CycleOpened, CycleState
from domain.feed import FeedDefined
from domain.key_result import (
    KeyResultCheckedIn,
    KeyResultDrafted,
    KeyResultDraftRevised,
    KeyResultDropped,
    KeyResultScored,
    OverrideLifted,
    ProgressOverridden,
)
from domain.measures import Point
from domain.numbers import text
from domain.objective import (
    ObjectiveCheckedIn,
    ObjectiveDrafted,
    ObjectiveDraftRevised,
    ObjectiveDropped,
    ObjectiveScored,
)
from domain.stream import FACTS, Fact
from projections import reading
from projections.answers import Answer, Page, ref
from projections.cycles import TURNS
from projections.key_results import KEY_RESULTS
from projections.lines import Measured, Progress, Told
from projections.moment import Moment
from projections.tables import NULL, Table, escaped

if TYPE_CHECKING:
    from projections.present import Present

VERSION = 1

HISTORY = Table(
    "history",
    """
    position   bigint NOT NULL,
    subject_id uuid   NOT NULL,
    cycle_id   uuid,
    type       text   NOT NULL COLLATE "C",
    actor_id   text   NOT NULL COLLATE "C",
    before     text
    """,
    key="subject_id, position",
    indexes=(
        "(cycle_id, position)",
        "(actor_id, position)",
        # What is rare among much progress is found by its type; progress itself is everywhere.
        "(type, position) WHERE type <> 'KeyResult.ProgressRecorded' AND type <> 'Measurement.Recorded'",
    ),
)
"""`subject_id` is what the fact is about: its stream, but for measurements and feeds their key result."""
TABLES = (HISTORY,)


# How facts change it


def happened(present: Present, told: Told[Any], fact: Any) -> None:
    before: object = None
    match fact:
        case Progress():
            subject, cycle = told.stream, present.values[told.stream].cycle
        case Measured():
            subject, cycle = fact.key_result_id, present.values[fact.key_result_id].cycle
        case KeyResultDrafted() | ObjectiveDrafted():
            subject, cycle = told.stream, str(fact.cycle_id)
        case FeedDefined():
            subject = str(fact.key_result_id)
            cycle = present.values[subject].cycle
        case CycleOpened():
            subject = cycle = told.stream
        case _:
            subject, cycle, before = _known(present, told, fact)
    was = NULL if before is None else escaped(orjson.dumps(before, default=str).decode())
    actor = escaped(told.who.id)
    present.history.waiting.append(f"{told.position}\t{subject}\t{cycle}\t{told.type}\t{actor}\t{was}")


def _known(present: Present, told: Told[Any], fact: Fact) -> tuple[str, str, object]:
    """Of a fact in a stream that has begun: what it is about, in which cycle, and what was the case before."""
    match told.type.partition(".")[0]:
        case "KeyResult":
            row = present.key_results[told.stream]
            return told.stream, str(row.cycle_id), _before_key_result(present, row, fact)
        case "Objective":
            objective = present.objectives[told.stream]
            return told.stream, str(objective.cycle_id), _before_objective(objective, fact)
        case "Cycle":
            return told.stream, told.stream, present.cycles[told.stream].state
        case "Feed":
            feed = present.feeds[told.stream]
            return str(feed.key_result_id), str(feed.cycle_id), None
    return told.stream, NULL, None


def _before_key_result(present: Present, row: Any, fact: Fact) -> object:
    match fact:
        case KeyResultDraftRevised():
            return _before_revision(row, fact)
        case KeyResultDropped():
            return row.state
        case KeyResultCheckedIn():
            return row.confidence
        case KeyResultScored():
            return _points(row, fact.kind)
        case ProgressOverridden():
            return _value(present.values[row.id].in_force)
        case OverrideLifted():
            return _value(present.values[row.id].override)
    return None


def _before_objective(row: Any, fact: Fact) -> object:
    match fact:
        case ObjectiveDraftRevised():
            return _before_revision(row, fact)
        case ObjectiveDropped():
            return row.state
        case ObjectiveCheckedIn():
            return row.confidence
        case ObjectiveScored():
            return _points(row, fact.kind)
    return None


def _before_revision(row: Any, fact: KeyResultDraftRevised | ObjectiveDraftRevised) -> Answer:
    """The fields that a revision changes, as they were. Words are not kept here: they can be erased."""
    named = [field.name for field in fields(fact) if field.name != "cleared" and getattr(fact, field.name) is not None]
    changed = [name for name in (*named, *(fact.cleared or ())) if name != "description"]
    before = {name: getattr(row, name) for name in changed}
    if before.get("milestones") is not None:
        steps = orjson.loads(before["milestones"])
        before["milestones"] = [{"name": step["name"], "weight": step["weight"]} for step in steps]
    return {name: text(value) if name in _NUMBERS and value is not None else value for name, value in before.items()}


_NUMBERS = ("baseline", "target", "weight")


def _points(row: Any, kind: str) -> str | None:
    points = getattr(row, f"score_{kind}")
    return None if points is None else text(points)


def _value(point: Point | None) -> str | None:
    return None if point is None or point.value is None else text(point.value)


# Questions


def page(
    connection: Connection[DictRow],
    *,
    moment: Moment,
    after: str | None,
    limit: int,
    key_result_id: UUID | None = None,
    objective_id: UUID | None = None,
    cycle_id: UUID | None = None,
    type: str | None = None,
    actor: str | None = None,
    from_: datetime | None = None,
    to: datetime | None = None,
) -> Page:
    """The facts about exactly one of key result, objective (with its key results) or cycle, newest first.

    `from_` and `to` bound recorded_at, both included. An unknown id has an empty history.
    """
    if sum(id is not None for id in (key_result_id, objective_id, cycle_id)) != 1:
        raise ValueError("a history is that of one key result, objective or cycle")
    last = min(moment.position, reading.behind(after) - 1) if after else moment.position
    rows = _positions(
        connection,
        subjects=_subjects(connection, key_result_id or objective_id),
        cycle_id=cycle_id,
        first=_first_since(connection, from_),
        last=min(last, _last_until(connection, to)),
        type=type,
        actor=actor,
        limit=limit + 1,
    )
    rows, following = reading.cut(rows, limit, "position")
    return items(connection, rows), following


def _subjects(connection: Connection[DictRow], id: UUID | None) -> list[UUID]:
    """A key result, or an objective with its key results."""
    if id is None:
        return []
    rows = connection.execute(
        f"SELECT id FROM {KEY_RESULTS.name} WHERE objective_id = %s AND from_position = begun", [id]
    )
    return [id, *(row["id"] for row in rows)]


def _first_since(connection: Connection[DictRow], from_: datetime | None) -> int:
    """The first position that was recorded at `from_` or later; past all where there is none."""
    if from_ is None:
        return 1
    row = connection.execute(
        "SELECT position FROM ledger.events WHERE recorded_at >= %s ORDER BY recorded_at, position LIMIT 1", [from_]
    ).fetchone()
    return _PAST_ALL if row is None else int(row["position"])


def _last_until(connection: Connection[DictRow], to: datetime | None) -> int:
    if to is None:
        return _PAST_ALL
    row = connection.execute(
        "SELECT position FROM ledger.events WHERE recorded_at <= %s ORDER BY recorded_at DESC, position DESC LIMIT 1",
        [to],
    ).fetchone()
    return 0 if row is None else int(row["position"])


_PAST_ALL = 2**63 - 1


def _positions(
    connection: Connection[DictRow],
    *,
    subjects: list[UUID],
    cycle_id: UUID | None,
    first: int,
    last: int,
    type: str | None,
    actor: str | None,
    limit: int,
) -> list[DictRow]:
    conditions = "position >= %(first)s AND position <= %(last)s"
    if type is not None:
        conditions += " AND type = %(type)s"
    if actor is not None:
        conditions += " AND actor_id = %(actor)s"
    newest = "ORDER BY position DESC LIMIT %(limit)s"
    if cycle_id is not None:
        statement = f"SELECT * FROM history WHERE cycle_id = %(cycle_id)s AND {conditions} {newest}"
    else:
        # Each subject's newest, then the newest of all: a few steps in the index for each, however long the histories.
        statement = (
            f"SELECT h.* FROM unnest(%(subjects)s::uuid[]) AS about (id) CROSS JOIN LATERAL ("
            f"SELECT * FROM history WHERE subject_id = about.id AND {conditions} {newest}) AS h {newest}"
        )
    values = {
        "subjects": subjects,
        "cycle_id": cycle_id,
        "first": first,
        "last": last,
        "type": type,
        "actor": actor,
        "limit": limit,
    }
    return connection.execute(statement, values).fetchall()


def items(connection: Connection[DictRow], rows: list[DictRow]) -> list[Answer]:
    """The facts of these rows of the table, as a history tells them, in the same order."""
    positions = [row["position"] for row in rows]
    if not positions:
        return []
    lines = connection.execute(
        "SELECT position, line FROM ledger.events WHERE position = ANY(%s)", [positions]
    ).fetchall()
    said = connection.execute(
        "SELECT position, field, text FROM people.texts WHERE position = ANY(%s)", [positions]
    ).fetchall()
    line_at = {row["position"]: orjson.loads(row["line"]) for row in lines}
    words: dict[int, dict[str, str]] = {}
    for text_row in said:
        words.setdefault(text_row["position"], {})[text_row["field"]] = text_row["text"]
    return [_item(row, line_at[row["position"]], words.get(row["position"], {})) for row in rows]


def _item(row: DictRow, line: Answer, words: dict[str, str]) -> Answer:
    data: Answer = line["data"]
    texts = {name: words.get(name) for name in _TEXT_FIELDS[line["type"]] if name in data}
    data = {name: value for name, value in data.items() if name not in texts}
    why = line.get("why", {})
    effective_at = data.pop("effective_at", None)
    from_, to = _change(line["type"], data, None if row["before"] is None else orjson.loads(row["before"]))
    provenance = {name: data.pop(name) for name in _PROVENANCE if name in data}
    return {
        "position": row["position"],
        "type": line["type"],
        "subject": _subject(line, row["subject_id"]),
        "actor": line["who"],
        "recorded_at": line["recorded_at"],
        "effective_at": effective_at,
        "from": from_,
        "to": to,
        "reason": words.get("reason"),
        "reason_code": why.get("code"),
        "provenance": provenance or None,
        "texts": texts,
        "data": data or None,
        "version": line["version"],
    }


def _change(type: str, data: Answer, before: Any) -> tuple[Any, Any]:
    """What was before a fact and what is after it; takes out of the data what they say."""
    if "to" in data:
        return data.pop("from", None), data.pop("to")
    kind, _, name = type.partition(".")
    match name:
        case "ProgressRecorded" | "Recorded" | "WindowMoved":
            data.pop("key_result_id", None)  # the subject says it
            return data.pop("from", None), data.pop("value", None)
        case "ProgressOverridden":
            return before, data.pop("value")
        case "Scored":
            return before, data.pop("points")
        case "CheckedIn":
            return before, data.pop("confidence")
        case "Committed":
            return "draft", "committed"
        case "Dropped":
            return before, "dropped"
        case "Replaced":
            return None, data.pop("successor_id")
        case "DraftRevised":
            after = data | dict.fromkeys(data.pop("cleared", ()))
            after.pop("cleared", None)
            data.clear()
            return before, after
    if kind == "Cycle" and FACTS[type] in TURNS:
        return before, str(TURNS[FACTS[type]])
    if name == "Opened":
        return None, str(CycleState.PLANNED)
    return before, None


def _subject(line: Answer, subject_id: UUID) -> Answer:
    kind = line["type"].partition(".")[0]
    if kind == "Measurement":
        return {"kind": "key_result", "id": ref(subject_id)}
    return {"kind": {"KeyResult": "key_result"}.get(kind, kind.lower()), "id": line["stream"]}


_PROVENANCE = (
    "feed_id",
    "feed_revision",
    "effective_by",
    "event_from",
    "event_to",
    "ranges",
    "counts",
    "evidence",
)
_TEXT_FIELDS = {
    name: tuple(field.name for field in fields(fact) if str(field.type).startswith("Text"))  # type: ignore[arg-type]
    for name, fact in FACTS.items()
}
