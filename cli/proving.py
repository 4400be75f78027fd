"""Commands that prove something about the ledger to who trusts nobody. They ask the API and check what it answers."""

from __future__ import annotations

import click

from cli import settings
from cli.administer import ledger
from cli.client import Json, connect
from cli.output import Failure, json_option, say, show_json
from ledger.merkle import leaf_hash
from ledger.proofs import is_consistent, is_included

__all__ = ["ledger"]


@ledger.command("checkpoint")
@json_option
def ledger_checkpoint(as_json: bool) -> None:
    """Show what the sealer has signed last.

    Prints the signed note as it is, to be kept where who runs the ledger cannot change it: `okr verify` takes it as
    --checkpoint.

    \b
    Example:
      okr ledger checkpoint > kept-$(date +%F).checkpoint
    """
    found = connect(settings.read()).get("/ledger/checkpoint")
    if as_json:
        show_json(found)
    else:
        click.echo(found["note"], nl=False)


@ledger.command("proof")
@click.argument("position", type=click.IntRange(1))
@click.option(
    "--size", type=click.IntRange(1), help="In the tree of so many lines; those of the last checkpoint without it."
)
@json_option
def ledger_proof(position: int, size: int | None, as_json: bool) -> None:
    """Prove that the line at POSITION is in the ledger.

    Hashes the line, follows the proof (RFC 6962) up to the root, and says whether that is the root that was signed.

    \b
    Examples:
      okr ledger proof 34
      okr ledger proof 34 --size 127 --json
    """
    api = connect(settings.read())
    proof = api.get(f"/ledger/proofs/inclusion/{position}", size=size)
    (event,) = api.get("/events", after_position=position - 1, limit=1)["items"]
    signed = api.get("/ledger/checkpoint")
    leaf = leaf_hash(event["line"].encode())
    if leaf.hex() != proof["leaf_hash"]:
        raise Failure(f"the line at position {position} does not have the hash that the proof is about.")
    if not is_included(position - 1, proof["size"], leaf, _hashes(proof), bytes.fromhex(proof["root"])):
        raise Failure(f"the proof does not lead from the line at position {position} to the root {proof['root']}.")
    if signed["size"] == proof["size"] and signed["root"] != proof["root"]:
        raise Failure(f"the root {proof['root']} is not the one that was signed, {signed['root']}.")
    if as_json:
        show_json({**proof, "line": event["line"]})
        return
    say(event["line"])
    say(f"is line {position} of {proof['size']}: {len(proof['hashes'])} hashes lead from it to the root")
    say(f"{proof['root']}" + (", which was signed" if signed["size"] == proof["size"] else ""))


@ledger.command("consistency")
@click.argument("from", metavar="FROM", type=click.IntRange(1))
@click.argument("to", metavar="TO", type=click.IntRange(1))
@json_option
def ledger_consistency(to: int, as_json: bool, **sizes: int) -> None:
    """Prove that the ledger of FROM lines is the beginning of that of TO lines.

    Compare the roots with those of the checkpoints that you hold: nothing was changed in between if they are the same.

    \b
    Example:
      okr ledger consistency 100 127
    """
    old = sizes["from"]
    proof = connect(settings.read()).get("/ledger/proofs/consistency", from_=old, to=to)
    roots = bytes.fromhex(proof["root_from"]), bytes.fromhex(proof["root_to"])
    if not is_consistent(old, to, _hashes(proof), *roots):
        raise Failure(f"the proof does not show that {old} lines are the beginning of {to}.")
    if as_json:
        show_json(proof)
        return
    say(f"{old} lines, root {proof['root_from']}\nare the beginning of\n{to} lines, root {proof['root_to']}")


def _hashes(proof: Json) -> list[bytes]:
    return [bytes.fromhex(each) for each in proof["hashes"]]
