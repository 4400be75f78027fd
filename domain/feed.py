"""A feed: which messages of business systems contribute what to which key result.

Who mapped what, and when the mapping changed, is in the ledger like everything else.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any
from uuid import UUID

from domain.errors import conflict, invalid
from domain.feeds.definition import FeedDefinition, parse_definition
from domain.stream import Aggregate, Fact, fact


class GapKind(StrEnum):
    """Why messages could not be read: the broker dropped them, cut its log, or has created the topic anew."""

    RETENTION = "retention"
    TRUNCATED = "truncated"
    TOPIC_RECREATED = "topic_recreated"


@fact("Feed.Defined")
class FeedDefined(Fact):
    """`definition` is the feed's definition as plain JSON, defaults left out."""

    name: str
    key_result_id: UUID
    definition: dict[str, Any]


@fact("Feed.Revised")
class FeedRevised(Fact):
    revision: int
    definition: dict[str, Any]


@fact("Feed.Paused")
class FeedPaused(Fact):
    pass


@fact("Feed.Resumed")
class FeedResumed(Fact):
    pass


@fact("Feed.GapFound")
class FeedGapFound(Fact):
    """Messages from `first` up to, not including, `next` of a partition will never be read.

    Of a log that was cut, `next` is its end, below `first`: what was read from there on is no longer in the broker.
    """

    kind: GapKind
    topic: str
    epoch: str
    partition: int
    first: int
    next: int | None = None
    new_epoch: str | None = None


class Feed(Aggregate):
    """Decisions about a feed."""

    name: str
    key_result_id: UUID
    revision: int
    is_paused: bool
    _mapping: dict[str, Any]

    @property
    def definition(self) -> FeedDefinition:
        """The mapping in force. `BadDefinition` if today's rules no longer take what was recorded under older ones;
        the feed itself is loaded all the same, and can be revised.
        """
        return parse_definition(self._mapping)

    def define(self, definition: FeedDefinition) -> None:
        """Bind messages to a key result. What cannot be read as a definition never gets here."""
        self._happens(
            FeedDefined(name=definition.name, key_result_id=definition.key_result, definition=definition.to_mapping())
        )

    def revise(self, definition: FeedDefinition) -> None:
        """Change the mapping; name and key result stay. The same definition again changes nothing."""
        if definition.name != self.name:
            invalid("name", "unchangeable", "a feed keeps its name")
        if definition.key_result != self.key_result_id:
            invalid(
                "key_result",
                "unchangeable",
                "a feed keeps its key result: define another feed for another one",
            )
        mapping = definition.to_mapping()
        if mapping != self._mapping:
            self._happens(FeedRevised(revision=self.revision + 1, definition=mapping))

    def pause(self) -> None:
        if self.is_paused:
            conflict("feed_paused", "the feed is paused already")
        self._happens(FeedPaused())

    def resume(self) -> None:
        if not self.is_paused:
            conflict("feed_running", "the feed is not paused")
        self._happens(FeedResumed())

    def find_gap(self, gap: FeedGapFound) -> None:
        """Record that messages are lost to this feed."""
        self._happens(gap)

    def _apply(self, fact: Fact) -> None:
        match fact:
            case FeedDefined():
                self.name = fact.name
                self.key_result_id = fact.key_result_id
                self._mapping = fact.definition
                self.revision = 1
                self.is_paused = False
            case FeedRevised():
                self._mapping = fact.definition
                self.revision = fact.revision
            case FeedPaused():
                self.is_paused = True
            case FeedResumed():
                self.is_paused = False
