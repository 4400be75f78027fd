"""The kinds of values in bodies and addresses: how each is read, and what the specification says of it.

Each field reads one JSON value (numbers arrive as Decimals) or refuses it with a `Fault`, a message that knows the
rule it speaks for. `described` hands the JSON Schema of each to the specification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from marshmallow import fields

from api.faults import refuse
from domain.command import opaque_id
from domain.errors import Invalid
from domain.numbers import MEASURE_PATTERN, MEASURE_RULE, measure
from domain.words import TEXT_LENGTH, TITLE_LENGTH

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)

MOST_POSITION = 2**63 - 1
ONE_LINE = r"^[^\u0000-\u001f\u007f-\u009f]*$"

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]{1,12})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"0|[1-9][0-9]{0,18}")


class Said(fields.Field[T]):
    """A value of one kind: `schema` is its JSON Schema."""

    schema: ClassVar[Mapping[str, Any]]

    def json_schema(self) -> dict[str, Any]:
        return dict(self.schema)

    def read(self, value: Any) -> T:
        """The value in its kind; a ValidationError made by `refuse` where it is of another."""
        raise NotImplementedError

    def _deserialize(self, value: Any, *_: Any, **__: Any) -> T:
        return self.read(value)


class Measure(Said[Decimal]):
    """An exact number: written as text, or as a JSON number read as a Decimal."""

    schema: ClassVar = {
        "oneOf": [{"type": "string", "pattern": f"^{MEASURE_PATTERN}$"}, {"type": "number"}],
        "examples": ["12.50"],
    }

    def read(self, value: Any) -> Decimal:
        if not isinstance(value, str | Decimal):
            raise refuse("measure", MEASURE_RULE)
        try:
            return measure(value)
        except ValueError as error:
            raise refuse("measure", str(error)) from None


class Whole(Said[int]):
    """A whole number within bounds."""

    schema: ClassVar = {"type": "integer"}

    def __init__(self, *, least: int, most: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.least, self.most = least, most

    def json_schema(self) -> dict[str, Any]:
        return {"type": "integer", "minimum": self.least, "maximum": self.most}

    def read(self, value: Any) -> int:
        # Compared before it is made an int: 1E+400000 would fill the memory.
        if (
            isinstance(value, Decimal)
            and value.is_finite()
            and self.least <= value <= self.most
            and value == value.to_integral_value()
        ):
            return int(value)
        raise refuse("whole_number", f"a whole number from {self.least} to {self.most} is expected")


class Count(Whole):
    """A whole number in an address, written in digits."""

    def read(self, value: Any) -> int:
        digits = isinstance(value, str) and _DIGITS.fullmatch(value)
        return super().read(Decimal(value) if digits else None)


class Moment(Said[datetime]):
    """RFC 3339 with an offset; the answer is in UTC, cut to microseconds. A leap second is the next minute's first."""

    schema: ClassVar = {"type": "string", "format": "date-time", "examples": ["2025-11-11T09:30:00+08:00"]}

    def read(self, value: Any) -> datetime:
        match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise refuse("moment", "a moment is written as in RFC 3339, with its offset: 2025-11-11T09:30:00+08:00")
        day, minute, second, fraction, offset = match.groups()
        leap = second == "60"
        try:
            moment = datetime.fromisoformat(
                f"{day}T{minute}:{'59' if leap else second}{(fraction or '.0')[:7]}{offset.upper()}"
            )
            if leap:
                moment = moment.replace(microsecond=0) + timedelta(seconds=1)
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise refuse("moment", f"{value} is no moment of the calendar") from None


class MomentInAddress(Moment):
    """The same in an address, where an unescaped + has become a space."""

    def read(self, value: Any) -> datetime:
        return super().read(value.replace(" ", "+"))


class Day(Said[date]):
    """A day of the calendar, ISO 8601."""

    schema: ClassVar = {"type": "string", "format": "date", "examples": ["2025-12-31"]}

    def read(self, value: Any) -> date:
        if not isinstance(value, str) or _DAY.fullmatch(value) is None:
            raise refuse("day", "a day is written as 2025-12-31")
        try:
            return date.fromisoformat(value)
        except ValueError:
            raise refuse("day", f"{value} is no day of the calendar") from None


