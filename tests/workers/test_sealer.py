"""The sealer signs a ledger that grows, and none whose past was rewritten; a kill at any instruction loses nothing."""

import random
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.checkpoints import open_checkpoint, read_checkpoint
from ledger.datastore import become
from ledger.past import read_head
from ledger.tiles import stored_tree
from tests.cli.command import OKR, environment, okr
from tests.ledger.sealed import NOW, SealedLedger
from workers.sealer.keys import KeyPlace, KeyTrouble
from workers.sealer.main import Busy, run, seal_once
from workers.sealer.sealing import Sealing, SealRefused
from workers.sealer.settings import SealerSettings
from workers.sealer.sinks import ROLE, AnotherIsThere, Folder, Webhook, tell_due

# What a forger with the owner's rights does: change a line and all hashes that follow from it.
FORGE = (
    "UPDATE ledger.events SET line = replace(line, 'anna', 'bert'),"
    " leaf_hash = sha256('\\x00' || convert_to(replace(line, 'anna', 'bert'), 'UTF8')) WHERE position = {}"
)


@pytest.fixture
def ledger(migrated_url: str, tmp_path: Path) -> SealedLedger:
    return SealedLedger(migrated_url, tmp_path)


def test_a_ledger_that_grows_is_signed_and_one_that_does_not_is_not(ledger: SealedLedger) -> None:
    assert seal_once(ledger.settings) is None
    ledger.write(3)
    first = ledger.seal()
    assert ledger.seal() == first
    ledger.write(600)
    second = ledger.seal()
    assert (first.number, first.checkpoint.size, second.number, second.checkpoint.size) == (1, 3, 2, 603)
    with psycopg.connect(ledger.url, autocommit=True) as connection:
        assert read_head(connection).root() == second.checkpoint.root == stored_tree(connection).root(603)
        assert stored_tree(connection).root(3) == first.checkpoint.root
    assert open_checkpoint(second.note, [ledger.place.current().verifier])[0] == second.checkpoint
    assert second.checkpoint.origin == "okr.example/ledger"
    assert ledger.files == ledger.checkpoints == [first.note, second.note]
    assert ledger.query("SELECT number, verifier_key, first_checkpoint FROM ledger.sealing_keys") == [
        (1, str(ledger.place.current().verifier), 1)
    ]


@pytest.mark.parametrize(
    ("tampering", "position"),
    [
        ("UPDATE ledger.events SET line = replace(line, 'anna', 'bert') WHERE position = 7", 7),
        (FORGE.format(8), 8),
        ("DELETE FROM ledger.events WHERE position = 9", 9),
        ("UPDATE ledger.events SET position = 1000 WHERE position = 10", 10),
        ("DELETE FROM ledger.events WHERE position > 590; UPDATE ledger.head SET size = 590,"
         " frontier = frontier || sha256('')", 591),
        ("UPDATE ledger.head SET frontier = sha256('') || substr(frontier, 33)", 600),
        ("UPDATE ledger.head SET frontier = ''", 600),
        (FORGE.format(300) + "; UPDATE ledger.head SET frontier = sha256('') || substr(frontier, 33)", 300),
        ("UPDATE ledger.events SET line = (SELECT line FROM ledger.events WHERE position = 4), leaf_hash ="
         " (SELECT leaf_hash FROM ledger.events WHERE position = 4) WHERE position = 5", 5),
    ],
)  # fmt: skip
def test_a_past_that_was_rewritten_is_not_signed(ledger: SealedLedger, tampering: str, position: int) -> None:
    ledger.write(600)
    ledger.seal()
    ledger.tamper(tampering)
    with pytest.raises(SealRefused, match=rf"past was rewritten at position {position}: "):
        ledger.seal()
    assert len(ledger.checkpoints) == 1


def test_lines_and_tiles_that_were_changed_together_are_found_by_the_checkpoints(ledger: SealedLedger) -> None:
    for _ in range(3):
        ledger.write(100)
        ledger.seal()
    ledger.tamper(FORGE.format(150))
    ledger.tamper("DELETE FROM ledger.tiles")
    with pytest.raises(SealRefused, match=r"position 101: one of the lines 101 to 200 is not the one that was sealed"):
        ledger.seal()


