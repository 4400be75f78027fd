"""Who acts, when, and why: what every decision is given besides its own values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.errors import Breach, Breaches, Forbidden, invalid
from domain.stream import Text

_ACTOR_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}")


class ActorKind(StrEnum):
    """What stands behind an action."""

    PERSON = "person"
    TOKEN = "token"  # noqa: S105 - a kind of actor, not a secret
    FEED = "feed"
    IMPORT = "import"


class ReasonCode(StrEnum):
    """The kinds of reason for which a committed goal may change."""

    MARKET_CHANGE = "market_change"
    WRONG_ASSUMPTION = "wrong_assumption"
    RESOURCES = "resources"
    DEPENDENCY = "dependency"
    SCOPE = "scope"
    DATA_ERROR = "data_error"
    OTHER = "other"


def opaque_id(value: str, field: str) -> str:
    """A person's or machine's id as it may stand in the ledger for ever; `Invalid` for anything else.

    What is in a line cannot be erased, so an id must not tell who somebody is. An e-mail address cannot be one;
    that `anna.mueller` is a name no rule can know: give out numbers or random ids where persons may ask for erasure.
    """
    if not _ACTOR_ID.fullmatch(value):
        invalid(field, "opaque_id", f"{field} must be an opaque id of 1-64 letters, digits, '.', '_', ':' or '-'")
    return value


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts. `is_admin` is the only right that the domain itself knows; the rest follows from ownership."""

    id: str
    kind: ActorKind = ActorKind.PERSON
    on_behalf_of: str | None = None
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class Why:
    """The reason for a change: a code for counting, and words for understanding."""

    code: ReasonCode | None = None
    text: Text | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """The circumstances of one decision.

    `now` is the caller's clock (aware, UTC). `expected_version` is the version that the actor looked at; the
    decision is refused as stale when the stream has moved on. `request_id` and `causation` are for tracing.
    """

    actor: Actor
    now: datetime
    why: Why = Why()
    expected_version: int | None = None
    request_id: str | None = None
    causation: UUID | None = None

    def must_say_why(self) -> None:
        """Refuse a change to a committed goal that has no reason code or no words."""
        breaches = Breaches()
        if self.why.code is None:
            breaches.add("reason_code", "reason_required", "a committed goal changes only with a reason_code")
        if self.why.text is None:
            breaches.add("reason", "reason_required", "a committed goal changes only with a reason in words")
        breaches.refuse_if_any()

    def must_give_words(self) -> None:
        """Refuse what may happen without a reason code but not without words."""
        if self.why.text is None:
            invalid("reason", "reason_required", "this needs a reason in words")

    def must_be_one_of(self, people: set[str], what: str) -> None:
        """Refuse unless the actor is an admin or one of `people`."""
        if not self.actor.is_admin and self.actor.id not in people:
            raise Forbidden(Breach(None, "not_responsible", f"only its owner, the team's lead or an admin may {what}"))