class Id(Said[UUID]):
    """A UUID in its usual form."""

    schema: ClassVar = {"type": "string", "format": "uuid"}

    def read(self, value: Any) -> UUID:
        if not isinstance(value, str) or _ID.fullmatch(value) is None:
            raise refuse("uuid", "an id is a UUID such as 0198c0de-0000-7000-8000-000000000000")
        return UUID(value)


class OpaqueId(Said[str]):
    """The id of a person or machine; no name and no address, since the ledger keeps it for ever."""

    schema: ClassVar = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$", "examples": ["u-1042"]}

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse("text", "a text is expected")
        try:
            return opaque_id(value, self.name or "id")
        except Invalid as refusal:
            raise refuse(refusal.rule, str(refusal)) from None


class Words(Said[str]):
    """Text of people: `longest` characters at most; NUL and other control characters only as newline and tab."""

    schema: ClassVar = {"type": "string"}

    def __init__(self, *, longest: int = TEXT_LENGTH, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.longest = longest

    def json_schema(self) -> dict[str, Any]:
        pattern = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$"
        return {"type": "string", "maxLength": self.longest, "pattern": pattern}

    def read(self, value: Any) -> str:
        if not isinstance(value, str):
            raise refuse("text", "a text is expected")
        if len(value) > self.longest:
            raise refuse("length", f"a text of at most {self.longest} characters is expected")
        if any(is_control(character) and character not in "\n\t\r" for character in value):
            raise refuse("characters", "control characters other than newline and tab are not taken")
        return value


class Title(Words):
    """One line of text that is not empty."""

    def __init__(self, *, longest: int = TITLE_LENGTH, **kwargs: Any) -> None:
        super().__init__(longest=longest, **kwargs)

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.longest, "pattern": ONE_LINE}

    def read(self, value: Any) -> str:
        text = super().read(value)
        if any(is_control(character) for character in text):
            raise refuse("characters", "one line without control characters is expected")
        if not text.strip():
            raise refuse("not_empty", "this must not be empty")
        return text


class OneOf(Said[E]):
    """One word of a fixed list."""

    schema: ClassVar = {"type": "string"}

    def __init__(self, choices: type[E], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def json_schema(self) -> dict[str, Any]:
        return {"type": "string", "enum": [str(choice) for choice in self.choices]}

    def read(self, value: Any) -> E:
        try:
            return self.choices(value)
        except ValueError:
            raise refuse("choice", f"one of {', '.join(self.choices)} is expected") from None


class Flag(Said[bool]):
    """true or false, in an address."""

    schema: ClassVar = {"type": "boolean"}

    def read(self, value: Any) -> bool:
        if value not in ("true", "false"):
            raise refuse("choice", "true or false is expected")
        return bool(value == "true")


class Part(Said[Any]):
    """A part that the domain reads itself; the specification says what it may be."""

    schema: ClassVar = {}

    def __init__(self, said: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.said = said

    def json_schema(self) -> dict[str, Any]:
        return dict(self.said)

    def read(self, value: Any) -> Any:
        return value


def is_control(character: str) -> bool:
    """Whether it is a control character or half of a surrogate pair."""
    return character < " " or "\x7f" <= character <= "\x9f" or "\ud800" <= character <= "\udfff"


def described(_: Any, field: fields.Field[Any], **__: Any) -> dict[str, Any]:
    """What the specification says of a field of ours (an attribute function of apispec's converter)."""
    if not isinstance(field, Said):
        return {}
    schema = field.json_schema()
    if field.allow_none:
        several = next((name for name in ("oneOf", "anyOf") if name in schema), None)
        if several is not None:
            schema[several] = [*schema[several], {"type": "null"}]
        else:
            schema["type"] = [schema["type"], "null"]
        if "enum" in schema:
            schema["enum"] = [*schema["enum"], None]
    return schema
