"""What the HTTP API must be told. Who starts it reads the environment; nothing below here does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """One process of the API.

    pool_size: connections to the database; at least the number of threads.
    wait_seconds: how long a request waits for the views to reach a position that it names or has just written.
    fresh_seconds: how long a read that names no position waits for what was recorded before it came.
    max_body: bytes of a request's body.
    most_lag_seconds: how old the oldest fact that the views lack may be before /readyz says no.
    """

    database_url: str
    pool_size: int = 8
    wait_seconds: float = 2.0
    fresh_seconds: float = 0.25
    max_body: int = 256 * 1024
    most_lag_seconds: float = 30.0
