"""Signed notes and checkpoints, held against the published vectors of who defined them."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from ledger.checkpoints import BadCheckpoint, Checkpoint, open_checkpoint
from ledger.notes import (
    AmbiguousKey,
    BadKey,
    BadSignature,
    MalformedNote,
    NoteError,
    SigningKey,
    UnverifiedNote,
    VerifierKey,
    open_note,
    sign_note,
    split_note,
)

VECTORS = Path(__file__).parents[3] / "shared" / "vectors"
beside = pytest.mark.skipif(
    not VECTORS.exists(), reason="the published vectors lie beside the repository, not in it: NOTHING WAS CHECKED"
)


def vectors(name: str) -> list[Any]:
    file = VECTORS / f"{name}.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return [pytest.param(each, id=each["id"]) for each in map(json.loads, lines)]


# The example of the specification, https://c2sp.org/signed-note: a key and a note signed with it.
C2SP_KEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
C2SP_NOTE = (
    "This is an example message.\n\n— example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def test_the_example_of_the_specification() -> None:
    key = VerifierKey.parse(C2SP_KEY)
    assert str(key) == C2SP_KEY
    opened = open_note(C2SP_NOTE.encode(), [key])
    assert opened.text == "This is an example message.\n"
    assert opened.verified == (key,)


@beside
@pytest.mark.parametrize("case", vectors("signed-notes"))
def test_published_notes(case: dict[str, Any]) -> None:
    note = base64.b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
    keys = [VerifierKey.parse(each) for each in case["verifier_keys"]]
    if case["error"] is None:
        opened = open_note(note, keys)
        assert [key.name for key in opened.verified] == case["verified"]
        assert [each.name for each in opened.unverified] == case["unverified"]
        return
    kinds = {"malformed": MalformedNote, "note has no": UnverifiedNote, "invalid": BadSignature, "ambig": AmbiguousKey}
    (kind,) = (kind for beginning, kind in kinds.items() if case["error"].startswith(beginning))
    with pytest.raises(kind) as refusal:
        open_note(note, keys)
    if kind in (BadSignature, AmbiguousKey):
        assert str(refusal.value) == case["error"]
    if refusal.type is UnverifiedNote:
        assert [each.name for each in split_note(note)[1]] == case["unverified"]


@beside
@pytest.mark.parametrize("case", vectors("verifier-keys"))
def test_published_keys(case: dict[str, Any]) -> None:
    if case["valid"]:
        assert str(VerifierKey.parse(case["vkey"])) == case["vkey"]
    else:
        with pytest.raises(BadKey):
            VerifierKey.parse(case["vkey"])


@beside
@pytest.mark.parametrize("case", vectors("checkpoints"))
def test_published_checkpoints(case: dict[str, Any]) -> None:
    """The roots of most are short, on purpose: a reader that knows its hash refuses them, for that reason alone."""
    text = case["text"]
    if "\n\n—" in text:
        text = split_note(text.encode())[0]
    root = text.split("\n")[2]
    if case["id"] == "go sumdb tree, other origin":
        pytest.skip("a rule of that one log about its own origin")
    if case["id"] in ("valid with trailing newlines", "go sumdb tree, junk after"):
        with pytest.raises(BadCheckpoint):  # leave that a strict reader has
            Checkpoint.parse(text)
    elif not case["valid"]:
        with pytest.raises(BadCheckpoint) as refusal:
            Checkpoint.parse(text)
        assert "bytes, not 32" not in str(refusal.value) or "long hash" in case["id"]
    elif len(base64.b64decode(root)) == 32:
        read = Checkpoint.parse(text)
        assert read.text == text
        assert (read.origin, str(read.size)) == tuple(text.split("\n")[:2])
    else:
        with pytest.raises(BadCheckpoint, match="bytes, not 32"):
            Checkpoint.parse(text)


@beside
def test_all_vectors_were_there() -> None:
    assert [len(vectors(name)) for name in ("signed-notes", "verifier-keys", "checkpoints")] == [18, 16, 25]


def test_a_key_is_made_kept_and_read(tmp_path: Path) -> None:
    key = SigningKey.create("okr.example/ledger")
    file = tmp_path / "key"
    file.write_text(key.text + "\n")
    assert SigningKey.read(file) == key
    assert SigningKey.create("okr.example/ledger") != key
    assert base64.b64encode(key.seed).decode() not in repr(key)


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u2003b", "\x7f"])
def test_what_cannot_be_a_name(name: str) -> None:
    with pytest.raises(BadKey):
        SigningKey.create(name)


def test_a_spoilt_signing_key_is_refused_without_being_told() -> None:
    text = SigningKey.create("okr.example").text
    for spoilt in (text[:-1], text[1:], text.replace("okr.", "okl."), text + "A", "", "PRIVATE+KEY+"):
        with pytest.raises(BadKey) as refusal:
            SigningKey.parse(spoilt)
        assert text[-20:] not in str(refusal.value)


def test_what_cannot_be_signed() -> None:
    key = SigningKey.create("okr.example")
    for text in ("no newline", "a tab\t\n", "a return\r\n"):
        with pytest.raises(ValueError, match="newline"):
            sign_note(text, key)


def test_a_signed_checkpoint_is_opened_by_its_key_alone() -> None:
    key, other = SigningKey.create("okr.example"), SigningKey.create("okr.example")
    checkpoint = Checkpoint("okr.example", 7, bytes(32))
    note = checkpoint.signed(key)
    assert open_checkpoint(note, [other.verifier, key.verifier])[0] == checkpoint
    with pytest.raises(UnverifiedNote):
        open_checkpoint(note, [other.verifier])
    for at in range(0, len(note.encode()), 3):
        spoilt = bytearray(note.encode())
        spoilt[at] ^= 1
        with pytest.raises((NoteError, BadCheckpoint)):
            open_checkpoint(
                spoilt.decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode(), [key.verifier]
            )


def test_a_key_hands_over_to_the_next() -> None:
    old, new = SigningKey.create("okr.example"), SigningKey.create("okr.example")
    last = Checkpoint("okr.example", 7, bytes(32)).handing_over_to(new.verifier)
    read, note = open_checkpoint(last.signed(old, new), [old.verifier, new.verifier])
    assert read.next_key == new.verifier
    assert note.verified == (old.verifier, new.verifier)
    assert Checkpoint("okr.example", 7, bytes(32)).next_key is None
    with pytest.raises(BadCheckpoint, match="the next key is none"):
        _ = Checkpoint("okr.example", 7, bytes(32), ("okr-ledger/next-key nonsense",)).next_key
