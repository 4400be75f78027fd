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
from projections import cycles, feeds, goalposts, history, key_results, objectives, teams, values
from projections.cycles import CycleRow
from projections.feeds import FeedRow
from projections.key_results import KeyResultRow
from projections.lines import Measured, Told, UnknownFact, read
from projections.objectives import ObjectiveRow
from projections.standing import Series
from projections.tables import Rows, States, Table, WriterBeside, write
from projections.teams import TeamRow

Handler = Callable[["Present", Told[Any], Any], None]
Handlers = dict[type[Fact], Handler]

MOST_KEPT = 20_000
"""How many objectives and key results are kept in mind between batches; past it all are forgotten, and read again when
needed."""

LATEST = 2**63 - 1


class Present:
    """The present rows of the streams that facts are about, and the rows that wait to be written."""

    def __init__(
        self, connection: Connection[DictRow], *, keyless: Sequence[Table] = (), beside: WriterBeside | None = None
    ) -> None:
        """`keyless` are tables that are empty and have no keys: while they are being filled nothing has to be looked
        up in them, since all that goes in passes through here. They get their keys when that is no longer so.

        `beside` writes the rows while the next lines are followed; else they are written in the caller's transaction.
        """
        self.connection = connection
        self.beside = beside
        self.keyless = list(keyless)
        self.is_whole = bool(keyless)
        self.cycles = States(cycles.CYCLES, CycleRow)
        self.teams = States(teams.TEAMS, TeamRow)
        self.objectives = States(objectives.OBJECTIVES, ObjectiveRow, ["members"])
        self.key_results = States(key_results.KEY_RESULTS, KeyResultRow, ["members"])
        self.feeds = States(feeds.FEEDS, FeedRow)
        self.values = values.Standings()
        self.targets = Rows(goalposts.TARGETS)
        self.history = Rows(history.HISTORY)

    def take(self, lines: Sequence[tuple[str, str]]) -> Told[Any]:
        """Follow these lines, at least one, each with its type; returns the last. Raises `UnknownFact`."""
        facts = [read(type, line) for type, line in lines]
        if not self.is_whole:
            self._fetch(facts)
        for told, fact in facts:
            for handle in _handlers_of(told):
                handle(self, told, fact)
        return facts[-1][0]

    def write(self) -> None:
        """Write what waits, and keep no more in mind than is allowed."""
        waiting = (
            *(self.cycles, self.teams, self.objectives, self.key_results, self.feeds),
            *(self.values, self.targets, self.history),
        )
        copies = [copy for rows in waiting for copy in rows.hand_over()]
        if self.beside is None:
            write(self.connection, copies)
        else:
            self.beside.begin(copies)
        if len(self.objectives.present) + len(self.key_results.present) > MOST_KEPT:
            self.forget()

    def forget(self) -> None:
        """Forget what is in the tables; it is read again when needed."""
        self.is_whole = False
        self.add_keys(*cycles.TABLES, *teams.TABLES, *objectives.TABLES, *key_results.TABLES, *feeds.TABLES)
        self.add_keys(*values.TABLES)
        for states in (self.cycles, self.teams, self.objectives, self.key_results, self.feeds):
            states.present.clear()
        self.values.forget()

    def add_keys(self, *tables: Table) -> None:
        """Give these tables their keys, all tables where none is named; those that have them stay as they are.

        Whatever has been handed over by then is in them.
        """
        self.finish()
        for table in [table for table in self.keyless if table in (tables or self.keyless)]:
            table.add_keys(self.connection)
            self.keyless.remove(table)

    def position_of(self, stream: str, version: int) -> int:
        """The ledger's position of a version of a stream."""
        row = self.connection.execute(
            "SELECT position FROM ledger.events WHERE stream_id = %s AND stream_version = %s", [stream, version]
        ).fetchone()
        if row is None:
            raise LookupError(f"the ledger has no version {version} of {stream}, which a later fact is about")
        return int(row["position"])

    def series_of(self, key_result_id: str) -> Series:
        """All points of a key result as they are known now."""
        series = self.values.series.get(key_result_id)
        if series is None:
            self.add_keys(values.POINTS)
            known = values.points_known(self.connection, [key_result_id], LATEST)
            series = Series(known.get(UUID(key_result_id), ()))
            for point in self.values.recent.pop(key_result_id, ()):
                series.put(point)
            self.values.series[key_result_id] = series
        return series

    def points_around(self, key_result_id: str, point: Point) -> Series:
        """Of the points of a key result at least those next to this one, and whether there ever was an override."""
        series = self.values.series.get(key_result_id)
        if series is None:
            self.add_keys(values.POINTS)
            series = Series(values.points_around(self.connection, key_result_id, point))
            for recent in self.values.recent.get(key_result_id, ()):
                series.put(recent)
        return series

    def finish(self) -> None:
        if self.beside is not None:
            self.beside.finish()

    def _fetch(self, facts: Sequence[tuple[Told[Any], Any]]) -> None:
        """Read at once the present rows of all streams that these facts are about."""
        self.finish()
        wanted: dict[str, set[str]] = {"Cycle": set(), "Objective": set(), "KeyResult": set(), "Feed": set()}
        for told, fact in facts:
            match fact:
                case Measured() | FeedDefined():
                    wanted["KeyResult"].add(str(fact.key_result_id))
                case KeyResultDrafted():
                    wanted["Cycle"].add(str(fact.cycle_id))
                case _:
                    wanted.setdefault(told.type.partition(".")[0], set()).add(told.stream)
        self.cycles.fetch(self.connection, wanted["Cycle"])
        self.objectives.fetch(self.connection, wanted["Objective"])
        self.key_results.fetch(self.connection, wanted["KeyResult"])
        self.values.fetch(self.connection, wanted["KeyResult"])
        self.feeds.fetch(self.connection, wanted["Feed"])


def _handlers_of(told: Told[Any]) -> tuple[Handler, ...]:
    found = HANDLERS.get(told.type)
    if not found:
        raise UnknownFact(f"at position {told.position}: no view says what becomes of {told.type}")
    return found


def _handlers(fact: type[Fact]) -> tuple[Handler, ...]:
    """What follows a kind of fact.

    The history goes first: it says what was the case before. The values go last: for how long a limit was held depends
    on the terms that the same fact may have changed.
    """
    models = (cycles, teams, objectives, key_results, feeds, goalposts, values)
    found = [model.HANDLERS[fact] for model in models if fact in model.HANDLERS]
    if not found:
        return ()
    has_begun = fact in values.HANDLERS and fact is not KeyResultDrafted
    return (*([values.time_passes] if has_begun else []), history.happened, *found)


HANDLERS = {name: _handlers(fact) for name, fact in FACTS.items()}
