"""From what the consumer polled to what each feed makes of it. Nothing is locked yet, and nothing is written."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from domain.feeds.contribution import Contribution, Dead, Ignored, Stage, Tombstone
from domain.feeds.message import Message
from domain.feeds.pipeline import read_message
from workers.feeds.catalogue import LiveFeed
from workers.feeds.offsets import Life, Place, Stand
from workers.feeds.totals import Range

LOG = logging.getLogger(__name__)

Letter = tuple[Message, Dead]


@dataclass(slots=True)
class Stretch:
    """The messages that a feed takes from one place: from where it stood, `began`, to where it then stands, `next`.

    `arriving` is what they contribute or retract, `letters` those that are dead; `ignored` counts those that do
    nothing. The records themselves are kept to be read again in parts.
    """

    place: Place
    life: Life
    began: int
    records: Sequence[Any]
    arriving: list[Contribution | Tombstone] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    ignored: int = 0

    def go_on(self, later: Stretch) -> None:
        """Take in what was read where this one ended."""
        # Another feed may hold the same list of records.
        self.records = [*self.records, *later.records]
        self.arriving += later.arriving
        self.letters += later.letters
        self.ignored += later.ignored

    @property
    def next(self) -> int:
        return self.last + 1

    @property
    def last(self) -> int:
        offset: int = self.records[-1].offset
        return offset

    @property
    def range(self) -> Range:
        return Range(*self.place, self.records[0].offset, self.last, self.next)


@dataclass(frozen=True, slots=True)
class Share:
    """What one batch holds for one feed."""

    feed: LiveFeed
    stretches: Sequence[Stretch]

    @property
    def messages(self) -> int:
        return sum(len(each.records) for each in self.stretches)

    @property
    def ignored(self) -> int:
        return sum(each.ignored for each in self.stretches)

    @property
    def ranges(self) -> list[tuple[int, Range]]:
        """The messages of each place, with the offset at which the reading of it began."""
        return [(each.began, each.range) for each in self.stretches]

    def arriving(self) -> Iterator[Contribution | Tombstone]:
        return (one for each in self.stretches for one in each.arriving)

    def letters(self) -> list[Letter]:
        return [letter for each in self.stretches for letter in each.letters]

    def stands(self) -> dict[Stand, tuple[int, int]]:
        """Of each place, where the feed stood and where it then stands."""
        return {Stand(self.feed.id, each.place): (each.began, each.next) for each in self.stretches}

    def halves(self) -> list[Share]:
        """The earlier and the later half, or the whole where it is a single message. Order in a place is kept."""
        if len(self.stretches) > 1:
            middle = len(self.stretches) // 2
            return [Share(self.feed, self.stretches[:middle]), Share(self.feed, self.stretches[middle:])]
        (whole,) = self.stretches
        middle = len(whole.records) // 2
        if not middle:
            return [self]
        earlier = _read(self.feed, replace(whole, records=whole.records[:middle]))
        later = _read(self.feed, replace(whole, began=earlier.next, records=whole.records[middle:]))
        return [Share(self.feed, [earlier]), Share(self.feed, [later])]

    def condemned(self, reason: str) -> Share:
        """The share of a single message, which is now dead."""
        (stretch,) = self.stretches
        (record,) = stretch.records
        letter = (_message(record, stretch.place, stretch.life), Dead(Stage.APPLY, reason))
        return Share(self.feed, [replace(stretch, arriving=[], letters=[letter], ignored=0)])


def read_records(feed: LiveFeed, place: Place, life: Life, began: int, records: Sequence[Any]) -> Stretch | None:
    """What the feed makes of the records of a place that it has not read yet; None where it has read them all."""
    if records and records[0].offset < began:
        records = [record for record in records if record.offset >= began]
    return _read(feed, Stretch(place, life, began, records)) if records else None


def _read(feed: LiveFeed, stretch: Stretch) -> Stretch:
    stretch.arriving, stretch.letters, stretch.ignored = [], [], 0
    place, life, compiled, arriving = stretch.place, stretch.life, feed.compiled, stretch.arriving
    for record in stretch.records:
        message = _message(record, place, life)
        try:
            brought = read_message(compiled, message)
        except Dead as dead:
            stretch.letters.append((message, dead))
        except Exception as error:
            # A fault of ours must not stop the feed: the letter can be read again once it is mended.
            LOG.exception("feed %s failed on a message", feed.definition.name)
            stretch.letters.append((message, Dead(Stage.DECODE, f"the reader failed: {type(error).__name__}")))
        else:
            before = len(arriving)
            for one in brought:
                if not isinstance(one, Ignored):
                    arriving.append(one)
            stretch.ignored += len(arriving) == before
    return stretch


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
