"""What is the case now, as far as the facts at hand need it, and how it follows from one fact to the next.

Each read model says in its HANDLERS which facts change it and how. A fact that none of them knows stops everything:
views that skip what they do not understand would be wrong without a sign.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feed import FeedDefined
from domain.key_result import KeyResultDrafted
from domain.measures import Point
from domain.stream import FACTS, Fact
from ledger.line import Line, parse_line
from ledger.mapper import read_fact
from projections import cycles, feeds, goalposts, history, key_results, objectives, teams, values
from projections.cycles import CycleRow
from projections.feeds import FeedRow
from projections.key_results import KeyResultRow
from projections.objectives import ObjectiveRow
from projections.tables import Rows, States, Table
from projections.teams import TeamRow

Handler = Callable[["Present", Line, Any], None]
Handlers = dict[type[Fact], Handler]

MOST_KEPT = 20_000
"""How many streams are kept in mind between batches; past it all are forgotten, and read again when needed."""

LATEST = 2**63 - 1


class UnknownFact(LookupError):
    """The ledger holds a fact that this program's views do not know: a newer program must build them."""


class Present:
    """The present rows of the streams that facts are about, and the rows that wait to be written."""

    def __init__(self, connection: Connection[DictRow], *, keyless: Sequence[Table] = ()) -> None:
        """`keyless` are tables that are empty and have no keys: while they are being filled nothing has to be looked
        up in them, since all that goes in passes through here. They get their keys when that is no longer so."""
        self.connection = connection
        self.keyless = list(keyless)
        self.is_whole = bool(keyless)
        self.cycles = States(cycles.CYCLES, CycleRow)
        self.teams = States(teams.TEAMS, TeamRow)
        self.objectives = States(objectives.OBJECTIVES, ObjectiveRow)
        self.key_results = States(key_results.KEY_RESULTS, KeyResultRow)
        self.feeds = States(feeds.FEEDS, FeedRow)
        self.values = values.Standings()
        self.targets = Rows(goalposts.TARGETS)
        self.history = Rows(history.HISTORY)

    def take(self, lines: Sequence[str]) -> Line:
        """Follow these lines, at least one; returns the last. Raises `UnknownFact`."""
        facts = [(line, _read(line)) for line in map(parse_line, lines)]
        if not self.is_whole:
            self._fetch(facts)
        for line, fact in facts:
            for handle in HANDLERS[type(fact)]:
                handle(self, line, fact)
        return facts[-1][0]

    def write(self) -> None:
        """Write what waits, in the caller's transaction."""
        for rows in (self.cycles, self.teams, self.objectives, self.key_results, self.feeds):
            rows.write(self.connection)
        self.values.write(self.connection)
        self.targets.write(self.connection)
        self.history.write(self.connection)

    def forget(self) -> None:
        """Forget what is in the tables; it is read again when needed."""
        self.is_whole = False
        self.add_keys(*cycles.TABLES, *teams.TABLES, *objectives.TABLES, *key_results.TABLES, *feeds.TABLES)
        self.add_keys(*values.TABLES)
        for states in (self.cycles, self.teams, self.objectives, self.key_results, self.feeds):
            states.present.clear()
        self.values.present.clear()

    def add_keys(self, *tables: Table) -> None:
        """Give these tables their keys, all tables where none is named; those that have them stay as they are."""
        for table in [table for table in self.keyless if table in (tables or self.keyless)]:
            table.add_keys(self.connection)
            self.keyless.remove(table)

    @property
    def kept(self) -> int:
        """How many streams are kept in mind."""
        return len(self.objectives.present) + len(self.key_results.present)

    def position_of(self, stream: UUID, version: int) -> int:
        """The ledger's position of a version of a stream."""
        row = self.connection.execute(
            "SELECT position FROM ledger.events WHERE stream_id = %s AND stream_version = %s", [stream, version]
        ).fetchone()
        if row is None:
            raise LookupError(f"the ledger has no version {version} of {stream}, which a later fact is about")
        return int(row["position"])

    def points_of(self, key_result_id: UUID) -> dict[int, Point]:
        """The points that the table has of a key result, as they are known now."""
        self.add_keys(values.POINTS)
        return values.points_known(self.connection, key_result_id, LATEST)

    def _fetch(self, facts: Sequence[tuple[Line, Fact]]) -> None:
        """Read at once the present rows of all streams that these facts are about."""
        wanted: dict[str, set[UUID]] = {"Cycle": set(), "Objective": set(), "KeyResult": set(), "Feed": set()}
        for line, fact in facts:
            kind = line.type.partition(".")[0]
            match fact:
                case KeyResultDrafted():
                    wanted["Cycle"].add(fact.cycle_id)
                case FeedDefined():
                    wanted["KeyResult"].add(fact.key_result_id)
                case _ if kind == "Measurement":
                    wanted["KeyResult"].add(fact.key_result_id)  # type: ignore[attr-defined]
                case _ if kind in wanted:
                    wanted[kind].add(line.stream)
        self.cycles.fetch(self.connection, wanted["Cycle"])
        self.objectives.fetch(self.connection, wanted["Objective"])
        self.key_results.fetch(self.connection, wanted["KeyResult"])
        self.values.fetch(self.connection, wanted["KeyResult"])
        self.feeds.fetch(self.connection, wanted["Feed"])


def _read(line: Line) -> Fact:
    try:
        fact = read_fact(line.type, line.schema, line.data)
    except LookupError as error:
        raise UnknownFact(f"at position {line.position}: {error}") from None
    if not HANDLERS[type(fact)]:
        raise UnknownFact(f"at position {line.position}: no view says what becomes of {line.type}")
    return fact


def _handlers(fact: type[Fact]) -> tuple[Handler, ...]:
    """What follows a kind of fact. The history goes first: it says what was the case before. The values go last: for
    how long a limit was held depends on the terms that the same fact may have changed."""
    models = (cycles, teams, objectives, key_results, feeds, goalposts, values)
    found = [model.HANDLERS[fact] for model in models if fact in model.HANDLERS]
    return (history.happened, *found) if found else ()


HANDLERS = {fact: _handlers(fact) for fact in FACTS.values()}
