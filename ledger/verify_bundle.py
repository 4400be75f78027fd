"""Check an exported ledger with nothing but Python 3.11 or newer: python3 verify_bundle.py BUNDLE [--key KEY] …

Take this file from somewhere that whoever made the bundle cannot change. What is checked:
 1. `checkpoint` and `earlier-checkpoints.jsonl`: how many lines the ledger had, and the Merkle root over them (RFC
    6962), signed with Ed25519 by the keys in `keys`. A key hands over to the next in a checkpoint that it signs.
    Give the key that you trust with --key: one that came with the bundle proves only that the bundle fits itself.
 2. `events.jsonl`: every line says its own position, has the hash that stands in `leaf-hashes`, and all lines up to
    the size of each checkpoint give its root. A redacted line is replaced by its hash, which is all the root needs.
 3. `texts.jsonl`: words of people, which a line holds only as SHA-256 of a salt and the text. A text may be missing
    (erased, or left out); one that is there must be the one that was committed to.
 4. Each --checkpoint FILE that you have kept from before: the lines must still give its root.
Exit code 0: all of it holds. 1: it does not, and the first bad position is named. 2: this is no bundle.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import json
import re
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

NEXT_KEY = "okr-ledger/next-key "
REDACTED = re.compile(rb'\{"redacted":"([0-9a-f]{64})"\}')
TEXT = re.compile(r'\{"position":([1-9][0-9]{0,18}),"field":"([a-z_]+)","salt":"([0-9a-f]{64})","text":(".*")\}')
BLOCK, WIDTH, sha256 = 1 << 20, 256, hashlib.sha256
Key = namedtuple("Key", "name id public")
Checkpoint = namedtuple("Checkpoint", "where origin size root next_keys signers")


class Finding(Exception):
    """Something does not hold: the first position that is not proven, and the reason."""


# ---- Ed25519 (RFC 8032): only checking, so nothing here is secret. Points are (X, Y, Z, T) with x = X/Z, xy = T/Z.
P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int, int, int]


def add(a: Point, b: Point) -> Point:
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def decode(encoded: bytes) -> Point | None:
    y, sign = int.from_bytes(encoded, "little") & (1 << 255) - 1, encoded[31] >> 7
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


BASE = decode((4 * pow(5, -1, P) % P).to_bytes(32, "little")) or (0, 1, 1, 0)


def has_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether s·B − k·A is R, for the signature's R and s, the key A, and k the hash of all three."""
    a = decode(public) if len(public) == 32 and len(signature) == 64 else None
    s = int.from_bytes(signature[32:], "little")
    if a is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    minus = (P - a[0], a[1], a[2], P - a[3])
    steps, found = {1: BASE, 2: minus, 3: add(BASE, minus)}, (0, 1, 1, 0)
    for bit in range(ORDER.bit_length() - 1, -1, -1):
        found = add(found, found)
        chosen = (s >> bit & 1) | (k >> bit & 1) << 1
        found = add(found, steps[chosen]) if chosen else found
    x, y, z = found[0], found[1], pow(found[2], -1, P)
    return (y * z % P | (x * z % P & 1) << 255).to_bytes(32, "little") == signature[:32]


# ---- Keys, notes and checkpoints (C2SP signed-note and tlog-checkpoint)
def strict_base64(text: str) -> bytes:
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise ValueError("not canonical base64")
    return found


def read_key(text: str) -> Key:
    """`name+key id+base64 of 0x01 and the public key`; ValueError for anything else."""
    name, said_id, encoded = [*text.split("+", 2), "", ""][:3]
    material = strict_base64(encoded)
    id = sha256(f"{name}\n".encode() + material).digest()[:4]
    if not name or re.search(r"\s", name) or len(material) != 33 or material[0] != 1 or id.hex() != said_id:
        raise ValueError("this is no Ed25519 verifier key of the form name+id+base64")
    return Key(name, id, material[1:])


