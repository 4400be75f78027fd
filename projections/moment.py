"""The moment that a question looks at: which facts were known, and which clock hung on the wall."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from projections.position import reached, wait_for

PATIENCE_S = 2.0
"""How long a question about the past waits for views that have not read that far."""


_ALWAYS = datetime.max.replace(tzinfo=UTC)


class BadMoment(ValueError):
    """The moment asked for cannot be one."""


class FutureMoment(BadMoment):
    """The moment asked for has not come yet."""


class ViewsBehind(Exception):
    """The views have not read the ledger up to the moment asked for; ask again shortly."""


class BeforeCreation(LookupError):
    """What is asked for exists, but did not yet at that moment."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The facts up to `position` are known, and it is `clock`.

    With `effective_at` the question is what was true then, as far as was known. `is_final` says that no fact can
    come any more that was recorded by `clock`: the answer stays the same for ever.
    """

    position: int
    clock: datetime
    effective_at: datetime | None = None
    is_now: bool = True
    is_final: bool = False

    @property
    def looked_at(self) -> datetime:
        """The clock of figures that depend on time: pace, limits, milestones."""
        return self.clock if self.effective_at is None else self.effective_at

    @property
    def known_by(self) -> datetime:
        """Up to when what happened counts. Without `effective_at` all that is known counts: a fact of this position
        may carry the time of a clock that runs ahead of the ledger's."""
        return _ALWAYS if self.effective_at is None else self.effective_at


def resolve(
    connection: Connection[DictRow],
    *,
    now: datetime,
    as_of: datetime | None = None,
    as_of_position: int | None = None,
    effective_at: datetime | None = None,
) -> Moment:
    """The moment that a question names, `now` where it names none.

    `as_of` knows the facts recorded by then; `as_of_position` those up to it, at the time of that fact. Raises
    `FutureMoment`, `BadMoment`, and `ViewsBehind` where the views do not get there within two seconds.
    """
    _check(now, as_of, as_of_position, effective_at)
    if as_of is not None:
        clock = as_of.astimezone(UTC)
        # In this order: once the ledger is past the clock, no fact can come that the position would miss.
        is_final = _is_past(connection, clock)
        position = _position_at(connection, as_of)
    elif as_of_position is not None:
        clock, position = _recorded_at(connection, as_of_position), as_of_position
        is_final = _is_past(connection, clock)
    else:
        return Moment(reached(connection), now, effective_at)
    if not wait_for(connection, position, PATIENCE_S):
        raise ViewsBehind(f"the views have not reached position {position}")
    return Moment(position, clock, effective_at, is_now=False, is_final=is_final)


def _check(now: datetime, as_of: datetime | None, as_of_position: int | None, effective_at: datetime | None) -> None:
    if as_of is not None and as_of_position is not None:
        raise BadMoment("give as_of or as_of_position, not both")
    for name, moment in (("as_of", as_of), ("effective_at", effective_at)):
        if moment is not None and moment.tzinfo is None:
            raise BadMoment(f"{name} needs an offset from UTC")
        if moment is not None and moment > now:
            raise FutureMoment(f"{name} lies in the future")


def _is_past(connection: Connection[DictRow], clock: datetime) -> bool:
    """Whether the ledger holds a fact that was recorded later."""
    return _row(connection, "SELECT FROM ledger.head WHERE recorded_at > %s", clock) is not None


def _position_at(connection: Connection[DictRow], as_of: datetime) -> int:
    row = _row(
        connection,
        "SELECT position FROM ledger.events WHERE recorded_at <= %s ORDER BY recorded_at DESC, position DESC LIMIT 1",
        as_of,
    )
    return 0 if row is None else int(row["position"])


def _recorded_at(connection: Connection[DictRow], position: int) -> datetime:
    # A bigint at most: PostgreSQL refuses to compare with more.
    row = (
        _row(connection, "SELECT recorded_at FROM ledger.events WHERE position = %s", position)
        if 0 < position < 2**63
        else None
    )
    if row is None:
        raise BadMoment(f"the ledger has no position {position}")
    recorded_at: datetime = row["recorded_at"]
    return recorded_at


def _row(connection: Connection[DictRow], statement: str, *parameters: Any) -> DictRow | None:
    return connection.execute(statement, parameters).fetchone()