def test_an_old_backup_that_goes_on_is_not_signed(ledger: SealedLedger) -> None:
    """What was signed last lies beside the key: the database's own memory went back with the backup."""
    ledger.write(10)
    ledger.seal()
    ledger.tamper("CREATE TABLE backup AS SELECT * FROM ledger.head")
    ledger.write(5)
    ledger.seal()
    ledger.tamper(
        "DELETE FROM ledger.events WHERE position > 10; DELETE FROM ledger.checkpoints WHERE size > 10;"
        "DELETE FROM ledger.tiles; UPDATE ledger.head SET (size, frontier) = (SELECT size, frontier FROM backup)"
    )
    with pytest.raises(SealRefused, match=r"position 11: 15 lines were sealed, 10 are left"):
        ledger.seal()
    ledger.write(9)
    with pytest.raises(SealRefused, match=r"position 11: one of the lines 11 to 15 is not the one that was sealed"):
        ledger.seal()


def test_tiles_that_were_lost_or_changed_are_made_anew(ledger: SealedLedger) -> None:
    ledger.write(600)
    sealed = ledger.seal()
    tiles = ledger.query("SELECT * FROM ledger.tiles ORDER BY level, number")
    assert [(level, number, len(hashes) // 32) for level, number, hashes in tiles] == [
        (0, 0, 256), (0, 1, 256), (0, 2, 88), (1, 0, 2)
    ]  # fmt: skip
    for damage in (
        "DELETE FROM ledger.tiles",
        "DELETE FROM ledger.tiles WHERE level = 0 AND number = 1",
        "DELETE FROM ledger.tiles WHERE level = 0 AND number = 2",
        "UPDATE ledger.tiles SET hashes = sha256('') || substr(hashes, 33) WHERE number = 0",
        "UPDATE ledger.tiles SET hashes = substr(hashes, 33) WHERE level = 0 AND number = 1",
    ):
        ledger.tamper(damage)
        assert ledger.seal() == sealed
        assert ledger.query("SELECT * FROM ledger.tiles ORDER BY level, number") == tiles


def test_a_checkpoint_that_is_not_ours_stops_the_sealer(ledger: SealedLedger, tmp_path: Path) -> None:
    ledger.write(10)
    ledger.seal()
    forged = read_checkpoint(ledger.checkpoints[0]).signed(KeyPlace(tmp_path / "another").create("okr.example/ledger"))
    ledger.tamper(f"UPDATE ledger.checkpoints SET note = '{forged}'")
    with pytest.raises(SealRefused, match="not one that our key has signed"):
        ledger.seal()


def test_a_key_belongs_to_one_ledger(ledger: SealedLedger, tmp_path: Path) -> None:
    ledger.write(10)
    ledger.seal()
    place = KeyPlace(tmp_path / "another")
    place.create()
    with pytest.raises(SealRefused, match="a sealing key belongs to one ledger"):
        seal_once(SealerSettings(database_url=ledger.url, key_file=place.path))


def test_a_key_is_read_only_where_nobody_else_may(ledger: SealedLedger) -> None:
    assert ledger.place.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeyTrouble, match="it stays"):
        ledger.place.create()
    ledger.place.path.chmod(0o640)
    with pytest.raises(KeyTrouble, match="chmod 600"):
        ledger.seal()


def test_the_old_key_hands_over_to_the_new_one(ledger: SealedLedger) -> None:
    ledger.write(10)
    ledger.seal()
    old = ledger.place.current().verifier
    new = ledger.place.create_following().verifier
    handover = ledger.seal()
    assert handover.checkpoint.next_key == new
    assert open_checkpoint(handover.note, [old, new])[1].verified == (old, new)
    assert ledger.place.current().verifier == new
    assert ledger.place.following() is None
    assert ledger.seal() == handover
    ledger.write(1)
    after = ledger.seal()
    assert open_checkpoint(after.note, [new])[0].size == 11
    assert ledger.query("SELECT number, verifier_key, first_checkpoint FROM ledger.sealing_keys ORDER BY 1") == [
        (1, str(old), 1), (2, str(new), 2)
    ]  # fmt: skip


def test_one_sealer_is_active(ledger: SealedLedger) -> None:
    with psycopg.connect(ledger.url) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [0x6F6B72_20])
        with pytest.raises(Busy):
            ledger.seal()


NOBODY_MAY = (
    "UPDATE ledger.checkpoints SET note = note",
    "DELETE FROM ledger.checkpoints",
    "TRUNCATE ledger.checkpoints CASCADE",
    "DELETE FROM ledger.sealing_keys",
    "ALTER TABLE ledger.checkpoints DISABLE TRIGGER ALL",
)
THE_SEALER_MAY_NOT = (
    "INSERT INTO ledger.events SELECT * FROM ledger.events",
    "UPDATE ledger.head SET size = 1",
    "SELECT FROM people.texts",
)
THE_APPLICATION_MAY_NOT = tuple(
    f"INSERT INTO ledger.{table} SELECT * FROM ledger.{table}"
    for table in ("checkpoints", "sealing_keys", "tiles", "sinks")
)


