"""What a feed worker must be told. It never reads the environment itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OLDEST_TRIAL_PROTOCOL = (2, 3)
"""The Kafka version that the trial broker speaks; it cannot be asked for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """One worker process. Workers of one `group` share the partitions among them.

    `security` holds kafka-python's options for TLS and SASL as they are. The trial broker has no topic ids: its
    `trial_epoch`, a UUID made at each of its starts, stands for them. Times are seconds.
    """

    database_url: str = field(repr=False)
    bootstrap_servers: str
    group: str = "okr-feeds"
    client_id: str = "okr-feeds"
    security: Mapping[str, Any] = field(default_factory=dict, repr=False)
    is_trial: bool = False
    trial_epoch: str | None = None
    metrics_port: int | None = None
    batch_size: int = 8_000
    """About how many messages are written in one transaction, where a worker is behind."""
    session_timeout: float = 15
    """Silence after which the broker gives a worker's partitions to another."""
    topic_check: float = 30
    """How old the knowledge of a topic's id may be when a batch of it is committed."""

    def __post_init__(self) -> None:
        if self.is_trial != (self.trial_epoch is not None):
            raise ValueError("a trial broker has a trial_epoch, and only that one has")

    def connection_options(self) -> dict[str, Any]:
        """What every client of this broker is given."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers,
            "client_id": self.client_id,
            **self.security,
        }
        if self.is_trial:
            options["api_version"] = OLDEST_TRIAL_PROTOCOL
        return options
