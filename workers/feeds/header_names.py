"""Names of headers that are no UTF-8: read with U+FFFD, so that nobody can stop a feed by sending one.

Kafka says that a name is a text, and no broker checks it. kafka-python (3.0.12) fails on such a record each time that
it is fetched, and with it the consumer, whatever else it reads.
"""

from __future__ import annotations

from typing import Any

from kafka.record import memory_records
from kafka.record.default_records import DefaultRecordBatch


class _Lenient(bytes):
    """Bytes of which every slice can be read as a text."""

    def __getitem__(self, key: Any) -> Any:
        found = super().__getitem__(key)
        return found if isinstance(found, int) else _Lenient(found)

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return super().decode(encoding, errors)


class _Batch(DefaultRecordBatch):  # type: ignore[misc]
    __slots__ = ()

    def _read_msg(self) -> Any:
        try:
            return super()._read_msg()
        except UnicodeDecodeError:
            # It reads again where it stood: its place moves only when a record is read.
            batch: Any = self
            strict = batch._buffer
            batch._buffer = _Lenient(strict)
            try:
                return super()._read_msg()
            finally:
                batch._buffer = strict


def read_any_name() -> None:
    """Let the consumers of this process read records whatever the names of their headers."""
    memory_records.DefaultRecordBatch = _Batch
