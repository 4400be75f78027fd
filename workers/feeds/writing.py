"""Batches are written in a thread of their own, one at a time: the next is read while the database works."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from kafka import TopicPartition

from workers.feeds.batch import Applied


@dataclass(frozen=True, slots=True)
class Written:
    """A batch that is in the database: what became of it, how long it took, and where reading goes on."""

    applied: Applied
    seconds: float
    offsets: Mapping[TopicPartition, int]


class BatchFailed(Exception):
    """The batch is not, or not wholly, in the database; its cause says why, and the database says how far."""

    def __init__(self, partitions: set[TopicPartition]) -> None:
        super().__init__("a batch was not written")
        self.partitions = partitions


class Writer:
    """Writes what it is given. `finish` must be called before it is given more."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._writing: tuple[Future[Written], set[TopicPartition]] | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a batch is being written at this moment."""
        return self._writing is not None and not self._writing[0].done()

    def begin(self, apply: Callable[[], Applied], offsets: Mapping[TopicPartition, int]) -> None:
        """Write a batch, after which its partitions are read on at `offsets`."""

        def write() -> Written:
            began = time.monotonic()
            applied = apply()
            return Written(applied, time.monotonic() - began, offsets)

        self._writing = (self._thread.submit(write), set(offsets))

    def finish(self) -> Written | None:
        """Wait for the batch that is being written; None where there is none. Raises `BatchFailed`."""
        if self._writing is None:
            return None
        (future, partitions), self._writing = self._writing, None
        try:
            return future.result()
        except Exception as error:
            raise BatchFailed(partitions) from error

    def close(self) -> None:
        """Wait for what is being written, and end."""
        self._thread.shutdown()
