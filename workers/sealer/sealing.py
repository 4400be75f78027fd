"""One round of the sealer: what is new, is the past still the same, sign.

The order is what makes a kill at any instruction harmless: hash and store the tiles; sign; keep the note beside the
key; record it in the database. A note that the database lacks is recorded by the next round, once the lines are
found to agree with it.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import tuple_row

from ledger.checkpoints import BadCheckpoint, Checkpoint, open_checkpoint
from ledger.durable import await_disk
from ledger.notes import NoteError, SigningKey, VerifierKey
from ledger.past import BATCH, PastRewritten, batches, check_against, first_odd_line, hash_lines, read_head
from ledger.proofs import MissingTile
from ledger.tiles import GrowingTiles, stored_tree
from workers.sealer.keys import KeyPlace

LOG = logging.getLogger(__name__)

PATROL = 4 * BATCH
"""Old lines that are read again in each round."""


class SealRefused(Exception):
    """The sealer will not sign; the text says what it found, with the first bad position where there is one."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A checkpoint as the database has it."""

    number: int
    checkpoint: Checkpoint
    note: str


class Sealing:
    """Rounds on one connection, which acts as okr_sealer and holds the lock of the one active sealer."""

    def __init__(self, connection: Connection[Any], place: KeyPlace) -> None:
        self._connection = connection
        self._place = place
        self._patrolled = 0

    def round(self) -> Sealed | None:
        """Sign where the ledger has grown or a key hands over; the last checkpoint. Raises SealRefused, KeyTrouble."""
        key = self._key()
        try:
            last = self._last(key)
            kept = self._kept(key)
            head = read_head(self._connection)
            await_disk(self._connection)  # what is signed leaves the database
            sealed = ([last.checkpoint] if last else []) + ([kept[0]] if kept else [])
            most = max((each.size for each in sealed), default=0)
            if head.size < most:
                raise PastRewritten(head.size + 1, f"{most} lines were sealed, {head.size} are left")
            tiles = self._tiles(last.checkpoint if last else None, head.size)
            self._grow(tiles, head.size)
            for each in sealed:
                if stored_tree(self._connection).root(each.size) != each.root:
                    check_against(self._connection, each)
                    raise SealRefused("the tiles do not give what the lines give: empty ledger.tiles and try again")
            if bytes(tiles.frontier()) != bytes(head):
                self._explain(last, head.size)
            self._patrol(last, head.size)
        except PastRewritten as found:
            raise SealRefused(f"the ledger's past was rewritten at position {found.position}: {found.fault}") from found
        if kept is not None and kept[0].size >= _size(last) and not self._is_recorded(*kept):
            last = self._record(*kept, last)  # signed before a kill, and told nobody
        following = self._place.following()
        if following is not None and last is not None and last.checkpoint.next_key == following.verifier:
            self._place.turn()
        elif following is not None and head.size:
            now = Checkpoint(key.name, head.size, head.root()).handing_over_to(following.verifier)
            last = self._sign(now, last, key, following)
            self._place.turn()
            LOG.info("the key %s has handed over to %s", key.verifier, following.verifier)
        elif head.size > _size(last):
            last = self._sign(Checkpoint(key.name, head.size, head.root()), last, key)
        return last

    def _key(self) -> SigningKey:
        """The key in the file, if it is the one whose turn it is."""
        key, following = self._place.current(), self._place.following()
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute("SELECT verifier_key FROM ledger.sealing_keys ORDER BY number DESC LIMIT 1").fetchone()
        if row is None or row[0] == str(key.verifier):
            return key
        if following is not None and row[0] == str(following.verifier):
            self._place.turn()  # killed in the middle of a handover
            return following
        raise SealRefused(
            f"this ledger is sealed with the key {row[0]}, and {self._place.path} holds {key.verifier}:"
            " a sealing key belongs to one ledger"
        )

    def _last(self, key: SigningKey) -> Sealed | None:
        with self._connection.cursor(row_factory=tuple_row) as cursor:
            row = cursor.execute("SELECT number, note FROM ledger.checkpoints ORDER BY number DESC LIMIT 1").fetchone()
        return None if row is None else Sealed(row[0], _opened(row[1], key.verifier, "the database"), row[1])

    def _kept(self, key: SigningKey) -> tuple[Checkpoint, str] | None:
        note = self._place.last_checkpoint()
        return None if note is None else (_opened(note, key.verifier, "the file beside the key"), note)

    def _is_recorded(self, checkpoint: Checkpoint, note: str) -> bool:
        found = self._connection.execute(
            "SELECT FROM ledger.checkpoints WHERE size = %s AND note = %s", [checkpoint.size, note]
        )
        return found.fetchone() is not None

    def _tiles(self, sealed: Checkpoint | None, size: int) -> GrowingTiles:
        """The tiles of the database, or empty ones to be filled anew where they are not those of the checkpoint."""
        tiles = GrowingTiles.load(self._connection)
        if tiles.size > size:
            raise PastRewritten(size + 1, f"{tiles.size} lines were read, {size} are left")
        if sealed is not None:
            try:
                if stored_tree(self._connection).root(sealed.size) == sealed.root:
                    return tiles
            except MissingTile:
                pass
        elif tiles.size:
            return tiles
        if sealed is not None:
            LOG.warning("the tiles are not those of the last checkpoint: reading all lines again")
            check_against(self._connection, sealed)
        return self._emptied()

    def _emptied(self) -> GrowingTiles:
        self._connection.execute("DELETE FROM ledger.tiles")
        return GrowingTiles()

    def _grow(self, tiles: GrowingTiles, size: int) -> None:
        for start, end in batches(tiles.size, size):
            tiles.extend(hash_lines(self._connection, start, end))
            with self._connection.transaction():
                tiles.store(self._connection)

    def _explain(self, last: Sealed | None, size: int) -> None:
        """The lines that we have read do not give the root of the head: which of the two has changed?"""
        odd = first_odd_line(self._connection, 0, size)
        if odd is not None:
            raise PastRewritten(odd, "the line is not the one that was read when it was new")
        if last is not None:
            check_against(self._connection, last.checkpoint)
        raise PastRewritten(size, "the head row does not have the root that the lines give")

    def _patrol(self, last: Sealed | None, size: int) -> None:
        """Read a stretch of old lines again, round after round."""
        if last is None:
            return
        start = self._patrolled if self._patrolled < last.checkpoint.size else 0
        end = min(start + PATROL, last.checkpoint.size)
        odd = first_odd_line(self._connection, start, end)
        if odd is not None:
            check_against(self._connection, last.checkpoint)
            LOG.warning("a tile that covers position %d was changed: making all tiles anew", odd)
            self._grow(self._emptied(), size)
        self._patrolled = end

    def _sign(self, checkpoint: Checkpoint, last: Sealed | None, *keys: SigningKey) -> Sealed:
        note = checkpoint.signed(*keys)
        self._place.keep(note)
        return self._record(checkpoint, note, last, keys[0].verifier)

    def _record(self, checkpoint: Checkpoint, note: str, last: Sealed | None, key: VerifierKey | None = None) -> Sealed:
        number = 1 if last is None else last.number + 1
        keys = [key or self._place.current().verifier, checkpoint.next_key]
        with self._connection.transaction():
            self._connection.execute(
                "INSERT INTO ledger.checkpoints (number, size, root, note) VALUES (%s, %s, %s, %s)",
                [number, checkpoint.size, checkpoint.root, note],
            )
            for each in keys:
                if each is not None:
                    self._connection.execute(
                        "INSERT INTO ledger.sealing_keys (number, verifier_key, first_checkpoint)"
                        " SELECT count(*) + 1, %s, %s FROM ledger.sealing_keys ON CONFLICT (verifier_key) DO NOTHING",
                        [str(each), number],
                    )
        LOG.info("checkpoint %d: %d lines", number, checkpoint.size)
        return Sealed(number, checkpoint, note)


def _opened(note: str, key: VerifierKey, where: str) -> Checkpoint:
    try:
        checkpoint, _ = open_checkpoint(note, [key])
    except (NoteError, BadCheckpoint) as error:
        raise SealRefused(f"the last checkpoint of {where} is not one that our key has signed: {error}") from None
    if checkpoint.origin != key.name:
        raise SealRefused(f"the last checkpoint of {where} is of another ledger, {checkpoint.origin}")
    return checkpoint


def _size(sealed: Sealed | None) -> int:
    return 0 if sealed is None else sealed.checkpoint.size
