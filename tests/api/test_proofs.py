"""Checkpoints and proofs over HTTP and from the command line: what is answered can be checked by who trusts nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.settings import ApiSettings
from ledger.checkpoints import open_checkpoint
from ledger.proofs import is_consistent, is_included
from tests.api.client import Client, Json, read
from tests.api.live import live_server
from tests.cli.command import okr
from tests.ledger.sealed import SealedLedger

SIZE = 300


@pytest.fixture
def ledger(api_url: str, tmp_path: Path) -> SealedLedger:
    ledger = SealedLedger(api_url, tmp_path)
    ledger.write(100)
    ledger.seal()
    ledger.write(SIZE - 100)
    ledger.seal()
    return ledger


def hashes(proof: Json) -> list[bytes]:
    return [bytes.fromhex(each) for each in proof["hashes"]]


def test_the_last_checkpoint_is_the_note_itself_or_what_it_says(ledger: SealedLedger, lonely: Client) -> None:
    plain = lonely.get("/v1/ledger/checkpoint", role="viewer")
    assert plain.content_type == "text/plain; charset=utf-8"
    assert plain.text == ledger.checkpoints[-1]
    checkpoint, _ = open_checkpoint(plain.text, [ledger.place.current().verifier])
    said = read(lonely.get("/v1/ledger/checkpoint", headers={"Accept": "application/json"}))
    assert (said["size"], said["root"], said["note"]) == (SIZE, checkpoint.root.hex(), plain.text)
    assert plain.headers["Okr-Position"] == str(SIZE)


def test_proofs_lead_to_the_roots_that_were_signed(ledger: SealedLedger, lonely: Client) -> None:
    roots = {}
    for note in ledger.checkpoints:
        checkpoint, _ = open_checkpoint(note, [ledger.place.current().verifier])
        roots[checkpoint.size] = checkpoint.root
    for position, asked, size in ((1, "", SIZE), (257, f"?size={SIZE}", SIZE), (100, "?size=100", 100)):
        proof = lonely.state(f"/v1/ledger/proofs/inclusion/{position}{asked}")
        leaf, root = bytes.fromhex(proof["leaf_hash"]), bytes.fromhex(proof["root"])
        assert (proof["position"], proof["size"], root) == (position, size, roots[size])
        assert is_included(position - 1, size, leaf, hashes(proof), root)
    proof = lonely.state("/v1/ledger/proofs/consistency?from=100")
    assert (proof["from"], proof["to"]) == (100, SIZE)
    assert (bytes.fromhex(proof["root_from"]), bytes.fromhex(proof["root_to"])) == (roots[100], roots[SIZE])
    assert is_consistent(100, SIZE, hashes(proof), roots[100], roots[SIZE])


REFUSED = {
    "inclusion/301": (404, "not-sealed-yet"),
    "inclusion/1?size=301": (404, "not-sealed-yet"),
    f"inclusion/{2**70}": (404, "not-sealed-yet"),
    "inclusion/0": (400, "bad-parameters"),
    "inclusion/101?size=100": (400, "bad-parameters"),
    "inclusion/1?size=0": (400, "bad-parameters"),
    "inclusion/1?from=1": (400, "bad-parameters"),
    "inclusion/x": (404, "no-such-address"),
    "consistency": (400, "bad-parameters"),
    "consistency?from=200&to=100": (400, "bad-parameters"),
    "consistency?from=0&to=100": (400, "bad-parameters"),
    "consistency?from=1&to=301": (404, "not-sealed-yet"),
}


def test_what_cannot_be_proven_is_said(ledger: SealedLedger, lonely: Client) -> None:
    for path, (status, kind) in REFUSED.items():
        answer = lonely.get(f"/v1/ledger/proofs/{path}")
        assert (answer.status_code, read(answer)["type"]) == (status, f"/problems/{kind}"), path


def test_before_anything_was_sealed(lonely: Client) -> None:
    for path in ("checkpoint", "proofs/inclusion/1", "proofs/consistency?from=1"):
        answer = lonely.get(f"/v1/ledger/{path}")
        assert (answer.status_code, read(answer)["type"]) == (404, "/problems/not-sealed-yet")


def test_tiles_that_are_being_made_anew_are_waited_for(ledger: SealedLedger, lonely: Client) -> None:
    ledger.tamper("DELETE FROM ledger.tiles WHERE level = 0 AND number = 1")
    answer = lonely.get("/v1/ledger/proofs/inclusion/300")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")


def test_the_commands_check_what_they_show(ledger: SealedLedger, lonely: Client, api_url: str) -> None:
    with live_server(ApiSettings(api_url)) as server:
        told = {"url": server.url, "token": lonely.tokens["auditor"]}
        assert okr("ledger", "checkpoint", **told).stdout == ledger.checkpoints[-1]
        assert json.loads(okr("ledger", "checkpoint", "--json", **told).stdout)["size"] == SIZE
        shown = okr("ledger", "proof", "34", **told)
        line = ledger.query("SELECT line FROM ledger.events WHERE position = 34")[0][0]
        assert shown.stdout.splitlines()[0] == line
        assert "which was signed" in shown.stdout
        assert json.loads(okr("ledger", "proof", "34", "--size", "100", "--json", **told).stdout)["line"] == line
        assert "are the beginning of" in okr("ledger", "consistency", "100", str(SIZE), **told).stdout
        assert json.loads(okr("ledger", "consistency", "100", str(SIZE), "--json", **told).stdout)["to"] == SIZE
        ledger.tamper("UPDATE ledger.events SET line = replace(line, 'anna', 'bert') WHERE position = 34")
        changed = okr("ledger", "proof", "34", **told)
        ledger.tamper("UPDATE ledger.events SET leaf_hash = sha256('\\x00' || line::bytea) WHERE position = 34")
        rehashed = okr("ledger", "proof", "34", **told)
        missing = okr("ledger", "proof", "301", **told)
    assert (changed.returncode, rehashed.returncode, missing.returncode) == (1, 1, 1)
    assert "the line at position 34 does not have the hash" in changed.stderr
    assert "the proof does not lead from the line at position 34 to the root" in rehashed.stderr
    assert "300 lines have been sealed so far, not 301" in missing.stderr