def read_note(note: bytes, where: str, keys: list[Key], *, only_known: bool) -> Checkpoint:
    """A checkpoint with all signatures by known keys checked. ValueError where a line or a signature is wrong."""
    text, found, below = note.decode().rpartition("\n\n")
    origin, size, root, *more = [*text.split("\n"), "", ""]
    if not found or not below.endswith("\n") or not origin or re.search("[\x00-\x09\x0b-\x1f]|\n\n", text):
        raise ValueError("it is no signed checkpoint")
    if not re.fullmatch("[1-9][0-9]{0,18}", size) or len(strict_base64(root)) != 32:
        raise ValueError("it has no size and root where they belong")
    signers = []
    for line in below[:-1].split("\n"):
        dash, name, encoded = [*line.split(" ", 2), "", ""][:3]
        signed = strict_base64(encoded)
        known = [key for key in keys if (key.name, key.id) == (name, signed[:4])]
        if dash != "—" or (only_known and not known):
            raise ValueError(f"it has a signature by an unknown key, {name}+{signed[:4].hex()}")
        if known and not has_signed(known[0].public, signed[4:], f"{text}\n".encode()):
            raise ValueError(f"its signature by {name}+{signed[:4].hex()} is wrong")
        signers += known
    following = [read_key(line[len(NEXT_KEY) :]) for line in more if line.startswith(NEXT_KEY)]
    return Checkpoint(where, origin, int(size), strict_base64(root), following, signers)


def read_quoted(quoted: str) -> str:
    """A text in JSON; ValueError where it is not written in the one way that we write it."""
    text = json.loads(quoted)
    if not isinstance(text, str) or json.encoder.encode_basestring(text) != quoted:
        raise ValueError("it is not written as it was exported")
    return text


def read_checkpoints(bundle: Path, given: list[Key], outside: list[Path]) -> tuple[list[Checkpoint], str]:
    """The bundle's checkpoint first, then all others; and in words, who has signed."""
    what = "the file keys"
    try:
        keys = [read_key(line.decode()) for line in chain.from_iterable(read_blocks(bundle / "keys"))]
        what, notes = "the checkpoint", list[Checkpoint]()
        main = read_note((bundle / "checkpoint").read_bytes(), what, keys, only_known=True)
        for number, line in enumerate(chain.from_iterable(read_blocks(bundle / "earlier-checkpoints.jsonl")), 1):
            what = f"line {number} of earlier-checkpoints.jsonl"
            notes.append(read_note(read_quoted(line.decode()).encode(), what, keys, only_known=True))
        trusted, unproven = given or keys[:1], 0
        for note in [*notes, main]:
            is_proven = any(key in trusted for key in note.signers)
            trusted, unproven = trusted + note.next_keys * is_proven, unproven + (not is_proven)
        for path in outside:
            what = f"your checkpoint {path}"
            notes.append(read_note(path.read_bytes(), what, [*keys, *given], only_known=False))
    except (ValueError, RecursionError) as error:
        raise Finding(1, f"{what} proves nothing: {error}") from None
    if not any(key in trusted for key in main.signers):
        raise Finding(1, "the checkpoint is not signed by the key that you trust, nor by one to which that handed over")
    for note in notes:
        if note.origin != main.origin:
            raise Finding(1, f"{note.where} is of another ledger, {note.origin}, not of {main.origin}")
    key = f"{main.signers[0].name}+{main.signers[0].id.hex()}"
    trust = "trusted by the key that you gave" if given else "A KEY THAT CAME WITH THE BUNDLE: compare it, use --key"
    rest = f" ({unproven} of them by older keys, unproven)" if unproven else ""
    signed = f"signed by {key}, {trust}\n  {len(notes) + 1} checkpoints{rest}, {len(outside)} of them yours"
    return [main, *notes], signed


# ---- Lines, texts, and the Merkle tree over them
class Tree:
    """The Merkle tree over the lines so far: the roots of its complete subtrees, the largest first."""

    def __init__(self) -> None:
        self.size, self.subtrees = 0, list[bytes]()

    def add(self, leaves: list[bytes]) -> None:
        level = 8 if self.size % WIDTH == 0 and len(leaves) == WIDTH else 0
        for node in [fold(leaves)] if level else leaves:
            carry = self.size >> level
            while carry & 1:
                node, carry = fold([self.subtrees.pop(), node]), carry >> 1
            self.subtrees.append(node)
            self.size += 1 << level

    def root(self) -> bytes:
        return functools.reduce(lambda root, left: fold([left, root]), reversed(self.subtrees))


