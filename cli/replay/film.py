"""A replay as a film: every frame of it with all states, put together from what the API answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from cli.client import Api, Json
from projections.stops import ADJUSTING

FRAMES_A_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment with the states of all goals by their id, and those of them that differ from the frame before."""

    number: int
    moment: datetime
    cycle: Json
    states: dict[str, Json]
    changed: frozenset[str]
    facts: list[Json]
    fact_count: int

    @property
    def adjustments(self) -> list[Json]:
        return [fact for fact in self.facts if fact["type"] in ADJUSTING]


@dataclass(frozen=True, slots=True)
class Film:
    """All frames; `objectives` are those of the last one in their order, each with its key results."""

    cycle: Json
    step: str
    frames: list[Frame]

    @property
    def objectives(self) -> list[tuple[Json, list[Json]]]:
        return by_objective(self.frames[-1].states)

    @property
    def adjusted(self) -> list[int]:
        """The numbers of the frames in which a promise was changed."""
        return [frame.number for frame in self.frames if frame.adjustments]


def by_objective(states: dict[str, Json]) -> list[tuple[Json, list[Json]]]:
    """Objectives in the order of their drafts, each with its key results."""
    parts: dict[str, list[Json]] = {}
    for state in states.values():
        if "objective_id" in state:
            parts.setdefault(state["objective_id"], []).append(state)
    return [(state, parts.get(id, [])) for id, state in states.items() if "objective_id" not in state]


def read(api: Api, path: str, **asked: Any) -> Json:
    """The whole replay below a path, all pages of it as one answer."""
    whole: Json = {}
    cursor: str | None = None
    while not whole or cursor is not None:
        page = api.get(f"{path}/replay", **asked, cursor=cursor, limit=FRAMES_A_PAGE)
        cursor = page.pop("next", None)
        if whole:
            whole["frames"] += page["frames"]
        else:
            whole = page
    return whole


def developed(replay: Json) -> Film:
    """The film of a whole replay."""
    return Film(replay["cycle"], replay["step"], list(_frames(replay["frames"])))


def _frames(answers: list[Json]) -> Iterator[Frame]:
    states: dict[str, Json] = {}
    cycle: Json = {}
    for answer in answers:
        cycle = answer["cycle"] or cycle
        before, states = states, dict(states)
        for state in (*answer["objectives"], *answer["key_results"]):
            states[state["id"]] = state
        for figures in answer["figures"]:
            states[figures["id"]] = states[figures["id"]] | figures
        # The first frame of a page is whole, whether or not anything happened.
        changed = frozenset(id for id, state in states.items() if before.get(id) != state)
        yield Frame(
            answer["number"],
            datetime.fromisoformat(answer["moment"]),
            cycle,
            states,
            changed,
            answer["facts"],
            answer["fact_count"],
        )


def share(state: Json) -> Decimal | None:
    """The attainment of an objective, clamped, or of a key result, as it is; None where there is none yet."""
    found = state["attainment"]
    if isinstance(found, dict):
        found = found["clamped"]
    return None if found is None else Decimal(found)
