"""A client of the API for tests: requests in the name of a role, and the few things that most tests need to exist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from flask import Flask
from werkzeug.test import TestResponse

Json = dict[str, Any]
ZONE = "Asia/Shanghai"


def day(offset: int) -> str:
    """The day so many days from today in the cycle's time zone."""
    return (datetime.now(ZoneInfo(ZONE)).date() + timedelta(days=offset)).isoformat()


def ago(**passed: float) -> str:
    """A moment in the past."""
    return (datetime.now(UTC) - timedelta(**passed)).isoformat()


class Client:
    """Sends requests with the token of a role; `tokens` maps roles to token texts."""

    def __init__(self, app: Flask, tokens: dict[str, str]) -> None:
        self.app = app
        self.tokens = tokens

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = "admin",
        headers: dict[str, str] | None = None,
        raw: bytes | None = None,
    ) -> TestResponse:
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.tokens[role]}")
        options: Json = {"json": body} if body is not None else {}
        if raw is not None:
            sent.setdefault("Content-Type", "application/json")
            options = {"data": raw}
        return self.app.test_client().open(path, method=method, headers=sent, buffered=True, **options)

    def get(self, path: str, *, role: str | None = "admin", headers: dict[str, str] | None = None) -> TestResponse:
        return self.send("GET", path, role=role, headers=headers)

    def post(
        self, path: str, body: Any = None, *, role: str | None = "admin", headers: dict[str, str] | None = None
    ) -> TestResponse:
        return self.send("POST", path, {} if body is None else body, role=role, headers=headers)

    def done(self, path: str, body: Any = None, *, role: str = "admin") -> Json:
        """The answer to a command that must succeed."""
        answer = self.post(path, body, role=role)
        assert answer.status_code in (200, 201), (path, answer.status_code, answer.text)
        return read(answer)

    def state(self, path: str) -> Json:
        """The answer to a question that must succeed."""
        answer = self.get(path)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return read(answer)

    # What most tests need

    def cycle(self) -> str:
        """A running cycle around today."""
        body = {"name": "2026 Q1", "starts_on": day(-30), "ends_on": day(60), "time_zone": ZONE}
        id: str = self.done("/v1/cycles", body)["id"]
        self.done(f"/v1/cycles/{id}/start")
        return id

    def objective(self, cycle_id: str, **members: Any) -> str:
        body = {"cycle_id": cycle_id, "title": "Teams choose us", "owner_id": "member", "level": "department"}
        id: str = self.done("/v1/objectives", body | members)["id"]
        return id

    def draft(self, objective_id: str, **members: Any) -> str:
        body = {
            "title": "Builds a day",
            "owner_id": "member",
            "direction": "increase",
            "baseline": "0",
            "target": "100",
            "deadline": day(59),
        }
        id: str = self.done(f"/v1/objectives/{objective_id}/key-results", body | members)["id"]
        return id

    def key_result(self, **members: Any) -> str:
        """A committed key result in a running cycle."""
        objective_id = self.objective(self.cycle())
        id = self.draft(objective_id, **members)
        self.done(f"/v1/objectives/{objective_id}/commit")
        return id


def read(answer: TestResponse) -> Json:
    body = answer.get_json()
    assert isinstance(body, dict)
    return body


def rules(answer: TestResponse) -> dict[str | None, str]:
    """The broken rule of each field that a problem names."""
    return {each["field"]: each["rule"] for each in read(answer)["errors"]}
