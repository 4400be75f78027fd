"""Which life of each topic the broker is in.

A topic that was deleted and created again starts over at offset 0, and the consumer does not notice: it goes on
at its old offset in the new topic. The broker gives each life an id; offsets belong to that id, the *epoch*.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import Any

from kafka import KafkaAdminClient

from workers.feeds.consumer import ANSWER_MS, close_quietly, open_client
from workers.feeds.settings import WorkerSettings


class TopicLives:
    """Asks the broker for the epochs of topics, and knows how old its last answer is."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._client: KafkaAdminClient | None = None
        self._epochs: dict[str, str] = {}
        self._asked_at = float("-inf")

    def of(self, topic: str) -> str | None:
        """The topic's epoch as of the last answer; None where the broker had no such topic."""
        return self._epochs.get(topic)

    @property
    def age(self) -> float:
        """Seconds since the broker was asked."""
        return time.monotonic() - self._asked_at

    @property
    def is_old(self) -> bool:
        """Whether nothing may be committed before the broker was asked again."""
        return self.age > self._settings.topic_check

    def ask(self, topics: Collection[str]) -> set[str]:
        """Ask the broker; the topics of these whose epoch is another now. Raises KafkaError."""
        asked_at = time.monotonic()
        before = self._epochs
        self._epochs = self._trial_epochs(topics) if self._settings.is_trial else self._described(topics)
        self._asked_at = asked_at
        return {topic for topic in topics if before.get(topic) != self._epochs.get(topic)}

    def close(self) -> None:
        """Stop the client; the next question makes a new one."""
        close_quietly(self._client)
        self._client = None

    def _trial_epochs(self, topics: Collection[str]) -> dict[str, str]:
        epoch = self._settings.trial_epoch
        return {} if epoch is None else dict.fromkeys(topics, epoch)

    def _described(self, topics: Collection[str]) -> dict[str, str]:
        if not topics:
            return {}
        if self._client is None:
            self._client = open_client(
                KafkaAdminClient, **self._settings.connection_options(), request_timeout_ms=ANSWER_MS
            )
        answers: list[dict[str, Any]] = self._client.describe_topics(sorted(topics))
        return {answer["name"]: str(answer["topic_id"]) for answer in answers if answer["error_code"] == 0}
