"""Bundles: what is exported verifies, whatever is done to it afterwards is found, by both verifiers."""

import base64
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ledger import export as exporting
from ledger import verify_bundle
from ledger.checkpoints import Checkpoint
from ledger.export import ExportFailed, Selection, export
from ledger.merkle import Frontier, leaf_hash
from ledger.notes import SigningKey
from ledger.verify_bundle import Finding, has_signed, read_key, verify
from tests.cli.command import OKR, environment, okr
from tests.ledger.sealed import ORIGIN, SealedLedger
from tests.support.postgres_server import TestPostgres

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "ed25519.jsonl"
LINES = 700
WORDS = '\u3000早上好 "quoted" \\ \t\n\x7f é 🦉 </script>'


@pytest.fixture(scope="module")
def ledger(
    postgres: TestPostgres, migrated_template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SealedLedger]:
    """700 lines with texts, sealed at 303, 600 (where the key hands over) and 700."""
    url = postgres.new_database(template=migrated_template)
    ledger = SealedLedger(url, tmp_path_factory.mktemp("ledger"))
    ledger.write(300)
    ledger.write_texts("the first note", WORDS, "a third", actor="bert", reason="the market turned")
    ledger.seal()
    ledger.first_key = ledger.key  # type: ignore[attr-defined]
    ledger.write(297)
    ledger.place.create_following()
    ledger.seal()
    ledger.write(100)
    ledger.seal()
    yield ledger
    postgres.drop_database(url)