def test_what_was_signed_stays_whoever_comes(ledger: SealedLedger) -> None:
    ledger.write(1)
    ledger.seal()
    refused = {ROLE: NOBODY_MAY + THE_SEALER_MAY_NOT, "okr_app": NOBODY_MAY + THE_APPLICATION_MAY_NOT}
    with psycopg.connect(ledger.url) as connection:
        for role, statements in refused.items():
            become(connection, role)
            for statement in statements:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement.encode())
        connection.execute("RESET ROLE")
        for table in ("checkpoints", "sealing_keys"):
            for statement in (f"UPDATE ledger.{table} SET number = number", f"DELETE FROM ledger.{table}"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege, match="append-only"):
                    connection.execute(statement.encode())


def test_the_database_takes_no_fork(ledger: SealedLedger) -> None:
    ledger.write(10)
    ledger.seal()
    with psycopg.connect(ledger.url) as connection:
        become(connection, ROLE)
        for number, size in ((3, 11), (2, 9), (2, 10), (1, 11)):
            with pytest.raises(psycopg.errors.CheckViolation, match="does not follow"):
                connection.execute(
                    "INSERT INTO ledger.checkpoints (number, size, root, note) VALUES (%s, %s, sha256(''), '')",
                    [number, size],
                )


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("rotates", [False, True])
@pytest.mark.parametrize(
    ("owner", "method", "is_done"),
    [
        (KeyPlace, "keep", False),
        (KeyPlace, "keep", True),
        (Sealing, "_record", False),
        (Sealing, "_record", True),
        (KeyPlace, "turn", False),
        (KeyPlace, "turn", True),
        (Sealing, "_grow", True),
    ],
)
def test_a_kill_between_any_two_steps_loses_nothing(
    ledger: SealedLedger, monkeypatch: pytest.MonkeyPatch, owner: type, method: str, is_done: bool, rotates: bool
) -> None:
    ledger.write(300)
    ledger.seal()
    if rotates:
        new = ledger.place.create_following().verifier
    ledger.write(7)
    whole = getattr(owner, method)

    def killed(*arguments: Any) -> None:
        if is_done:
            whole(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, method, killed)
        if method != "turn" or rotates:
            with pytest.raises(Killed):
                seal_once(ledger.settings)
    ledger.seal()
    ledger.write(1)
    ledger.seal()
    sizes = [read_checkpoint(note).size for note in ledger.checkpoints]
    assert sizes == [300, 307, 308]
    assert ledger.files == ledger.checkpoints
    if rotates:
        assert ledger.place.current().verifier == new
        assert [read_checkpoint(note).next_key for note in ledger.checkpoints] == [None, new, None]
    assert not list(ledger.place.path.parent.glob(".*"))


def test_what_was_signed_and_told_nobody_is_recorded_though_the_ledger_has_grown(
    ledger: SealedLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    ledger.write(5)
    with monkeypatch.context() as patch:
        patch.setattr(Sealing, "_record", killed)
        with pytest.raises(Killed):
            seal_once(ledger.settings)
    ledger.write(2)
    ledger.seal()
    assert [read_checkpoint(note).size for note in ledger.checkpoints] == [5, 7]
    assert ledger.files == ledger.checkpoints


def test_killed_at_random_moments_it_goes_on_where_it_was(ledger: SealedLedger) -> None:
    chance = random.Random(7)
    told = environment(
        database_url=ledger.url,
        sealing_key_file=str(ledger.place.path),
        checkpoint_folder=str(ledger.settings.folder),
        seal_every_s="1",
    )
    for _ in range(4):
        ledger.write(chance.randint(1, 400))
        process = subprocess.Popen([OKR, "seal"], env=told, stderr=subprocess.DEVNULL)
        size = ledger.query("SELECT size FROM ledger.head")[0][0]
        deadline = time.monotonic() + 20
        while not ledger.query(f"SELECT FROM ledger.tiles WHERE number * 256 + length(hashes) / 32 >= {size}"):
            assert time.monotonic() < deadline
        time.sleep(chance.random() / 50)  # anywhere between the tiles and the last word to the folder
        process.send_signal(signal.SIGKILL)
        process.wait(10)
    with psycopg.connect(ledger.url) as connection:  # the lock goes with the dead process's connection
        connection.execute("SELECT pg_advisory_lock(%s)", [0x6F6B72_20])
    assert ledger.seal().checkpoint.size == size
    assert ledger.files == ledger.checkpoints
    sizes = [read_checkpoint(note).size for note in ledger.checkpoints]
    assert sizes == sorted(set(sizes))


def test_the_process_ends_with_what_it_found(ledger: SealedLedger) -> None:
    ledger.write(20)
    told = {"database_url": ledger.url, "sealing_key_file": str(ledger.place.path)}
    assert okr("seal", "--once", **told).stdout == "sealed: 20 lines.\n"
    ledger.tamper(FORGE.format(13))
    refused = okr("seal", **told)
    assert refused.returncode == 3
    assert "Error: not sealed: the ledger's past was rewritten at position 13: " in refused.stderr


def test_it_runs_until_it_is_told_to_end(ledger: SealedLedger) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=run, args=[ledger.settings, stop])
    thread.start()
    ledger.write(5)
    deadline = time.monotonic() + 20
    while not ledger.files:
        assert time.monotonic() < deadline
        stop.wait(0.02)
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


