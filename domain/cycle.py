"""A cycle: the period for which goals are set (a quarter, two months, a year)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

from domain.calendar import end_of_day, zone
from domain.command import Command
from domain.errors import Breach, Breaches, Conflict, Forbidden, conflict
from domain.stream import Aggregate, Fact, fact
from domain.words import title

LONGEST_CYCLE = timedelta(days=366 * 2)
EARLIEST_DAY, LATEST_DAY = date(1990, 1, 1), date(2199, 12, 31)
"""The days that a cycle may have: each of them begins and ends in every time zone."""


class CycleState(StrEnum):
    """Where a cycle stands. After CLOSED nothing is written until an admin reopens it."""

    PLANNED = "planned"
    RUNNING = "running"
    SCORING = "scoring"
    CLOSED = "closed"


# What can happen to a cycle


@fact("Cycle.Opened")
class CycleOpened(Fact):
    name: str
    starts_on: date
    ends_on: date
    time_zone: str


@fact("Cycle.Started")
class CycleStarted(Fact):
    pass


@fact("Cycle.ScoringBegun")
class CycleScoringBegun(Fact):
    pass


@fact("Cycle.Closed")
class CycleClosed(Fact):
    pass


@fact("Cycle.Reopened")
class CycleReopened(Fact):
    pass


@dataclass(frozen=True, slots=True)
class CycleTerms:
    """What other streams must know of their cycle: its state, its first and last day, its time zone."""

    id: UUID
    state: CycleState
    starts_on: date
    ends_on: date
    time_zone: str

    def must_be_open(self) -> None:
        """Refuse everything in a closed cycle."""
        if self.state is CycleState.CLOSED:
            raise Conflict(Breach(None, "cycle_closed", "the cycle is closed: reopen it first"))

    def deadline_at(self, day: date) -> datetime:
        """The end of `day` in the cycle's time zone, as a UTC instant."""
        return end_of_day(day, self.time_zone)


class Cycle(Aggregate):
    """Decisions about a cycle. planned → running → scoring → closed, and back by reopening."""

    name: str
    starts_on: date
    ends_on: date
    time_zone: str
    state: CycleState

    def open(self, *, name: str, starts_on: date, ends_on: date, time_zone: str) -> None:
        """Open a cycle that runs from the first to the last day, both included, in its time zone."""
        breaches = Breaches()
        name = title(name, "name", breaches)
        if ends_on <= starts_on:
            breaches.add("ends_on", "cycle_dates", "ends_on must be after starts_on")
        elif starts_on < EARLIEST_DAY or ends_on > LATEST_DAY:
            breaches.add("starts_on", "calendar", f"a cycle lies between {EARLIEST_DAY} and {LATEST_DAY}")
        elif ends_on - starts_on > LONGEST_CYCLE:
            breaches.add("ends_on", "cycle_length", "a cycle lasts at most two years")
        try:
            zone(time_zone)
        except ValueError:
            breaches.add("time_zone", "time_zone", f"{time_zone!r} is no time zone of the IANA database")
        breaches.refuse_if_any()
        self._happens(CycleOpened(name=name, starts_on=starts_on, ends_on=ends_on, time_zone=time_zone))

    def start(self) -> None:
        self._must_be(CycleState.PLANNED, "start")
        self._happens(CycleStarted())

    def begin_scoring(self) -> None:
        self._must_be(CycleState.RUNNING, "be scored")
        self._happens(CycleScoringBegun())

    def close(self) -> None:
        self._must_be(CycleState.SCORING, "be closed")
        self._happens(CycleClosed())

    def reopen(self, by: Command) -> None:
        """Reopen a closed cycle for scoring. An admin's decision, with a reason in words."""
        if not by.actor.is_admin:
            raise Forbidden(Breach(None, "admin_only", "only an admin reopens a cycle"))
        self._must_be(CycleState.CLOSED, "be reopened")
        by.must_give_words()
        self._happens(CycleReopened())

    def _must_be(self, state: CycleState, action: str) -> None:
        if self.state is not state:
            conflict("cycle_state", f"a cycle can {action} only when it is {state}; this one is {self.state}")

    def _apply(self, fact: Fact) -> None:
        match fact:
            case CycleOpened():
                self.name = fact.name
                self.starts_on = fact.starts_on
                self.ends_on = fact.ends_on
                self.time_zone = fact.time_zone
                self.state = CycleState.PLANNED
            case CycleStarted():
                self.state = CycleState.RUNNING
            case CycleScoringBegun() | CycleReopened():
                self.state = CycleState.SCORING
            case CycleClosed():
                self.state = CycleState.CLOSED
