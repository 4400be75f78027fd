"""A feed tried out: what a list of messages would do, each explained, and the number that they alone make.

Nothing is stored and nothing is read but what is given. The messages are read as the worker reads them, merged as it
merges them, and counted in the window in which it counts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from domain.calendar import end_of_day, last_midnight, start_of_day
from domain.cycle import CycleTerms
from domain.feeds.aggregates import Window, aggregated, published, window_of
from domain.feeds.contribution import Contribution, Ignored, standings
from domain.feeds.definition import FeedDefinition
from domain.feeds.explain import Explained, explain
from domain.feeds.message import Message
from domain.feeds.pipeline import Outcome, compile_feed


class Fate(StrEnum):
    """What becomes of one outcome once all messages are there."""

    COUNTS = "counts"
    OUTSIDE = "outside the window"
    SUPERSEDED = "superseded by a newer message about the entity"
    RETRACTED = "retracted by a tombstone"
    RETRACTS = "retracts the entity"
    IGNORED = "ignored"


class Effect(NamedTuple):
    outcome: Outcome
    fate: Fate


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """`exact` is the number that the messages alone make, `value` the same as a fact would say it; `contributions`
    counts the entities in it, and `window` is the time in which they count.
    """

    messages: Sequence[tuple[Explained, Sequence[Effect]]]
    window: Window
    exact: Decimal | None
    value: Decimal | None
    contributions: int


def rehearse(definition: FeedDefinition, messages: Sequence[Message], cycle: CycleTerms, now: datetime) -> Rehearsal:
    """What the messages would do under a definition whose key result belongs to the cycle, as of `now` (aware)."""
    feed = compile_feed(definition)
    explained = [explain(feed, message) for message in messages]
    known = standings(outcome for each in explained for outcome in each.outcomes if not isinstance(outcome, Ignored))
    counting = {key: standing.contribution for key, standing in known.items()}
    whole = Window(start_of_day(cycle.starts_on, cycle.time_zone), end_of_day(cycle.ends_on, cycle.time_zone))
    window = window_of(definition.aggregate, whole, last_midnight(now, cycle.time_zone))
    standing = [one for one in counting.values() if one is not None]
    exact = aggregated(definition.aggregate, standing, window) if standing else None

    def fate(outcome: Outcome) -> Fate:
        if isinstance(outcome, Ignored):
            return Fate.IGNORED
        if not isinstance(outcome, Contribution) or outcome.value is None:
            return Fate.RETRACTS
        newest = known[outcome.part, outcome.entity].newest
        if newest is None or newest.version != outcome.version:
            return Fate.SUPERSEDED
        if counting[outcome.part, outcome.entity] != outcome:
            return Fate.RETRACTED
        return Fate.COUNTS if _is_inside(outcome, window) else Fate.OUTSIDE

    return Rehearsal(
        messages=[(each, [Effect(outcome, fate(outcome)) for outcome in each.outcomes]) for each in explained],
        window=window,
        exact=exact,
        value=published(exact, definition.emit),
        contributions=sum(one.value is not None and _is_inside(one, window) for one in standing),
    )


def _is_inside(contribution: Contribution, window: Window) -> bool:
    return window.start <= contribution.effective_at < window.end
