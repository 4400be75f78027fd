"""How the demonstration's story is said to the API: ids that stay the same, days of the quarter, one step at a time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

TIME_ZONE = "Asia/Shanghai"
LENGTH = timedelta(days=90)
ADMIN = "admin"

_IDS = UUID("3d1c8e0e-6a0b-5d5c-9f5e-0c4a9f2b7a10")


def id_of(name: str) -> str:
    """The id of a thing of the story: always the same, so that it is never made twice."""
    return str(uuid5(_IDS, name))


class Teller(Protocol):
    """Who tells the story to the API."""

    def tell(self, actor: str, path: str, body: dict[str, Any], step: str) -> int:
        """Let the actor do something, once, however often the story is told; the position of the fact."""

    def feed(self, name: str) -> None:
        """Define the feed of the YAML file of that name."""


class Narrator:
    """Says in the story's words what the API hears in its own. `starts_on` is the quarter's first day."""

    def __init__(self, teller: Teller, starts_on: date) -> None:
        self.teller = teller
        self.starts_on = starts_on
        self.ends_on = starts_on + LENGTH

    def say(self, actor: str, path: str, body: dict[str, Any], step: str | None = None) -> int:
        return self.teller.tell(actor, path, body, step or path)

    def on(self, day: int) -> str:
        """Six in the evening of the quarter's nth day."""
        evening = datetime.combine(self.starts_on + timedelta(days=day), time(18), ZoneInfo(TIME_ZONE))
        return evening.isoformat()

    def team(self, name: str, title: str, lead_id: str, parent: str | None = None) -> None:
        body = {"id": id_of(f"team {name}"), "name": title, "lead_id": lead_id}
        if parent is not None:
            body["parent_id"] = id_of(f"team {parent}")
        self.say(ADMIN, "/teams", body, step=f"team {name}")

    def objective(
        self,
        name: str,
        title: str,
        owner_id: str,
        level: str,
        team: str,
        *,
        description: str | None = None,
        supports: list[str] | None = None,
    ) -> None:
        body: dict[str, Any] = {
            "id": id_of(name),
            "cycle_id": id_of("quarter"),
            "title": title,
            "owner_id": owner_id,
            "level": level,
            "team_id": id_of(f"team {team}"),
        }
        if description:
            body["description"] = description
        if supports:
            body["supports"] = [id_of(each) for each in supports]
        self.say(owner_id, "/objectives", body, step=f"objective {name}")

    def key_result(self, objective: str, name: str, title: str, owner_id: str, **terms: Any) -> None:
        body = {
            "id": id_of(name),
            "title": title,
            "owner_id": owner_id,
            "deadline": self.ends_on.isoformat(),
            **terms,
        }
        self.say(owner_id, f"/objectives/{id_of(objective)}/key-results", body, step=f"key result {name}")

    def commit(self, objective: str, owner_id: str) -> None:
        self.say(owner_id, f"/objectives/{id_of(objective)}/commit", {})

    def progress(self, name: str, owner_id: str, day: int, value: str, note: str = "") -> int:
        body = {"value": value, "effective_at": self.on(day)}
        if note:
            body["note"] = note
        return self.say(owner_id, f"/key-results/{id_of(name)}/progress", body, step=f"{name} on day {day}")

    def check_in(self, name: str, owner_id: str, progress: str, confidence: int, status: str, **more: str) -> None:
        body = {"progress": progress, "confidence": confidence, "status": status, **more}
        self.say(owner_id, f"/key-results/{id_of(name)}/check-ins", body, step=f"check-in on {name}: {confidence}")
