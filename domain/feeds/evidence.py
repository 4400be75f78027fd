"""Proof of the contributions behind a fact, which lie outside the ledger.

A fact keeps the SHA-256 over one line for each contribution change that it takes in. The format of the line is
fixed from the first fact on; whoever has the contributions can compute the digest again.
"""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import NamedTuple

import orjson

from domain.feeds.contribution import Contribution
from domain.feeds.values import number_text


class EvidenceLine(NamedTuple):
    """One contribution change, as it was taken into a fact. `value` is None where it retracted."""

    topic: str
    epoch: str
    partition: int
    offset: int
    part: str
    entity: str
    version: str
    value: Decimal | None
    effective_at: datetime
    message_sha256: str

    @classmethod
    def of(cls, contribution: Contribution) -> "EvidenceLine":
        return cls(
            *contribution.place,
            contribution.part,
            contribution.entity,
            contribution.version,
            contribution.value,
            contribution.effective_at,
            contribution.message_sha256,
        )

    def written(self) -> bytes:
        """The line: a JSON array in UTF-8 without blanks, ended by a newline.

        The value is a text without exponent and without zeros at its end, the time a text in UTC with six
        decimals.
        """
        value = None if self.value is None else number_text(self.value)
        time = self.effective_at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        return orjson.dumps([*self[:7], value, time, self.message_sha256], option=orjson.OPT_APPEND_NEWLINE)


def evidence_digest(lines: Iterable[EvidenceLine]) -> str:
    """SHA-256, in hex, over the lines in the order of their places (then of part, entity, version)."""
    digest = hashlib.sha256()
    for line in sorted(lines, key=lambda line: line[:7]):
        digest.update(line.written())
    return digest.hexdigest()
