"""The sealing key in its file, the key that follows it, and the last checkpoint that was signed here.

    sealing-key                    the key that signs; only its owner may read it
    sealing-key.next               waits to follow it, see `okr key rotate`
    sealing-key.last-checkpoint    what was signed last, whatever the database says

Each file is there as a whole or not at all, whenever the machine stops.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from ledger.notes import BadKey, SigningKey

MAY_NOBODY_ELSE = 0o077


class KeyTrouble(Exception):
    """The key cannot be used; the text says why and what to do."""


class KeyPlace:
    """Where a sealer's key lies. Nothing is read before it is asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._next = path.with_name(path.name + ".next")
        self._last = path.with_name(path.name + ".last-checkpoint")

    def current(self) -> SigningKey:
        """The key that signs. Raises KeyTrouble."""
        if not self.path.exists():
            raise KeyTrouble(f"there is no sealing key in {self.path}: `okr key create` makes one.")
        return _read(self.path)

    def following(self) -> SigningKey | None:
        """The key that waits to follow. Raises KeyTrouble."""
        return _read(self._next) if self._next.exists() else None

    def create(self, name: str | None = None) -> SigningKey:
        """Make the first key; its name is the origin in every checkpoint. KeyTrouble where there is one."""
        return self._make(self.path, name or f"okr-ledger/{secrets.token_hex(4)}")

    def create_following(self) -> SigningKey:
        """Make the key that is to follow, under the same name. KeyTrouble where one waits already."""
        return self._make(self._next, self.current().name)

    def turn(self) -> None:
        """Put the following key in the place of the current one, which is gone from here."""
        self._next.replace(self.path)
        _sync(self.path.parent)

    def last_checkpoint(self) -> str | None:
        """The note that was signed last."""
        return self._last.read_text(encoding="utf-8") if self._last.exists() else None

    def keep(self, note: str) -> None:
        """Remember the note that was signed last."""
        unfinished = _write_beside(self._last, note)
        unfinished.replace(self._last)
        _sync(self._last.parent)

    def _make(self, path: Path, name: str) -> SigningKey:
        try:
            key = SigningKey.create(name)
        except BadKey as error:
            raise KeyTrouble(f"{error}.") from None
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished = _write_beside(path, key.text + "\n")
        try:
            os.link(unfinished, path)  # unlike a rename, never over one that is there
        except FileExistsError:
            raise KeyTrouble(f"there is a key in {path} already: it stays.") from None
        finally:
            unfinished.unlink()
        _sync(path.parent)
        return key


def _read(path: Path) -> SigningKey:
    try:
        if path.stat().st_mode & MAY_NOBODY_ELSE:
            raise KeyTrouble(f"others may read the sealing key in {path}: run `chmod 600 {path}`.")
        return SigningKey.read(path)
    except OSError as error:
        raise KeyTrouble(f"the sealing key in {path} cannot be read ({error.strerror}).") from None
    except (BadKey, UnicodeDecodeError) as error:
        raise KeyTrouble(f"the file {path} holds no sealing key: {error}.") from None


def _write_beside(path: Path, text: str) -> Path:
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return unfinished


def _sync(directory: Path) -> None:
    """Let a new name in the directory survive a power cut."""
    opened = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
