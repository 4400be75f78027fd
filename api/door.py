"""The first thing that every question asks, in one statement: who calls, and how far are the ledger and its views."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from flask import Request
from psycopg import Connection
from psycopg.rows import DictRow

from api.auth import Caller, admit, token_text
from ledger.tokens import COLUMNS, digest, token_of


class Heads(NamedTuple):
    """The size of the ledger, and the position that the views have reached."""

    size: int
    reached: int


_KNOCK = f"""
    SELECT h.size, p.position, {", ".join(f"t.{column}" for column in COLUMNS.split(", "))}
      FROM ledger.head AS h LEFT JOIN progress AS p ON true LEFT JOIN people.tokens AS t ON t.token_hash = %s
"""


def knock(connection: Connection[DictRow], request: Request, now: datetime) -> tuple[Caller, Heads]:
    """The caller, and the heads as they are. 401 as `authenticate`."""
    text = token_text(request)
    row = connection.execute(_KNOCK, [digest(text)], prepare=True).fetchone()
    token = None if row is None or row["id"] is None else token_of(row)
    caller = admit(connection, token, now)
    return caller, Heads(0, 0) if row is None else Heads(row["size"], row["position"] or 0)
