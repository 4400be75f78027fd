"""From what the consumer polled to what each feed makes of it. Nothing is locked yet, and nothing is written."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from domain.feeds.contribution import Dead, Ignored, Stage
from domain.feeds.message import Message
from domain.feeds.pipeline import Outcome, read_message
from workers.feeds.catalogue import LiveFeed
from workers.feeds.offsets import Life, Place, Stand
from workers.feeds.totals import Range

LOG = logging.getLogger(__name__)

Read = tuple[Message, Sequence[Outcome] | Dead]
"""A message and what it does under a feed."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """The messages that a feed takes from one place: from where it stood, `began`, to where it then stands, `next`."""

    place: Place
    began: int
    next: int
    reads: Sequence[Read]

    @property
    def range(self) -> Range:
        return Range(*self.place, self.reads[0][0].offset, self.reads[-1][0].offset, self.next)


@dataclass(frozen=True, slots=True)
class Share:
    """What one batch holds for one feed."""

    feed: LiveFeed
    stretches: Sequence[Stretch]

    def stands(self) -> dict[Stand, tuple[int, int]]:
        """Of each place, where the feed stood and where it then stands."""
        return {Stand(self.feed.id, each.place): (each.began, each.next) for each in self.stretches}

    def halves(self) -> list[Share]:
        """The earlier and the later half, or the whole where it is a single message. Order in a place is kept."""
        if len(self.stretches) > 1:
            middle = len(self.stretches) // 2
            return [Share(self.feed, self.stretches[:middle]), Share(self.feed, self.stretches[middle:])]
        whole = self.stretches[0]
        if len(whole.reads) < 2:
            return [self]
        middle = len(whole.reads) // 2
        border = whole.reads[middle][0].offset
        earlier = Stretch(whole.place, whole.began, border, whole.reads[:middle])
        later = Stretch(whole.place, border, whole.next, whole.reads[middle:])
        return [Share(self.feed, [earlier]), Share(self.feed, [later])]


def read_records(feed: LiveFeed, place: Place, life: Life, began: int, records: Sequence[Any]) -> Stretch | None:
    """What the feed makes of the records of a place that it has not read yet; None where it has read them all."""
    reads = [
        (message, _read(feed, message))
        for message in (_message(record, place, life) for record in records if record.offset >= began)
    ]
    return Stretch(place, began, reads[-1][0].offset + 1, reads) if reads else None


def is_ignored(outcomes: Sequence[Outcome]) -> bool:
    """Whether the message does nothing under the feed."""
    return all(isinstance(outcome, Ignored) for outcome in outcomes)


def _message(record: Any, place: Place, life: Life) -> Message:
    return Message(
        place.topic,
        place.epoch,
        place.partition,
        record.offset,
        record.timestamp,
        record.key,
        record.value,
        tuple(record.headers),
        life.number,
    )


def _read(feed: LiveFeed, message: Message) -> Sequence[Outcome] | Dead:
    try:
        return read_message(feed.compiled, message)
    except Dead as dead:
        return dead
    except Exception as error:  # a fault of ours must not stop the feed: the letter can be read again once it is mended
        LOG.exception("feed %s failed on a message", feed.definition.name)
        return Dead(Stage.DECODE, f"the reader failed: {type(error).__name__}")
