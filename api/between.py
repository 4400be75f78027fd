"""From an address that names two moments to what lies between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from psycopg import Connection
from psycopg.rows import DictRow

from api.fields import MOST_POSITION, Count, MomentInAddress
from api.parameters import AtMoment
from api.problems import Problem
from projections.differences import Between
from projections.moment import FutureMoment, Moment, resolve


class TwoMoments(AtMoment):
    """Two moments to compare; the second one is now, where nothing says otherwise."""

    class Meta(AtMoment.Meta):
        exclude = ("as_of", "as_of_position", "effective_at")

    from_ = MomentInAddress(data_key="from", metadata={"description": "compare from what was known at that moment"})
    from_position = Count(least=1, most=MOST_POSITION, metadata={"description": "or up to that position"})
    to = MomentInAddress(metadata={"description": "compare with what was known at that moment"})
    to_position = Count(least=1, most=MOST_POSITION, metadata={"description": "or up to that position"})


def between(connection: Connection[DictRow], now: Moment, asked: Mapping[str, Any]) -> Between:
    """The two moments. A Problem 400 without the first; raises what `projections.moment.resolve` raises."""
    if "from_" not in asked and "from_position" not in asked:
        said = "name the moment to compare from"
        problem = Problem(400, "bad-parameters", "The address asks for something that cannot be", said)
        problem.add("from", "required", f"{said}, or give from_position")
        raise problem
    for name in ("from_", "to"):
        if name in asked and asked[name] > now.clock:
            raise FutureMoment(f"{name.rstrip('_')} lies in the future")
    first = resolve(connection, now=now.clock, as_of=asked.get("from_"), as_of_position=asked.get("from_position"))
    if "to" not in asked and "to_position" not in asked:
        return Between(first, now)
    last = resolve(connection, now=now.clock, as_of=asked.get("to"), as_of_position=asked.get("to_position"))
    return Between(first, last)
