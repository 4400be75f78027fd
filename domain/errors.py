"""Why a decision was refused.

    Refusal
    ├── Invalid     a value breaks a rule
    ├── Conflict    the state does not allow it
    ├── Forbidden   this actor may not
    ├── Unknown     there is no such thing
    └── Stale       the actor decided on an older version

Each names, for every breach, the field (where there is one), the rule as a short slug, and a sentence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn


@dataclass(frozen=True, slots=True)
class Breach:
    """One broken rule: which field, which rule, and a sentence for a person."""

    field: str | None
    rule: str
    message: str


class Refusal(Exception):
    """A decision was refused and nothing happened."""

    def __init__(self, *breaches: Breach) -> None:
        super().__init__("; ".join(breach.message for breach in breaches))
        self.breaches = breaches

    @property
    def rule(self) -> str:
        """The slug of the first broken rule."""
        return self.breaches[0].rule


class Invalid(Refusal):
    """A value breaks a rule."""


class Conflict(Refusal):
    """The state as it stands does not allow the decision."""


class Forbidden(Refusal):
    """This actor may not take the decision."""


class Unknown(Refusal):
    """What the decision is about does not exist."""


class Stale(Refusal):
    """The actor named a version that is no longer the last."""


class Breaches:
    """Collects everything that is wrong with a set of values, so that a person hears it all at once."""

    def __init__(self) -> None:
        self._found: list[Breach] = []

    def add(self, field: str | None, rule: str, message: str) -> None:
        self._found.append(Breach(field, rule, message))

    def refuse_if_any(self) -> None:
        """Raise `Invalid` with all that was added; nothing where nothing was."""
        if self._found:
            raise Invalid(*self._found)


def invalid(field: str | None, rule: str, message: str) -> NoReturn:
    raise Invalid(Breach(field, rule, message))


def conflict(rule: str, message: str, field: str | None = None) -> NoReturn:
    raise Conflict(Breach(field, rule, message))