def fold(hashes: list[bytes]) -> bytes:
    """The root over 1, 2, 4, 8 … hashes."""
    while len(hashes) > 1:
        hashes = [sha256(b"\x01" + a + b).digest() for a, b in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


def read_blocks(path: Path) -> Iterator[list[bytes]]:
    """The lines of a file without their newlines, some thousand at a time; one that has no end is marked."""
    with path.open("rb") as file:
        rest = b""
        while (block := file.read(BLOCK)) and len(rest) < BLOCK:
            *lines, rest = (rest + block).split(b"\n")
            yield lines
    if rest:
        yield [rest + b" (a line without an end)"]


def read_texts(path: Path) -> Iterator[tuple[int, str, bytes]]:
    """Position and field of each text, and how the line at that position must have committed to it."""
    before = (1, "")
    for line in chain.from_iterable(read_blocks(path)):
        try:
            found = TEXT.fullmatch(line.decode())
            if found is None:
                raise ValueError("it has not the form of a text")
            position, field, salt, quoted = found.groups()
            place, digest = (int(position), field), sha256(bytes.fromhex(salt) + read_quoted(quoted).encode())
            if place <= before:
                raise ValueError("it is in the wrong place")
        except (ValueError, RecursionError) as error:
            raise Finding(before[0], f"the text behind the last one of this line cannot be read: {error}") from None
        name = "text" if field == "reason" else field  # the reason is a member of "why", the others of "data"
        yield *place, f'"{name}":"{digest.hexdigest()}"'.encode()
        before = place


def hash_or_finding(line: bytes, position: int, kept: bytes) -> bytes:
    """The hash of a line that is not as most are: redacted, or wrong."""
    redacted = REDACTED.fullmatch(line)
    if not redacted and not line.startswith(b'{"v":1,"position":%d,' % position):
        raise Finding(position, "the line that belongs here is missing, or another stands in its place")
    found = bytes.fromhex(redacted[1].decode()) if redacted else sha256(b"\x00" + line).digest()
    if found != kept:
        raise Finding(position, "the line does not have the hash that leaf-hashes has for it")
    return found


def verify(bundle: Path, given: list[Key], outside: list[Path], told: Callable[[int, int], Any] = max) -> str:
    """Check all of it, and say what holds. Raises Finding, and OSError where a file cannot be read."""
    (main, *others), signed = read_checkpoints(bundle, given, outside)
    tree, agreed, checked, redacted = Tree(), 0, 0, 0
    due, sizes = sorted([main, *others], key=lambda each: each.size), {each.size for each in [main, *others]}
    texts = read_texts(bundle / "texts.jsonl")
    text = next(texts, None)
    lines = chain.from_iterable(read_blocks(bundle / "events.jsonl"))
    with (bundle / "leaf-hashes").open("rb") as leaf_hashes:
        while part := list(islice(lines, min(WIDTH - tree.size % WIDTH, due[0].size - tree.size) if due else 1)):
            if tree.size >= main.size:
                raise Finding(main.size + 1, "there are more lines than were sealed")
            positions = range(tree.size + 1, tree.size + 1 + len(part))
            leaves = [sha256(b"\x00" + line).digest() for line in part]
            kept = leaf_hashes.read(32 * len(part))
            openings = [b'{"v":1,"position":%d,' % position for position in positions]
            length = len(openings[0])
            if b"".join(leaves) != kept or [line[:length] for line in part] != openings:
                each_kept = [kept[at : at + 32] for at in range(0, 32 * len(part), 32)]
                leaves = list(map(hash_or_finding, part, positions, each_kept))
                redacted += sum(REDACTED.fullmatch(line) is not None for line in part)
            tree.add(leaves)
            while text is not None and text[0] <= tree.size:
                if text[2] not in part[text[0] - positions[0]]:
                    raise Finding(text[0], f"the text of {text[1]!r} is not the one that the line committed to")
                text, checked = next(texts, None), checked + 1
            while due and due[0].size == tree.size:
                if due[0].root != tree.root():
                    said = f"one of the lines {agreed + 1} to {tree.size} is not as {due[0].where} has sealed it"
                    raise Finding(agreed + 1, said)
                due = due[1:]
            agreed = tree.size if tree.size in sizes else agreed
            if tree.size % 16_384 == 0 or not due:
                told(tree.size, main.size)
        if due:
            raise Finding(tree.size + 1, f"the line is missing: {due[0].where} seals {due[0].size} lines")
        if leaf_hashes.read(1) or text is not None:
            raise Finding(tree.size + 1, "there are hashes or texts of lines that are not there")
    words = f"  {checked} texts are as they were committed to; {redacted} lines are redacted"
    return f"verified: {main.size} lines of {main.origin}, root {main.root.hex()}\n  {signed}\n{words}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Check an exported ledger; see the beginning of this file.")
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--key", type=read_key, action="append", default=[], help="the verifier key that you trust")
    parser.add_argument("--checkpoint", type=Path, action="append", default=[], help="one that you have kept")
    asked = parser.parse_args()
    try:
        print(verify(asked.bundle, asked.key, asked.checkpoint))
    except Finding as finding:
        sys.exit("NOT VERIFIED: position {}: {}".format(*finding.args))  # exit code 1
    except OSError as error:
        parser.error(f"{asked.bundle} is no bundle: {error}")  # exit code 2


if __name__ == "__main__":
    main()
