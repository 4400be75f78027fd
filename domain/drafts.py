"""What a draft says, and how a revision of it is told: the algebra that objectives and key results share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

from domain.errors import invalid
from domain.stream import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The fields that a draft may have changed freely. What is absent is None.

    A fact that drafts it has all of these fields; one that revises it has them too, and `cleared`: the names of those
    that were taken away, since None there says that a field did not change.
    """

    REQUIRED: ClassVar[tuple[str, ...]]

    @classmethod
    def of(cls, drafted: Fact) -> Self:
        """As the fact that drafted it says."""
        return cls(**{field.name: getattr(drafted, field.name) for field in fields(cls)})

    def given(self) -> dict[str, Any]:
        """The fields that are not absent."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def changed(self, changes: Mapping[str, Any]) -> Self:
        """With each named field set to its value, None to take it away; `Invalid` where it cannot be."""
        for required in self.REQUIRED:
            if required in changes and changes[required] is None:
                invalid(required, "required", f"{required} cannot be taken away")
        return replace(self, **changes)

    def difference(self, revised: Self) -> dict[str, Any]:
        """The members of the fact that tells of the revision; empty where it changes nothing."""
        before, after = self.given(), revised.given()
        members = {name: value for name, value in after.items() if before.get(name) != value}
        if cleared := tuple(sorted(before.keys() - after.keys())):
            members["cleared"] = cleared
        return members

    def revised(self, fact: Any) -> Self:
        """As the fact that tells of a revision leaves it."""
        values = {field.name: getattr(fact, field.name) for field in fields(self)}
        changes = {name: value for name, value in values.items() if value is not None}
        return replace(self, **changes | dict.fromkeys(fact.cleared or ()))
