"""One mapping of a definition, read field by field: whatever is wrong is collected, nothing is raised."""

import difflib
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeVar

from domain.feeds.definition import Problem
from domain.feeds.durations import parse_duration
from domain.feeds.expressions import BadExpression, compile_expression
from domain.feeds.functions import number_from_text
from domain.feeds.reading import exact
from domain.feeds.values import Unfit, number_text

E = TypeVar("E", bound=StrEnum)

Roots = frozenset[str] | None
"""The first names that paths may have; None where they are the sender's own."""

_LARGEST = Decimal(10) ** 26


class Section:
    """A mapping within the definition. Each reading method gives the value, or None and a problem."""

    def __init__(self, members: Mapping[Any, Any], path: str, known: tuple[str, ...], problems: list[Problem]) -> None:
        self.members, self.path, self.problems = members, path, problems
        for name in self.members:
            if name not in known:
                near = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"
                self.bad(str(name)[:60], "unknown", f"there is no such field: {hint}")

    def bad(self, name: str, rule: str, message: str) -> None:
        self.problems.append(Problem(f"{self.path}.{name}" if self.path else name, rule, message))

    def get(self, name: str) -> Any:
        return self.members.get(name)

    def section(self, name: str, *known: str) -> "Section | None":
        """The mapping `name` with the fields `known`; None where it is absent, or no mapping."""
        value = self.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.bad(name, "type", f"must be an object with {', '.join(known)}")
            return None
        return Section(value, f"{self.path}.{name}" if self.path else name, known, self.problems)

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self.get(name)
        if value is None:
            if required:
                self.bad(name, "required", "is required")
            return None
        if not isinstance(value, str) or not value.strip():
            self.bad(name, "type", "must be a text that is not empty")
            return None
        return value.strip()

    def choice(self, name: str, options: type[E], default: E | None, later: Iterable[str] = ()) -> E | None:
        value = self.text(name, required=default is None)
        if value is None:
            return default
        if value in later:
            self.bad(name, "unavailable", f"{value} is not available yet; there are {', '.join(options)}")
        elif value not in list(options):
            self.bad(name, "choice", f"must be one of {', '.join(options)}")
        else:
            return options(value)
        return None

    def expression(self, name: str, roots: Roots, *, required: bool = False) -> str | None:
        text = self.text(name, required=required)
        return None if text is None else self.checked(name, str(self.get(name)), roots)

    def checked(self, name: str, text: str, roots: Roots) -> str | None:
        try:
            expression = compile_expression(text)
        except BadExpression as error:
            self.bad(name, "expression", str(error))
            return None
        known = expression.roots if roots is None else roots
        for root in sorted(expression.roots - known):
            near = difflib.get_close_matches(root, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
            self.bad(name, "expression", f"messages of this format have no member {root[:60]}: {hint}")
        return expression.text

    def duration(self, name: str, *, least: timedelta) -> timedelta | None:
        text = self.text(name)
        if text is None:
            return None
        try:
            length = parse_duration(text)
        except ValueError as error:
            self.bad(name, "duration", str(error))
            return None
        if length < least:
            self.bad(name, "range", "is too short")
            return None
        return length

    def decimal(self, name: str) -> Decimal | None:
        value = self.get(name)
        if value is None:
            return None
        try:
            if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
                raise Unfit("must be a number")
            # What YAML has read as a float is exact up to 15 digits; longer numbers are written in quotes.
            if isinstance(value, float) and len(exact(value).as_tuple().digits) > 15:
                raise Unfit("must stand in quotes to be exact")
            number = number_from_text(value) if isinstance(value, str) else Decimal(str(value))
            if len(number_text(number).partition(".")[2]) > 12 or not -_LARGEST < number < _LARGEST:
                raise Unfit("must have at most 26 digits before and 12 after the point")
        except Unfit as error:
            self.bad(name, "number", str(error))
            return None
        return number

    def integer(self, name: str, least: int, most: int) -> int | None:
        value = self.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and least <= value <= most):
            return value
        self.bad(name, "range", f"must be a whole number from {least} to {most}")
        return None
