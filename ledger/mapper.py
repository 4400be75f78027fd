"""Between facts and their stored JSON: one writer and one reader for each kind of fact, made from its fields.

What is written never varies (see ledger.line); what is read is checked for its shape only. Free text of people
leaves the fact here: a commitment takes its place, the words and their salt travel beside it.
"""

from __future__ import annotations

import dataclasses
import os
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any, Self
from uuid import UUID

import msgspec
from eventsourcing.persistence import Mapper, StoredEvent

import domain.cycle
import domain.feed
import domain.key_result
import domain.measurement
import domain.objective
import domain.team  # noqa: F401 - importing the aggregates declares their facts
from domain.stream import FACTS, Event, Fact, Text
from ledger.line import as_time

TEXT_SALT_SIZE = 32

Writer = Callable[[Any], Any]
Reader = Callable[[bytes | msgspec.Raw], Fact]

_is_plain = re.compile(r"[0-9]+(\.[0-9]+)?").fullmatch
_encode = msgspec.json.Encoder().encode
_made_writers: dict[type, tuple[tuple[str, str, Writer | None], ...]] = {}
_made_readers: dict[type[Fact], Reader] = {}


@dataclass(frozen=True, slots=True)
class SealedText:
    """Words that lie beside the ledger: the field they belong to, and the salt of their commitment."""

    field: str
    text: str
    salt: bytes
    commitment: str

    @classmethod
    def seal(cls, field: str, text: str) -> Self:
        salt = os.urandom(TEXT_SALT_SIZE)
        return cls(field, text, salt, commitment(salt, text))


def commitment(salt: bytes, text: str) -> str:
    """64 hex digits of SHA-256 over the salt and the text in UTF-8."""
    return sha256(salt + text.encode()).hexdigest()


@dataclass(frozen=True)
class DraftedEvent(StoredEvent):
    """A stored event on its way in: with the fact itself, its schema version and the words it is to leave out."""

    fact: Fact
    schema: int
    texts: tuple[SealedText, ...]


@dataclass(frozen=True)
class RecordedEvent(StoredEvent):
    """A stored event as it stands in the ledger: with its schema version, position and time."""

    schema: int
    position: int
    recorded_at: datetime


class UnfitNumber(ValueError):
    """A Decimal that has no plain form: not finite, with an exponent, or a negative zero."""


class FactMapper(Mapper[UUID]):
    """Maps `domain.stream.Event` to stored events and back."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        fact: Fact = domain_event.fact
        texts: list[SealedText] = []
        members: dict[str, Any] = {}
        for name, key, write in _writers(type(fact)):
            value = getattr(fact, name)
            if value is None:
                continue
            if write is _seal and value.content is not None:
                sealed = SealedText.seal(name, value.content)
                texts.append(sealed)
                members[key] = sealed.commitment
            else:
                members[key] = value if write is None else write(value)
        return DraftedEvent(
            originator_id=domain_event.originator_id,
            originator_version=domain_event.originator_version,
            topic=fact.TYPE,
            state=_encode(members),
            fact=fact,
            schema=fact.SCHEMA,
            texts=tuple(texts),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        recorded = typing.cast(RecordedEvent, stored_event)
        return Event(
            typing.cast(UUID, recorded.originator_id),
            recorded.originator_version,
            read_fact(recorded.topic, recorded.schema, recorded.state),
            recorded.position,
            recorded.recorded_at,
        )


def read_fact(type_name: str, schema: int, data: bytes | msgspec.Raw) -> Fact:
    """The fact that stands in a line's data. Raises LookupError for an unknown type or a newer schema."""
    cls = FACTS.get(type_name)
    if cls is None:
        raise LookupError(f"the ledger holds a fact of unknown type {type_name}")
    if schema > cls.SCHEMA:
        raise LookupError(f"the ledger holds {type_name} in schema {schema}; this program knows {cls.SCHEMA}")
    return _reader(cls)(data)


def _seal(text: Text) -> str:
    """What stands in the line for a text whose words are not at hand: the commitment it was read with."""
    if text.commitment is None:
        raise ValueError("a text has either words or a commitment")
    return text.commitment


def _write_decimal(value: Decimal) -> str:
    text = str(value)
    if _is_plain(text):
        return text
    sign, _, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent > 0 or (sign and not value):
        raise UnfitNumber(f"{value} cannot be recorded: not a plain number")
    # str() turns to an exponent below 1e-6; the format never does.
    return f"{value:f}"


def _write_struct(value: Any) -> dict[str, Any]:
    members = {}
    for name, key, write in _writers(type(value)):
        member = getattr(value, name)
        if member is not None:
            members[key] = member if write is None else write(member)
    return members


def _writers(cls: type) -> tuple[tuple[str, str, Writer | None], ...]:
    """For each field in order: its name, its name in JSON, and what writes it (None: as it is)."""
    made = _made_writers.get(cls)
    if made is None:
        hints = typing.get_type_hints(cls)
        made = _made_writers[cls] = tuple(
            (field.name, field.name.rstrip("_"), _writer(hints[field.name])) for field in dataclasses.fields(cls)
        )
    return made


def _writer(hint: Any) -> Writer | None:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        (inner,) = (argument for argument in typing.get_args(hint) if argument is not type(None))
        return _writer(inner)
    if origin is tuple:
        write = _writer(typing.get_args(hint)[0])
        return list if write is None else lambda values: [write(value) for value in values]
    if origin is dict or hint in (str, int, bool):
        return None
    if hint is Text:
        return _seal
    if hint is Decimal:
        return _write_decimal
    if hint is datetime:
        return as_time
    if hint is date:
        return date.isoformat
    if hint is UUID:
        return str
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return str
    if dataclasses.is_dataclass(hint):
        return _write_struct
    raise TypeError(f"a fact cannot hold {hint}")


def _reader(cls: type[Fact]) -> Reader:
    made = _made_readers.get(cls)
    if made is None:
        made = _made_readers[cls] = _make_reader(cls)
    return made


def _make_reader(cls: type[Fact]) -> Reader:
    decode = msgspec.json.Decoder(cls, dec_hook=_read_text).decode
    renamed = {key: name for name, key, _ in _writers(cls) if key != name}
    if not renamed:
        return decode
    decode_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    rename = msgspec.json.Encoder().encode

    def read(data: bytes | msgspec.Raw) -> Fact:
        members = decode_members(data)
        return decode(rename({renamed.get(key, key): value for key, value in members.items()}))

    return read


def _read_text(cls: type, value: Any) -> Any:
    if cls is not Text:
        raise NotImplementedError(f"a fact cannot hold {cls}")
    return Text(commitment=value)
