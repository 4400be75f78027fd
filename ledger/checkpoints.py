"""Checkpoints (C2SP tlog-checkpoint): what the sealer signs, so that others can hold us to it.

    origin of the ledger
    number of lines, in decimal
    Merkle root over them, in base64
    extension lines, if any

One extension line is ours: `okr-ledger/next-key` and a verifier key. The key that signs it hands over to that key;
the new key signs the same checkpoint beside it, to show that it is at hand.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from ledger.merkle import HASH_SIZE
from ledger.notes import BadKey, Note, SigningKey, VerifierKey, open_note, sign_note, split_note, strict_base64

NEXT_KEY = "okr-ledger/next-key "

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class BadCheckpoint(Exception):
    """A text that is no checkpoint; the message says which line breaks which rule."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The size and root of a ledger at one moment, as its text says them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a checkpoint's text, without signatures. Raises BadCheckpoint."""
        if not text.endswith("\n"):
            raise BadCheckpoint("a checkpoint ends with a newline")
        lines = text[:-1].split("\n")
        if len(lines) < 3:
            raise BadCheckpoint("a checkpoint has three lines: origin, size, root")
        origin, size, root, *extensions = lines
        if not origin or not all(extensions):
            raise BadCheckpoint("neither the origin nor an extension line is empty")
        if _SIZE.fullmatch(size) is None or int(size) >= 2**63:
            raise BadCheckpoint(f"the size is a plain decimal number, not {size[:40]!r}")
        try:
            found = strict_base64(root)
        except ValueError:
            raise BadCheckpoint("the root is not in base64") from None
        if len(found) != HASH_SIZE:
            raise BadCheckpoint(f"the root has {len(found)} bytes, not {HASH_SIZE}")
        return cls(origin, int(size), found, tuple(extensions))

    @property
    def text(self) -> str:
        """The text that is signed."""
        return "".join(
            f"{line}\n" for line in (self.origin, str(self.size), b64encode(self.root).decode(), *self.extensions)
        )

    @property
    def next_key(self) -> VerifierKey | None:
        """The key to which the signing key hands over here, if it does."""
        for line in self.extensions:
            if line.startswith(NEXT_KEY):
                try:
                    return VerifierKey.parse(line.removeprefix(NEXT_KEY))
                except BadKey as error:
                    raise BadCheckpoint(f"the next key is none: {error}") from None
        return None

    def signed(self, *keys: SigningKey) -> str:
        """The signed note of it."""
        return sign_note(self.text, *keys)

    def handing_over_to(self, key: VerifierKey) -> Checkpoint:
        """The same size and root, with the word that from here on another key signs."""
        return Checkpoint(self.origin, self.size, self.root, (*self.extensions, f"{NEXT_KEY}{key}"))


def open_checkpoint(note: str, keys: Iterable[VerifierKey]) -> tuple[Checkpoint, Note]:
    """A checkpoint that one of the keys has signed, and the note. Raises NoteError or BadCheckpoint."""
    opened = open_note(note.encode(), keys)
    return Checkpoint.parse(opened.text), opened


def read_checkpoint(note: str) -> Checkpoint:
    """What a signed checkpoint says, with its signatures unchecked. Raises MalformedNote or BadCheckpoint."""
    return Checkpoint.parse(split_note(note.encode())[0])
