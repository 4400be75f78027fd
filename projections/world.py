"""Goals as time goes on: folded forward from moment to moment, each time saying what differs (`projections.frames`)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
from psycopg.rows import DictRow

from domain.measures import AT_RISK_FROM, ON_TRACK_FROM, Expectation, PaceStatus, expectation
from projections import key_results, objectives, scores, values
from projections.answers import Answer, figure, joined
from projections.moment import Moment


class World:
    """Objectives and key results as they stand. `goes_on` takes them to the next moment and says what differs."""

    def __init__(self) -> None:
        self._goals: dict[str, DictRow] = {}
        self._rolls: dict[str, Answer] = {}
        self._parts: dict[str, _Part] = {}
        self._parts_of: dict[str, list[_Part]] = {}

    def goes_on(
        self,
        moment: Moment,
        goal_rows: Iterable[DictRow],
        part_rows: Iterable[DictRow],
        value_rows: Iterable[DictRow],
    ) -> Answer:
        """{objectives, key_results, figures}, after these rows came in force: the columns that answers need.

        A key result that is new has both of its rows, or one with all columns.
        """
        expected = _Expectations(moment.clock)
        told, moved, touched = self._follow(moment, expected, part_rows, value_rows)
        new = {row["id"]: row for row in sorted(goal_rows, key=_begun)}
        self._goals |= new
        touched |= new.keys()
        rolled = [id for id in self._goals if id in touched and self._roll(id)]
        return {
            "objectives": [orjson.Fragment(joined(row["members"], self._rolls[id])) for id, row in new.items()],
            "key_results": [orjson.Fragment(part.reckoned.text) for part in told],
            "figures": [
                *({"id": id, **self._figures_of(id)} for id in rolled if id not in new),
                *(part.figures(expected) for part in moved),
            ],
        }

    def _follow(
        self, moment: Moment, expected: _Expectations, part_rows: Iterable[DictRow], value_rows: Iterable[DictRow]
    ) -> tuple[list[_Part], list[_Part], set[str]]:
        """The key results with news, those of which only figures moved, and the objectives that either moves."""
        changed: dict[str, DictRow] = {}
        for row in (*part_rows, *value_rows):
            known = changed.get(row["id"])
            if known is None:
                known = changed[row["id"]] = dict(self._parts[row["id"]].row) if row["id"] in self._parts else {}
            known |= row
        moved, touched = [], set()
        for id, part in self._parts.items():
            if part.wakes_at > moment.clock or id in changed:
                continue
            if part.has_run_out(moment.clock):
                changed[id] = part.row
            elif part.moves(moment.clock, expected):
                moved.append(part)
                touched.add(part.row["objective_id"])
        told = []
        for id, row in sorted(changed.items(), key=lambda pair: _begun(pair[1])):
            before = self._parts[id].reckoned if id in self._parts else None
            if before is None:
                self._parts[id] = _Part()
                self._parts_of.setdefault(row["objective_id"], []).append(self._parts[id])
            part = self._parts[id]
            part.become(row, moment, expected)
            if before is None or before._replace(text="") != part.reckoned._replace(text=""):
                touched.add(row["objective_id"])
            told.append(part)
        return told, moved, touched

    def _figures_of(self, id: str) -> Answer:
        roll = self._rolls[id]
        return {"attainment": roll["attainment"], "computed": roll["computed"]}

    def _roll(self, id: str) -> bool:
        """Reckon an objective again; whether its members are others now."""
        before = self._rolls.get(id)
        parts = [part.reckoned for part in self._parts_of.get(id, ())]
        self._rolls[id] = objectives.reckoned(self._goals[id], parts)
        return before != self._rolls[id]


class _Part:
    """A key result: its row with its value, what was reckoned of it, and the status of its pace.

    Before `wakes_at` time alone changes nothing of it.
    """

    __slots__ = ("is_limit", "reckoned", "row", "status", "value", "wakes_at")

    row: DictRow
    is_limit: bool
    value: values.Value
    reckoned: key_results.Reckoned
    status: PaceStatus | None
    wakes_at: datetime

    def become(self, row: DictRow, moment: Moment, expected: _Expectations) -> None:
        self.row = row
        self.is_limit = key_results.DIRECTIONS[row["direction"]].is_limit
        self.value = values.of_row(row, moment.clock)
        self.reckoned = key_results.reckoned(row, self.value, moment)
        self._look(expected)

    def has_run_out(self, clock: datetime) -> bool:
        """Whether an override has come to its end by then, and another value is in force."""
        until = self.row["until"]
        if until is None or until > clock:
            return False
        value = values.of_row(self.row, clock)
        return value._replace(held=None) != self.value._replace(held=None)

    def moves(self, clock: datetime, expected: _Expectations) -> bool:
        """Let time pass; whether attainment or status are others now."""
        before = self.reckoned.attainment, self.status
        if self.row["held_us"] is not None:
            self.reckoned = self.reckoned._replace(attainment=values.of_row(self.row, clock).held)
        self._look(expected)
        return before != (self.reckoned.attainment, self.status)

    def figures(self, expected: _Expectations) -> Answer:
        pace = None
        if self.status is not None:
            found = expected.of(self.row, is_limit=self.is_limit)
            pace = {"elapsed": figure(found.elapsed), "expected": figure(found.expected), "status": self.status}
        share = self.reckoned.attainment
        computed = None if share is None else orjson.Fragment(scores.of_share(share).text)
        return {"id": self.row["id"], "attainment": figure(share), "computed": computed, "pace": pace}

    def _look(self, expected: _Expectations) -> None:
        self.status = None
        if self.reckoned.is_counted:
            self.status = expected.of(self.row, is_limit=self.is_limit).status(self.reckoned.attainment)
        self.wakes_at = self._next()

    def _next(self) -> datetime:
        row, share = self.row, self.reckoned.attainment or Decimal(0)
        if row["held_us"] is not None:
            return _AT_ONCE
        falls_at = _NEVER
        least = _FALLS_BELOW.get(self.status) if self.status else None
        if least is not None and share < least:
            # The attainment stays, what is expected grows with time; a second early, to be reckoned exactly then.
            whole = Decimal((row["deadline_at"] - row["committed_at"]) // _MICROSECOND)
            falls_at = row["committed_at"] - _SECOND + timedelta(microseconds=int(whole * share / least))
        return min(falls_at, row["until"] or _NEVER)


_AT_ONCE, _NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_SECOND, _MICROSECOND = timedelta(seconds=1), timedelta(microseconds=1)
_FALLS_BELOW = {PaceStatus.ON_TRACK: ON_TRACK_FROM, PaceStatus.AT_RISK: AT_RISK_FROM}


class _Expectations:
    """What time lets expect at one moment, reckoned once for all that was committed and is due at the same times."""

    def __init__(self, clock: datetime) -> None:
        self._clock = clock
        self._known: dict[tuple[datetime, datetime, bool], Expectation] = {}

    def of(self, row: DictRow, *, is_limit: bool) -> Expectation:
        key = (row["committed_at"], row["deadline_at"], is_limit)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = expectation(key[0], key[1], self._clock, is_limit=is_limit)
        return known


def _begun(row: DictRow) -> int:
    begun: int = row["begun"]
    return begun
