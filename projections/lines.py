"""Lines of the ledger as the read models take them in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from domain.key_result import ProgressRecorded
from domain.measurement import MeasurementRecorded, MeasurementWindowMoved
from domain.stream import FACTS
from ledger.line import Who
from ledger.mapper import read_fact

D = TypeVar("D")


class UnknownFact(LookupError):
    """The ledger holds a fact that this program's views do not know: a newer program must build them."""


class Told(msgspec.Struct, Generic[D], gc=False):
    """What a line says of its fact. The id of the stream is a text, as it stands in the line and goes into a table."""

    position: int
    stream: str
    version: int
    type: str
    schema: int
    recorded_at: datetime
    who: Who
    data: D


class Progress(msgspec.Struct, gc=False):
    """Of a person's progress: the value and when it was true, as texts."""

    value: str
    effective_at: str


class Measured(msgspec.Struct, gc=False):
    """Of what a feed measured: for which key result, the value and when it was true, as texts."""

    key_result_id: str
    effective_at: str
    value: str | None = None


# Most facts are these. Read whole, with their provenance, they take three times as long; and their texts go into the
# tables as they stand, since a line has one way to write a number and a time.
_READ_IN_PART: dict[str, Callable[[str], Told[Any]]] = {
    ProgressRecorded.TYPE: msgspec.json.Decoder(Told[Progress]).decode,
    MeasurementRecorded.TYPE: msgspec.json.Decoder(Told[Measured]).decode,
    MeasurementWindowMoved.TYPE: msgspec.json.Decoder(Told[Measured]).decode,
}
_read_line = msgspec.json.Decoder(Told[msgspec.Raw]).decode


def read(type: str, line: str) -> tuple[Told[Any], Any]:
    """The line and its fact; of progress and measurements only `Progress` and `Measured`. Raises `UnknownFact`."""
    told: Told[Any]
    read_in_part = _READ_IN_PART.get(type)
    if read_in_part is not None:
        told = read_in_part(line)
        if told.schema <= FACTS[type].SCHEMA:
            return told, told.data
    told = _read_line(line)
    try:
        return told, read_fact(told.type, told.schema, told.data)
    except LookupError as error:
        raise UnknownFact(f"at position {told.position}: {error}") from None
