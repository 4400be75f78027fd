"""The kinds of resources that commands answer with: where they live, and how each is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from psycopg import Connection
from psycopg.rows import DictRow

from projections import cycles, feeds, key_results, objectives, teams
from projections.answers import Answer
from projections.moment import Moment

PREFIX = "/v1"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of resource. `name` is also that of its schema in the specification."""

    name: str
    collection: str
    get: Callable[[Connection[DictRow], UUID, Moment], Answer | None]

    def location(self, id: UUID) -> str:
        return f"{PREFIX}/{self.collection}/{id}"


CYCLE = Resource("Cycle", "cycles", cycles.get)
TEAM = Resource("Team", "teams", teams.get)
OBJECTIVE = Resource("Objective", "objectives", objectives.get)
KEY_RESULT = Resource("KeyResult", "key-results", key_results.get)
FEED = Resource("Feed", "feeds", feeds.get)

RESOURCES = {resource.name: resource for resource in (CYCLE, TEAM, OBJECTIVE, KEY_RESULT, FEED)}