# Sinks


def test_a_folder_is_never_written_over(ledger: SealedLedger, tmp_path: Path) -> None:
    folder = Folder(tmp_path / "worm")
    folder.tell(1, 3, "a note\n")
    folder.tell(1, 3, "a note\n")
    for size, note in ((3, "another\n"), (4, "a note\n")):
        with pytest.raises(AnotherIsThere):
            folder.tell(1, size, note)
    (file,) = (tmp_path / "worm").iterdir()
    assert (file.name, file.read_text()) == ("000000000001-3.checkpoint", "a note\n")
    assert file.stat().st_mode & 0o222 == 0


def test_a_folder_that_holds_another_past_stops_the_sealer(ledger: SealedLedger) -> None:
    ledger.write(3)
    assert ledger.settings.folder is not None
    Folder(ledger.settings.folder).tell(1, 2, "what was told before the database was replaced\n")
    with pytest.raises(SealRefused, match="another checkpoint 1 than the database"):
        ledger.seal()


class Receiver(BaseHTTPRequestHandler):
    """Takes what is posted, after it has failed as often as it was told to."""

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server.requests += 1
        if server.refusals:
            self.send_response(server.refusals.pop(0))
            self.send_header("Location", "/elsewhere")
        else:
            server.received.append((self.headers["Okr-Checkpoint"], self.headers["Content-Type"], body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nothing: the test looks at what was received."""


@contextmanager
def receiver(directory: Path, refusals: list[int]) -> Iterator[tuple[Any, Webhook]]:
    """An HTTPS server with a certificate of its own, and a webhook that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - timedelta(1), NOW + timedelta(1))
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = builder.add_extension(address, critical=False)
    pem = directory / "server.pem"
    pem.write_bytes(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    with HTTPServer(("127.0.0.1", 0), Receiver) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        state: Any = server
        state.refusals, state.received, state.requests = refusals, [], 0
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        try:
            yield (
                state,
                Webhook(f"https://127.0.0.1:{server.server_port}/checkpoints", ssl.create_default_context(cafile=pem)),
            )
        finally:
            server.shutdown()


def test_a_webhook_is_told_each_checkpoint_once_it_takes_them(ledger: SealedLedger, tmp_path: Path) -> None:
    ledger.write(3)
    ledger.seal()
    ledger.write(3)
    ledger.seal()
    with receiver(tmp_path, [500, 302]) as (server, webhook), psycopg.connect(ledger.url) as connection:
        become(connection, ROLE)
        assert not tell_due(connection, webhook.name, webhook.tell)
        assert not tell_due(connection, webhook.name, webhook.tell)
        assert ledger.query("SELECT name, checkpoint, failures, last_error FROM ledger.sinks WHERE name LIKE 'w%'") == [
            ("webhook 127.0.0.1", 0, 2, "HTTP Error 302: Found")
        ]
        assert tell_due(connection, webhook.name, webhook.tell)
        assert tell_due(connection, webhook.name, webhook.tell)
        assert server.received == [
            (str(number), "text/plain; charset=utf-8", note) for number, note in enumerate(ledger.checkpoints, 1)
        ]
        assert ledger.query("SELECT checkpoint, failures, last_error FROM ledger.sinks WHERE name LIKE 'w%'") == [
            (2, 0, None)
        ]


def test_a_server_that_we_cannot_trust_is_told_nothing(ledger: SealedLedger, tmp_path: Path) -> None:
    ledger.write(3)
    ledger.seal()
    with receiver(tmp_path, []) as (server, _), psycopg.connect(ledger.url) as connection:
        become(connection, ROLE)
        stranger = Webhook(f"https://127.0.0.1:{server.server_port}/")
        assert not tell_due(connection, stranger.name, stranger.tell)
        assert server.requests == 0
