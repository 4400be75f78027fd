"""What the business systems of the demonstration's quarter sent, made by a seeded generator.

The same first day gives the same messages, byte for byte. So playing them again changes no number: they are the
contributions that are there already. What comes to pass as real CRMs let it: deals that are updated five times,
won, lost, won and then lost, corrected, sent twice, and deleted with a tombstone; deployments, and incidents.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from cli.demo.narrator import LENGTH, TIME_ZONE

DEALS = "crm.public.deals"
DELIVERY = "cd.events"

_SEED = 1111
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DEALS_A_DAY = 3
_SERVICES = ("feed-ranking", "creator-studio", "payments", "push")


@dataclass(frozen=True, slots=True)
class Sent:
    """A message and when its system sent it. A `value` of None is a tombstone."""

    at: datetime
    topic: str
    key: bytes
    value: bytes | None


def messages(starts_on: date, until: datetime) -> list[Sent]:
    """All that was sent from the quarter's first day until the moment, in order."""
    dice = random.Random(_SEED)  # noqa: S311 - no secret
    sent = [*_deals(starts_on, dice), *_deliveries(starts_on, dice)]
    return sorted((each for each in sent if each.at <= until), key=lambda each: each.at)


def _days(starts_on: date) -> Iterator[datetime]:
    for day in range(LENGTH.days):
        yield datetime.combine(starts_on + timedelta(days=day), time(9), ZoneInfo(TIME_ZONE)).astimezone(UTC)


# The CRM: changes of a table of deals, as Debezium tells them


def _deals(starts_on: date, dice: random.Random) -> Iterator[Sent]:
    number = 7000
    for morning in _days(starts_on):
        for _ in range(_DEALS_A_DAY):
            number += 1
            yield from _deal(number, morning + timedelta(minutes=dice.randrange(540)), dice)


def _deal(number: int, at: datetime, dice: random.Random) -> Iterator[Sent]:
    """The life of one deal."""
    thousands = dice.randrange(20, 160)
    row: dict[str, Any] = {
        "id": number,
        "account": f"A-{dice.randrange(100, 180)}",
        "stage": "qualified",
        "amount": f"{thousands}000.00",
        "closed_at": None,
    }
    change = _change("c", row, at)
    yield change
    if dice.random() < 0.1:
        yield _again(change, minutes=3)
    for stage in ("proposal", "negotiation"):
        at += timedelta(hours=dice.randrange(8, 90))
        thousands -= dice.randrange(4)
        row = row | {"stage": stage, "amount": f"{thousands}000.00"}
        yield _change("u", row, at)
    at += timedelta(hours=dice.randrange(12, 200))
    fate = dice.random()
    won = row | {"stage": "closed_won", "closed_at": _time(at)}
    lost = row | {"stage": "closed_lost", "closed_at": _time(at)}
    if fate < 0.45:
        change = _change("u", won, at)
        yield change
        if fate < 0.06:
            yield _again(change, minutes=45)
        elif fate < 0.12:
            yield _change("u", won | {"amount": f"{dice.randrange(20, 160)}500.00"}, at + timedelta(hours=5))
        elif fate < 0.17:
            yield _change("u", lost, at + timedelta(days=3))
        elif fate < 0.20:
            yield from _deleted(won, at + timedelta(days=2))
    elif fate < 0.85:
        yield _change("u", lost, at)
    elif fate < 0.90:
        yield from _deleted(row, at)


def _change(op: str, row: dict[str, Any], at: datetime, before: dict[str, Any] | None = None) -> Sent:
    milliseconds = (at - _EPOCH) // timedelta(milliseconds=1)
    source = {
        "version": "3.0.8.Final",
        "connector": "postgresql",
        "name": "crm",
        "ts_ms": milliseconds,
        "snapshot": "false",
        "db": "crm",
        "schema": "public",
        "table": "deals",
        "lsn": milliseconds,  # the place in the database's log, by which changes of one row are ordered
    }
    value = {
        "before": before,
        "after": None if op == "d" else row,
        "source": source,
        "op": op,
        "ts_ms": milliseconds + 120,
    }
    return Sent(at, DEALS, _json({"id": row["id"]}), _json(value))


def _deleted(row: dict[str, Any], at: datetime) -> Iterator[Sent]:
    yield _change("d", row, at, before=row)
    yield Sent(at + timedelta(milliseconds=1), DEALS, _json({"id": row["id"]}), None)


def _again(sent: Sent, *, minutes: int) -> Sent:
    """The same message a second time, as connectors send it after a crash."""
    return Sent(sent.at + timedelta(minutes=minutes), sent.topic, sent.key, sent.value)


# Continuous delivery: deployments and incidents as CDEvents


def _deliveries(starts_on: date, dice: random.Random) -> Iterator[Sent]:
    for day, morning in enumerate(_days(starts_on)):
        if (starts_on + timedelta(days=day)).weekday() >= 5:
            continue
        for service in _SERVICES:
            if dice.random() >= 0.35:
                continue
            at = morning + timedelta(minutes=dice.randrange(480))
            artifact = f"pkg:oci/{service}@sha256:{dice.getrandbits(256):064x}"
            deployed = _event("service.deployed.0.2.0", service, artifact, "production", at, dice)
            yield _event("service.deployed.0.2.0", service, artifact, "staging", at - timedelta(minutes=40), dice)
            yield deployed
            if dice.random() < 0.08:
                yield _again(deployed, minutes=1)
            if dice.random() < 0.14:
                found = at + timedelta(minutes=dice.randrange(10, 200))
                yield _event("incident.detected.0.2.0", service, artifact, "production", found, dice)


def _event(kind: str, service: str, artifact: str, environment: str, at: datetime, dice: random.Random) -> Sent:
    event = {
        "context": {
            "version": "0.4.1",
            "id": f"{dice.getrandbits(128):032x}",
            "source": f"/delivery/{environment}",
            "type": f"dev.cdevents.{kind}",
            "timestamp": _time(at),
        },
        "subject": {
            "id": service,
            "source": f"/delivery/{environment}",
            "content": {"environment": {"id": environment}, "artifactId": artifact},
        },
    }
    return Sent(at, DELIVERY, service.encode(), _json(event))


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _json(tree: object) -> bytes:
    return json.dumps(tree, ensure_ascii=False, separators=(",", ":")).encode()
