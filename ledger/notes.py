"""Signed notes (C2SP signed-note): a text, and below it the Ed25519 signatures of who stands by it.

    text, one or more lines
    <empty line>
    — key name, space, base64 of 4 bytes of key id and 64 bytes of signature

A verifier key is `name+key id in hex+base64 of 0x01 and the public key`; a signing key the same behind
`PRIVATE+KEY+`, as Go's note tools write both. The key id names the key, it proves nothing.
"""

from __future__ import annotations

import binascii
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = b"\x01"
PRIVATE = "PRIVATE+KEY+"
MOST_SIGNATURES = 100
LONGEST_NOTE = 1_000_000

_KEY_ID = re.compile(r"[0-9a-f]{8}")
_CONTROL = re.compile(rb"[\x00-\x09\x0b-\x1f]")


class NoteError(Exception):
    """A note that proves nothing; the text says why."""


class MalformedNote(NoteError):
    """It is no signed note at all."""


class BadSignature(NoteError):
    """A signature in the name of a known key is not that key's."""


class UnverifiedNote(NoteError):
    """None of the signatures is by a known key."""


class AmbiguousKey(NoteError):
    """Two of the given keys have the name and the id of a signature."""


class BadKey(ValueError):
    """A text that is no key, or not one of Ed25519."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key and the name of who signs with it."""

    name: str
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name+key id+base64`. Raises BadKey."""
        name, _, rest = text.partition("+")
        said_id, _, encoded = rest.partition("+")
        material = _key_material(name, encoded)
        if _KEY_ID.fullmatch(said_id) is None or key_id(name, material).hex() != said_id:
            raise BadKey("the key id does not belong to this name and key")
        return cls(name, material)

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return key_id(self.name, self.public)

    def has_signed(self, signature: bytes, text: bytes) -> bool:
        """Whether the 64 bytes are this key's signature of the text."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{b64encode(ED25519 + self.public).decode()}"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and the name under which it signs. Never printed: its text is for a file of its owner's."""

    name: str
    seed: bytes = field(repr=False)

    @classmethod
    def create(cls, name: str) -> Self:
        """A new key. BadKey for a name that cannot stand in a note."""
        _check_name(name)
        return cls(name, os.urandom(32))

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `text` writes. Raises BadKey, which never holds the key."""
        if not text.startswith(PRIVATE):
            raise BadKey(f"a signing key begins with {PRIVATE}")
        name, _, rest = text.removeprefix(PRIVATE).partition("+")
        said_id, _, encoded = rest.partition("+")
        key = cls(name, _key_material(name, encoded))
        if key.verifier.id.hex() != said_id:
            raise BadKey("the key id does not belong to this name and key")
        return key

    @classmethod
    def read(cls, path: Path) -> Self:
        """The key in a file. OSError where it cannot be read, BadKey where it holds none."""
        return cls.parse(path.read_text(encoding="utf-8").strip())

    @property
    def text(self) -> str:
        """The secret, as it stands in a file."""
        return f"{PRIVATE}{self.name}+{self.verifier.id.hex()}+{b64encode(ED25519 + self.seed).decode()}"

    @property
    def verifier(self) -> VerifierKey:
        """What others need in order to check its signatures."""
        return VerifierKey(self.name, self._private().public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        """64 bytes over the text."""
        return self._private().sign(text)

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


@dataclass(frozen=True, slots=True)
class Signature:
    """One line below a note's text."""

    name: str
    key_id: bytes
    signature: bytes

    def is_by(self, key: VerifierKey) -> bool:
        """Whether it claims to be by that key."""
        return (self.name, self.key_id) == (key.name, key.id)


@dataclass(frozen=True, slots=True)
class Note:
    """A note that was opened: its text, who has signed it for certain, and the signatures that nobody could check."""

    text: str
    verified: tuple[VerifierKey, ...]
    unverified: tuple[Signature, ...]


def sign_note(text: str, *keys: SigningKey) -> str:
    """The signed note of a text that ends with a newline and holds no other control characters."""
    signed = text.encode()
    if not text.endswith("\n") or _CONTROL.search(signed):
        raise ValueError("a note's text ends with a newline and has no other control characters")
    lines = [
        f"— {key.name} {b64encode(key.verifier.id + key.sign(signed)).decode()}\n" for key in keys
    ]  # the dash is U+2014
    return f"{text}\n{''.join(lines)}"


def split_note(note: bytes) -> tuple[str, list[Signature]]:
    """A note's text and signatures, none of which has been checked. Raises MalformedNote."""
    if len(note) > LONGEST_NOTE:
        raise MalformedNote("the note is longer than a million bytes")
    try:
        whole = note.decode()
    except UnicodeDecodeError:
        raise MalformedNote("the note is not UTF-8") from None
    if _CONTROL.search(note):
        raise MalformedNote("the note has control characters")
    text, found, below = whole.rpartition("\n\n")
    if not found or not below.endswith("\n"):
        raise MalformedNote("the note has no signatures, each on a line of its own")
    lines = below[:-1].split("\n")
    if len(lines) > MOST_SIGNATURES:
        raise MalformedNote(f"the note has more than {MOST_SIGNATURES} signatures")
    return text + "\n", [_signature(line) for line in lines]


def open_note(note: bytes, keys: Iterable[VerifierKey]) -> Note:
    """Check a note. Raises a NoteError: among them UnverifiedNote, where no known key has signed."""
    text, signatures = split_note(note)
    known = list(keys)
    verified: list[VerifierKey] = []
    unverified: list[Signature] = []
    for each in dict.fromkeys(signatures):
        claimed = [key for key in known if each.is_by(key)]
        if len(claimed) > 1:
            raise AmbiguousKey(f"ambiguous key {each.name}+{each.key_id.hex()}")
        if not claimed:
            unverified.append(each)
        elif claimed[0] not in verified:
            key = claimed[0]
            if not key.has_signed(each.signature, text.encode()):
                raise BadSignature(f"invalid signature for key {key.name}+{key.id.hex()}")
            verified.append(key)
    if not verified:
        raise UnverifiedNote("the note has no verifiable signatures: none is by a known key")
    return Note(text, tuple(verified), tuple(unverified))


def key_id(name: str, public: bytes) -> bytes:
    """The first four bytes of SHA-256 over name, newline, algorithm and public key."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def strict_base64(text: str) -> bytes:
    """Standard base64 in its one canonical form; ValueError for any other spelling of the same bytes."""
    try:
        found = b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None
    if b64encode(found).decode() != text:
        raise ValueError("not the canonical base64 of any bytes")
    return found


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix("— ").partition(" ")
    try:
        _check_name(name)
        found = strict_base64(encoded)
    except ValueError:
        found = b""
    if not line.startswith("— ") or len(found) < 5:
        raise MalformedNote("a signature is a dash, a name and base64")
    return Signature(name, found[:4], found[4:])


def _key_material(name: str, encoded: str) -> bytes:
    _check_name(name)
    try:
        material = strict_base64(encoded)
    except ValueError:
        raise BadKey("the key is not in base64") from None
    if material[:1] != ED25519 or len(material) != 33:
        raise BadKey("the key is not one of Ed25519")
    return material[1:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() or not character.isprintable() for character in name):
        raise BadKey("a key's name is a word without blanks or plus signs")
