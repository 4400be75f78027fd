"""Messages of a topic, to try a feed on, read without leaving a trace there.

Each comes back as the API's dry run takes it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from cli.client import Json
from cli.feeds_messages import of_bytes
from cli.output import Failure
from workers.feeds.consumer import ANSWER_MS, close_quietly, open_client
from workers.feeds.settings import WorkerSettings

POLL_MS = 300


class Topics:
    """Some topics of a broker, read without joining a group and without committing anything.

    Methods raise a Failure where the broker does not answer or has no such topic. Close it, or use it in `with`.
    """

    def __init__(self, settings: WorkerSettings, topics: Sequence[str]) -> None:
        self._settings = settings
        try:
            self._consumer: Any = open_client(
                KafkaConsumer,
                **settings.connection_options(),
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                isolation_level="read_uncommitted" if settings.is_trial else "read_committed",
                request_timeout_ms=2 * ANSWER_MS,
                metrics_enabled=False,
            )
        except KafkaError as error:
            raise Failure(f"no broker answers at {settings.bootstrap_servers}: {error}.") from None
        try:
            self._partitions = [
                TopicPartition(topic, number) for topic in topics for number in sorted(self._numbers(topic))
            ]
            self._consumer.assign(self._partitions)
            self._begin = self._consumer.beginning_offsets(self._partitions, timeout_ms=ANSWER_MS)
            self._end = self._consumer.end_offsets(self._partitions, timeout_ms=ANSWER_MS)
        except BaseException as error:
            self.close()
            raise (_failed(error) if isinstance(error, KafkaError) else error) from None

    def __enter__(self) -> Topics:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        close_quietly(self._consumer)

    def last(self, most: int, seconds: float) -> list[Json]:
        """The last messages, in the order of their times."""
        starts = {each: max(self._begin[each], self._end[each] - most) for each in self._partitions}
        found = sorted(self._read(starts, seconds), key=_by_time)
        return found[-most:]

    def between(self, since: datetime | None, until: datetime | None, most: int, seconds: float) -> list[Json]:
        """The first messages of the time from `since` up to, not including, `until`, by the broker's timestamps."""
        starts = dict(self._begin)
        earliest = None if since is None else int(since.timestamp() * 1000)
        latest = None if until is None else int(until.timestamp() * 1000)
        if earliest is not None and not self._settings.is_trial:  # the trial broker cannot look offsets up by time
            try:
                at = self._consumer.offsets_for_times(dict.fromkeys(self._partitions, earliest), timeout_ms=ANSWER_MS)
            except KafkaError as error:
                raise _failed(error) from None
            starts = {each: self._end[each] if at.get(each) is None else at[each].offset for each in starts}
        inside = (
            each
            for each in self._read(starts, seconds)
            if (earliest is None or each["timestamp"] >= earliest) and (latest is None or each["timestamp"] < latest)
        )
        found = [each for _, each in zip(range(most), inside, strict=False)]
        return sorted(found, key=_by_time)

    def _numbers(self, topic: str) -> set[int]:
        numbers: set[int] | None = self._consumer.partitions_for_topic(topic)
        if not numbers:
            raise Failure(f"the broker at {self._settings.bootstrap_servers} has no topic {topic}.")
        return numbers

    def _read(self, starts: dict[TopicPartition, int], seconds: float) -> Iterator[Json]:
        """Messages from the starts to the ends as they were, until the time is over."""
        deadline = time.monotonic() + seconds
        for partition, offset in starts.items():
            self._consumer.seek(partition, offset)
        try:
            while time.monotonic() < deadline:
                left = [each for each in starts if self._consumer.position(each) < self._end[each]]
                if not left:
                    return
                for partition, records in self._consumer.poll(POLL_MS).items():
                    yield from (_of_record(each) for each in records if each.offset < self._end[partition])
        except KafkaError as error:
            raise _failed(error) from None


def _of_record(record: Any) -> Json:
    message: Json = {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp if record.timestamp and record.timestamp > 0 else None,
        "headers": [{"name": name, **of_bytes("value", value)} for name, value in record.headers],
    }
    return message | of_bytes("key", record.key) | of_bytes("value", record.value)


def _by_time(message: Json) -> tuple[Any, ...]:
    return (message["timestamp"] or 0, message["topic"], message["partition"], message["offset"])


def _failed(error: BaseException) -> Failure:
    return Failure(f"the broker does not let us read: {error}.")
