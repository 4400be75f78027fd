"""From what a request asks to the moment that its answer is about."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from flask import Request
from psycopg import Connection
from psycopg.rows import DictRow

from api.door import Heads
from api.preconditions import least_position
from api.problems import RETRY_AFTER, Problem
from api.settings import ApiSettings
from projections.moment import FutureMoment, Moment, resolve
from projections.position import wait_for

STANDSTILL = timedelta(seconds=1)
"""Views that lack a fact for so long are not being followed up at the moment."""


def moment_of(
    connection: Connection[DictRow],
    request: Request,
    asked: Mapping[str, Any],
    now: datetime,
    heads: Heads,
    settings: ApiSettings,
) -> Moment:
    """The moment, once the views have got there.

    A position named by Okr-Min-Position is waited for, then 503. Who names nothing gets what was recorded before
    the request came, as long as the views are only a moment behind; else what the views know, which the answer's
    Okr-Position tells. Raises what `projections.moment.resolve` raises.
    """
    least = least_position(request)
    as_of, as_of_position = asked.get("as_of"), asked.get("as_of_position")
    effective_at = asked.get("effective_at")
    if least is None and as_of is None and as_of_position is None:
        return _now(connection, now, effective_at, heads, settings.fresh_seconds)
    if least is not None:
        _reach(connection, least, heads, settings.wait_seconds)
    return resolve(connection, now=now, as_of=as_of, as_of_position=as_of_position, effective_at=effective_at)


def _now(
    connection: Connection[DictRow], now: datetime, effective_at: datetime | None, heads: Heads, patience: float
) -> Moment:
    """As `resolve`, where nothing but the heads has to be asked."""
    if effective_at is not None and effective_at > now:
        raise FutureMoment("effective_at lies in the future")
    size, reached = heads
    if known_soon(connection, size, reached, patience):
        reached = max(reached, size)
    return Moment(reached, now, effective_at)


def known_soon(connection: Connection[DictRow], position: int, reached: int, patience: float) -> bool:
    """Whether the views, which have `reached` a position, know this one, if need be after a wait."""
    return reached >= position or (_is_followed(connection, reached) and wait_for(connection, position, patience))


def _is_followed(connection: Connection[DictRow], reached: int) -> bool:
    """Whether what the views lack is so new that they are about to know it: nobody waits for a dead projector."""
    row = connection.execute(
        "SELECT clock_timestamp() - recorded_at < %s AS is_new FROM ledger.events WHERE position = %s",
        [STANDSTILL, reached + 1],
        prepare=True,
    ).fetchone()
    return row is not None and bool(row["is_new"])


def _reach(connection: Connection[DictRow], position: int, heads: Heads, patience: float) -> None:
    size, reached = heads
    if position > size:
        raise Problem(400, "bad-moment", "There is no such moment", f"the ledger has {size} positions, not {position}")
    if reached < position and not wait_for(connection, position, patience):
        raise Problem(
            503,
            "views-behind",
            "The views have not got there yet",
            f"the views have not reached position {position}: try again shortly",
            {"Retry-After": RETRY_AFTER},
        )