@pytest.fixture(scope="module")
def exported(ledger: SealedLedger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    bundle = tmp_path_factory.mktemp("exported") / "bundle"
    export(ledger.url, bundle)
    return bundle


@pytest.fixture
def bundle(exported: Path, tmp_path: Path) -> Path:
    """A copy to do as one likes with."""
    return Path(shutil.copytree(exported, tmp_path / "bundle"))


def first_key(ledger: SealedLedger) -> str:
    return str(ledger.first_key)  # type: ignore[attr-defined]


def found(bundle: Path, *keys: str, checkpoints: tuple[Path, ...] = ()) -> int:
    """The first bad position of what the verifier finds."""
    with pytest.raises(Finding) as finding:
        verify(bundle, [read_key(key) for key in keys], list(checkpoints))
    return int(finding.value.args[0])


def lines_of(bundle: Path) -> list[bytes]:
    return (bundle / "events.jsonl").read_bytes().split(b"\n")[:-1]


def put(bundle: Path, lines: list[bytes]) -> None:
    (bundle / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def put_hashes(bundle: Path, lines: list[bytes]) -> bytes:
    """Write the hashes that fit these lines, and return the root."""
    leaves = [leaf_hash(line) for line in lines]
    (bundle / "leaf-hashes").write_bytes(b"".join(leaves))
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def test_the_lines_are_those_of_the_ledger_and_the_texts_lie_beside_them(ledger: SealedLedger, exported: Path) -> None:
    stored = ledger.query("SELECT line FROM ledger.events ORDER BY position")
    assert (exported / "events.jsonl").read_text(encoding="utf-8") == "".join(f"{line}\n" for (line,) in stored)
    texts = [json.loads(line) for line in (exported / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(text["position"], text["field"]) for text in texts] == [
        (position, name) for position in (301, 302, 303) for name in ("note", "reason")
    ]
    assert texts[2]["text"] == WORDS
    assert sorted(file.name for file in exported.iterdir()) == [
        "README.md", "checkpoint", "earlier-checkpoints.jsonl", "events.jsonl", "keys", "leaf-hashes", "texts.jsonl",
        "verify_bundle.py",
    ]  # fmt: skip
    assert f"{LINES} lines" in (exported / "README.md").read_text()
    assert ledger.query("SELECT action, subject FROM people.access_log ORDER BY id LIMIT 1") == [
        ("exported-ledger", f"positions 1..{LINES}, redacted: nothing")
    ]


def test_both_verifiers_say_that_all_of_it_holds(ledger: SealedLedger, exported: Path, tmp_path: Path) -> None:
    """The one in the bundle runs in a Python that sees none of our packages."""
    kept = tmp_path / "kept"
    kept.write_text(ledger.checkpoints[0])
    arguments = [str(exported), "--key", first_key(ledger), "--checkpoint", str(kept)]
    alone = subprocess.run(
        [sys.executable, "-I", "-S", str(exported / "verify_bundle.py"), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    ours = okr("verify", *arguments)
    assert ours.stdout == alone.stdout
    root = ledger.query("SELECT encode(root, 'hex') FROM ledger.checkpoints ORDER BY number DESC LIMIT 1")[0][0]
    assert alone.stdout.splitlines() == [
        f"verified: {LINES} lines of {ORIGIN}, root {root}",
        f"  signed by {ORIGIN}+{ledger.key.split('+')[1]}, trusted by the key that you gave",
        "  4 checkpoints, 1 of them yours",
        "  6 texts are as they were committed to; 0 lines are redacted",
    ]


def test_without_a_key_it_says_what_that_is_worth(exported: Path) -> None:
    assert "A KEY THAT CAME WITH THE BUNDLE" in verify(exported, [], [])


def test_a_new_key_does_not_vouch_for_what_older_ones_signed(ledger: SealedLedger, exported: Path) -> None:
    assert "3 checkpoints (1 of them by older keys, unproven)" in verify(exported, [read_key(ledger.key)], [])


def test_the_verifier_is_short_and_needs_the_standard_library_alone() -> None:
    source = Path(verify_bundle.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 300
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported <= sys.stdlib_module_names


def test_redacted_lines_show_nothing_and_the_bundle_verifies(ledger: SealedLedger, tmp_path: Path) -> None:
    stream = str(ledger.query("SELECT stream_id FROM ledger.events WHERE position = 5")[0][0])
    bundle = tmp_path / "redacted"
    export(ledger.url, bundle, Selection.parse((f"stream:{stream}", "actor:bert")))
    lines = lines_of(bundle)
    hidden = [number for number, line in enumerate(lines, 1) if line.startswith(b'{"redacted"')]
    assert hidden == [5, 301, 302, 303]
    content = b"".join(file.read_bytes() for file in bundle.glob("*.jsonl"))
    assert b"bert" not in content
    assert b"market" not in content
    assert stream.encode() not in content
    assert "4 lines are redacted" in verify(bundle, [read_key(first_key(ledger))], [])
    assert "actor bert" in (bundle / "README.md").read_text()
    put(bundle, [*lines[:4], b'{"redacted":"%b"}' % (b"0" * 64), *lines[5:]])
    assert found(bundle) == 5


@pytest.mark.parametrize("words", ["stream:5", "actor:", "type:x", "stream"])
def test_what_is_no_selection(words: str) -> None:
    with pytest.raises(ValueError, match=r"neither stream:ID nor actor:ID|badly formed"):
        Selection.parse((words,))


def test_a_text_that_was_erased_is_missed_by_nobody(ledger: SealedLedger, bundle: Path) -> None:
    texts = (bundle / "texts.jsonl").read_bytes().splitlines(keepends=True)
    (bundle / "texts.jsonl").write_bytes(b"".join(texts[:1] + texts[2:]))
    assert "5 texts" in verify(bundle, [read_key(first_key(ledger))], [])


def test_an_export_that_was_killed_goes_on_where_it_was(
    ledger: SealedLedger, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in every batch, after none, some or all of its writes, with half a line at the end of each file."""
    monkeypatch.setattr(exporting, "BATCH", 100)
    monkeypatch.setattr(exporting, "SYNC_EVERY", 2)
    bundle = tmp_path / "killed"
    begun = []

    def kill(done: int, _: int) -> None:
        begun.append(done)
        if len(begun) % 3 == 0:
            raise KeyboardInterrupt

    for _ in range(20):
        try:
            export(ledger.url, bundle, told=kill)
        except KeyboardInterrupt:
            for name in exporting.STREAMS:
                with (bundle / name).open("ab") as file:
                    file.write(b'{"half a li')
        else:
            break
    assert begun[:7] == [100, 200, 300, 300, 400, 500, 500]
    for name in ("events.jsonl", "leaf-hashes", "texts.jsonl", "keys", "checkpoint", "earlier-checkpoints.jsonl"):
        assert (bundle / name).read_bytes() == (exported / name).read_bytes()
    assert not (bundle / "unfinished.json").exists()


def test_kill_9_during_an_export(ledger: SealedLedger, exported: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "killed"
    process = subprocess.Popen([OKR, "export", bundle], env=environment(database_url=ledger.url))
    while not (bundle / "unfinished.json").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    if (bundle / "unfinished.json").exists():
        assert okr("verify", str(bundle)).returncode == 2
        done = okr("export", str(bundle), database_url=ledger.url)
        assert done.stdout.startswith(f"exported {LINES} lines of {ORIGIN} to ")
    assert (bundle / "events.jsonl").read_bytes() == (exported / "events.jsonl").read_bytes()


def test_where_nothing_is_exported(ledger: SealedLedger, bundle: Path, migrated_url: str, tmp_path: Path) -> None:
    with pytest.raises(ExportFailed, match="nothing has been sealed"):
        export(migrated_url, tmp_path / "new")
    with pytest.raises(ExportFailed, match="is not empty"):
        export(ledger.url, bundle)
    (bundle / "unfinished.json").write_text('{"redact":{"streams":[],"actors":["x"]},"position":0,"sizes":{}}')
    with pytest.raises(ExportFailed, match="another --redact"):
        export(ledger.url, bundle)


def test_a_ledger_with_a_hole_is_not_exported(migrated_url: str, tmp_path: Path) -> None:
    ledger = SealedLedger(migrated_url, tmp_path)
    ledger.write(20)
    ledger.seal()
    ledger.tamper("DELETE FROM ledger.events WHERE position = 13")
    with pytest.raises(ExportFailed, match="the line at position 13 is missing"):
        export(migrated_url, tmp_path / "bundle")
    ledger.tamper("DELETE FROM ledger.events WHERE position > 9")
    with pytest.raises(ExportFailed, match="the line at position 10 is missing"):
        export(migrated_url, tmp_path / "another")


# Attacks on a bundle: each is found at its first bad position

Attack = Callable[[Path], None]


def changing(change: Callable[[list[bytes]], list[bytes]]) -> Attack:
    return lambda bundle: put(bundle, change(lines_of(bundle)))


def replacing(name: str, change: Callable[[bytes], bytes]) -> Attack:
    def attack(bundle: Path) -> None:
        (bundle / name).write_bytes(change((bundle / name).read_bytes()))

    return attack


def compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


LATE = b'{"position":701,"field":"note","salt":"%b","text":""}\n' % (b"0" * 64)


def spoil(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def first_text(change: Callable[[dict[str, Any]], Any]) -> Attack:
    def attack(content: bytes) -> bytes:
        line, rest = content.split(b"\n", 1)
        said = json.loads(line)
        changed = change(said)
        text = changed if isinstance(changed, str) else compact(said)
        return text.encode() + b"\n" + rest

    return replacing("texts.jsonl", attack)


def fork(bundle: Path, *, by: SigningKey) -> None:
    """Rewrite line 450 with all that follows from it, sign it, and leave the earlier checkpoints as they are."""
    lines = lines_of(bundle)
    lines[449] = lines[449].replace(b"anna", b"bert")
    root = put_hashes(bundle, lines)
    put(bundle, lines)
    (bundle / "checkpoint").write_text(Checkpoint(ORIGIN, LINES, root).signed(by))


ATTACKS: dict[str, tuple[Attack, int]] = {
    "a changed byte": (changing(lambda lines: [*lines[:6], lines[6].replace(b"anna", b"bnna"), *lines[7:]]), 7),
    "a removed line": (changing(lambda lines: lines[:8] + lines[9:]), 9),
    "the first line removed": (changing(lambda lines: lines[1:]), 1),
    "an inserted line": (changing(lambda lines: [*lines[:9], lines[3], *lines[9:]]), 10),
    "two swapped lines": (changing(lambda lines: [*lines[:300], lines[301], lines[300], *lines[302:]]), 301),
    "a renumbered line": (changing(lambda lines: [*lines[:4], lines[4].replace(b":5,", b":6,", 1), *lines[5:]]), 5),
    "a truncated end": (changing(lambda lines: lines[:650]), 651),
    "a file cut in a line": (replacing("events.jsonl", lambda content: content[:-9]), LINES),
    "a line without its newline": (replacing("events.jsonl", lambda content: content[:-1]), LINES),
    "an extra line": (changing(lambda lines: [*lines, lines[-1].replace(b":700,", b":701,", 1)]), LINES + 1),
    "an empty line": (changing(lambda lines: [*lines[:2], b"", *lines[2:]]), 3),
    "nothing at all": (replacing("events.jsonl", lambda _: b""), 1),
    "CRLF": (replacing("events.jsonl", lambda content: content.replace(b"\n", b"\r\n")), 1),
    "a BOM": (replacing("events.jsonl", lambda content: b"\xef\xbb\xbf" + content), 1),
    "duplicate keys in a line": (changing(lambda lines: [lines[0], lines[1][:20] + lines[1][6:], *lines[2:]]), 2),
    "a changed hash": (replacing("leaf-hashes", lambda hashes: hashes[:-1] + bytes([hashes[-1] ^ 1])), LINES),
    "a hash too few": (replacing("leaf-hashes", lambda hashes: hashes[:-32]), LINES),
    "a hash too many": (replacing("leaf-hashes", lambda hashes: hashes + bytes(32)), LINES + 1),
    "a changed text": (first_text(lambda text: text.update(text="another note")), 301),
    "a changed salt": (first_text(lambda text: text.update(salt="00" * 32)), 301),
    "a salt in upper case": (first_text(lambda text: text.update(salt=text["salt"].upper() + "")), 1),
    "a text for another field": (first_text(lambda text: text.update(field="a")), 301),
    "a text for another line": (first_text(lambda text: text.update(position=300)), 300),
    "a text with a position that is none": (first_text(lambda text: text.update(position=1.0)), 1),
    "a text with a member too many": (first_text(lambda text: text.update(more=1)), 1),
    "a text spelt in another way": (first_text(lambda text: compact(text).replace("first", "\\u0066irst")), 1),
    "duplicate keys in a text": (first_text(lambda text: compact(text)[:-1] + ',"text":"x"}'), 1),
    "a text of a line that is not there": (replacing("texts.jsonl", lambda texts: texts + LATE), LINES + 1),
    "texts in another order": (replacing("texts.jsonl", lambda content: b"".join(content.splitlines(True)[::-1])), 303),
    "nonsense nested deeply": (replacing("texts.jsonl", lambda content: b"[" * 100_000 + b"\n" + content), 1),
    "a checkpoint that is none": (replacing("checkpoint", lambda _: b"700\n"), 1),
    "a checkpoint without its key": (replacing("keys", lambda keys: keys.splitlines(True)[0]), 1),
    "a spoilt earlier signature": (replacing("earlier-checkpoints.jsonl", spoil), 1),
    "an earlier checkpoint cut off": (replacing("earlier-checkpoints.jsonl", lambda notes: notes[:-4]), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_on_a_bundle_is_found(ledger: SealedLedger, bundle: Path, name: str) -> None:
    attack, position = ATTACKS[name]
    attack(bundle)
    assert found(bundle, first_key(ledger)) == position


def test_both_verifiers_name_the_position_and_end_with_1(bundle: Path) -> None:
    ATTACKS["a changed byte"][0](bundle)
    command = [sys.executable, "-I", "-S", str(bundle / "verify_bundle.py"), str(bundle)]
    alone = subprocess.run(command, capture_output=True, text=True, check=False)
    ours = okr("verify", str(bundle))
    assert (alone.returncode, ours.returncode) == (1, 1)
    assert alone.stderr == "NOT VERIFIED: position 7: the line does not have the hash that leaf-hashes has for it\n"
    assert ours.stderr == (
        "Error: not verified: position 7: the line does not have the hash that leaf-hashes has for it.\n"
    )


def test_what_is_no_bundle_is_told_with_2(tmp_path: Path) -> None:
    program = verify_bundle.__file__
    for place in (tmp_path, tmp_path / "nowhere", Path(program)):
        alone = subprocess.run([sys.executable, program, place], capture_output=True, text=True, check=False)
        ours = okr("verify", str(place))
        assert (alone.returncode, ours.returncode) == (2, 2)
        assert f"{place} is no bundle" in alone.stderr
        assert ours.stderr.startswith(f"Error: {place} is no bundle: ")
    nonsense = okr("verify", str(tmp_path), "--key", "nonsense")
    assert nonsense.returncode == 2


def test_a_thousand_flipped_bits_are_found(ledger: SealedLedger, exported: Path, bundle: Path) -> None:
    """In every file that says something about the ledger, wherever in it; in the files' own proportions, and more."""
    chance = random.Random(11)
    names = ["events.jsonl", "leaf-hashes", "texts.jsonl", "checkpoint", "earlier-checkpoints.jsonl", "keys"]
    key = read_key(first_key(ledger))
    has_signed_before: dict[tuple[bytes, bytes, bytes], bool] = {}

    def remembered(*checked: bytes) -> bool:
        """The same signatures are checked a thousand times: once is enough."""
        if checked not in has_signed_before:
            has_signed_before[checked] = has_signed(*checked)  # type: ignore[index]
        return has_signed_before[checked]  # type: ignore[index]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verify_bundle, "has_signed", remembered)
        for number in range(1_000):
            name = names[number % len(names)]
            content = bytearray((exported / name).read_bytes())
            at = chance.randrange(len(content))
            content[at] ^= 1 << chance.randrange(8)
            (bundle / name).write_bytes(content)
            with pytest.raises(Finding):
                verify(bundle, [key], [])
            (bundle / name).write_bytes((exported / name).read_bytes())
    verify(bundle, [key], [])


def test_a_signature_by_a_wrong_key(ledger: SealedLedger, bundle: Path) -> None:
    """Re-signed as a whole by another key of the same name, with that key in the bundle."""
    forger = SigningKey.create(ORIGIN)
    fork(bundle, by=forger)
    assert found(bundle, first_key(ledger)) == 1  # the bundle does not know the key
    (bundle / "keys").write_text(f"{forger.verifier}\n")
    (bundle / "earlier-checkpoints.jsonl").write_text("")
    assert found(bundle, first_key(ledger)) == 1
    verify(bundle, [], [])  # it fits itself: that is all that a key from the bundle can say


def test_recomputed_hashes_do_not_fit_a_checkpoint_that_somebody_has_kept(
    ledger: SealedLedger, bundle: Path, tmp_path: Path
) -> None:
    kept = []
    for number, note in enumerate(ledger.checkpoints):
        kept.append(tmp_path / f"kept-{number}")
        kept[-1].write_text(note)
    verify(bundle, [], kept)
    forger = SigningKey.create(ORIGIN)
    fork(bundle, by=forger)
    (bundle / "keys").write_text(f"{forger.verifier}\n")
    (bundle / "earlier-checkpoints.jsonl").write_text("")
    verify(bundle, [], [])
    verify(bundle, [], kept[:1])  # sealed at 303, before the line that was changed
    assert found(bundle, checkpoints=tuple(kept)) == 304  # one of 304 to 600
    assert found(bundle, checkpoints=(kept[2],)) == 1  # one of 1 to 700


def test_a_fork_by_the_holder_of_the_key_is_found_by_the_earlier_checkpoints(
    ledger: SealedLedger, bundle: Path
) -> None:
    fork(bundle, by=ledger.place.current())
    assert found(bundle, first_key(ledger)) == 304


def test_a_line_that_was_sealed_in_the_wrong_place(ledger: SealedLedger, bundle: Path) -> None:
    """Even a signature over it does not make a line that says position 6 the fifth."""
    lines = lines_of(bundle)
    lines[4] = lines[4].replace(b":5,", b":6,", 1)
    put(bundle, lines)
    (bundle / "earlier-checkpoints.jsonl").write_text("")
    (bundle / "checkpoint").write_text(
        Checkpoint(ORIGIN, LINES, put_hashes(bundle, lines)).signed(ledger.place.current())
    )
    assert found(bundle, ledger.key) == 5


def test_the_root_of_another_tree(ledger: SealedLedger, bundle: Path) -> None:
    other = Checkpoint(ORIGIN, LINES, sha256(b"another").digest())
    (bundle / "checkpoint").write_text(other.signed(ledger.place.current()))
    assert found(bundle, first_key(ledger)) == 601


def test_a_truncated_bundle_with_its_older_checkpoint(ledger: SealedLedger, bundle: Path, tmp_path: Path) -> None:
    """A bundle of an earlier moment is as good as ever; only who holds a later checkpoint can miss the rest."""
    put(bundle, lines_of(bundle)[:600])
    (bundle / "leaf-hashes").write_bytes((bundle / "leaf-hashes").read_bytes()[: 600 * 32])
    assert found(bundle, first_key(ledger)) == 601  # the last checkpoint is still inside
    (bundle / "checkpoint").write_text(ledger.checkpoints[1])
    verify(bundle, [read_key(first_key(ledger))], [])
    kept = tmp_path / "kept"
    kept.write_text(ledger.checkpoints[2])
    assert found(bundle, first_key(ledger), checkpoints=(kept,)) == 601


def test_a_checkpoint_of_another_ledger(ledger: SealedLedger, bundle: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.write_text(Checkpoint("another.example", 5, bytes(32)).signed(SigningKey.create("another.example")))
    assert found(bundle, checkpoints=(foreign,)) == 1
    (bundle / "checkpoint").write_text(Checkpoint("another.example", LINES, bytes(32)).signed(ledger.place.current()))
    assert found(bundle, first_key(ledger)) == 1


def test_a_handover_that_is_not_there_vouches_for_nothing(ledger: SealedLedger, bundle: Path) -> None:
    notes = (bundle / "earlier-checkpoints.jsonl").read_text().splitlines(keepends=True)
    (bundle / "earlier-checkpoints.jsonl").write_text(notes[0])
    assert found(bundle, first_key(ledger)) == 1
    verify(bundle, [read_key(ledger.key)], [])


def test_a_checkpoint_that_others_have_signed_too_is_still_one(
    ledger: SealedLedger, bundle: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    witness = SigningKey.create("witness.example")
    line = base64.b64encode(witness.verifier.id + bytes(64)).decode()
    kept.write_text(f"{ledger.checkpoints[0]}— witness.example {line}\n")
    verify(bundle, [], [kept])


# The verifier's own Ed25519


@pytest.mark.skipif(not VECTORS.exists(), reason="the published vectors lie beside the repository: NOTHING WAS CHECKED")
def test_published_signatures() -> None:
    cases = [json.loads(line) for line in VECTORS.read_text().splitlines()]
    assert len(cases) == 151
    for case in cases:
        public, message, signature = (bytes.fromhex(case[name]) for name in ("pk", "msg", "sig"))
        assert has_signed(public, signature, message) is (case["result"] == "valid"), case


# RFC 8032, section 7.1, test 2.
RFC_8032 = (
    "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    "72",
)


def test_a_published_signature() -> None:
    public, signature, message = map(bytes.fromhex, RFC_8032)
    assert has_signed(public, signature, message)
    assert not has_signed(public, signature, message + b"!")
    for at in range(64):
        spoilt = bytearray(signature)
        spoilt[at] ^= 1
        assert not has_signed(public, bytes(spoilt), message)
    assert not has_signed(bytes([2]) + bytes(31), signature, message)  # no point of the curve


def test_both_implementations_agree() -> None:
    chance = random.Random(3)
    for _ in range(20):
        key, message = SigningKey("x", chance.randbytes(32)), chance.randbytes(chance.randrange(100))
        assert has_signed(key.verifier.public, key.sign(message), message)
        assert not key.verifier.has_signed(bytes(64), message)
        assert not has_signed(key.verifier.public, bytes(64), message)


def test_a_head_that_was_rewritten(migrated_url: str, tmp_path: Path) -> None:
    """The head is in no bundle: the lines are what is sealed. The record's own check finds it."""
    ledger = SealedLedger(migrated_url, tmp_path)
    ledger.write(20)
    ledger.seal()
    ledger.tamper("UPDATE ledger.head SET frontier = substr(frontier, 33) || substr(frontier, 1, 32)")
    result = okr("ledger", "verify", database_url=migrated_url)
    assert result.returncode == 1
    assert "position 20" in result.stderr
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT count(*) FROM ledger.checkpoints").fetchone() == (1,)


def test_a_line_that_was_changed_with_its_hash_is_named(migrated_url: str, tmp_path: Path) -> None:
    """By the record's own check, and in a bundle that is exported afterwards; also where the head was made to fit."""
    ledger = SealedLedger(migrated_url, tmp_path)
    ledger.write(20)
    ledger.seal()
    ledger.write(20)
    ledger.seal()
    ledger.tamper(
        "UPDATE ledger.events SET line = replace(line, 'anna', 'bert'),"
        " leaf_hash = sha256('\\x00' || replace(line, 'anna', 'bert')::bytea) WHERE position = 33"
    )
    changed = okr("ledger", "verify", database_url=migrated_url)
    assert "at position 33: the line is not the one that was sealed" in changed.stderr
    tree = Frontier()
    lines = ledger.query("SELECT line FROM ledger.events ORDER BY position")
    tree.extend(leaf_hash(line.encode()) for (line,) in lines)
    ledger.tamper(f"UPDATE ledger.head SET frontier = '\\x{bytes(tree).hex()}'")
    assert "at position 33: " in okr("ledger", "verify", database_url=migrated_url).stderr
    export(migrated_url, tmp_path / "bundle")
    assert found(tmp_path / "bundle", ledger.key) == 33
    ledger.tamper("DELETE FROM ledger.tiles")
    assert "at position 21: one of the lines 21 to 40" in okr("ledger", "verify", database_url=migrated_url).stderr
    with pytest.raises(ExportFailed, match="makes the tiles of the ledger anew"):
        export(migrated_url, tmp_path / "another")
