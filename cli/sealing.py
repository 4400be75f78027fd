"""The sealer as a process, and the key with which it signs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
import psycopg

from cli import log_files, running
from cli import settings as door
from cli.output import Failure, json_option, say, show_json
from cli.serve import told_to_end
from ledger.notes import VerifierKey
from workers.sealer.keys import KeyPlace, KeyTrouble
from workers.sealer.main import Busy, run, seal_once
from workers.sealer.sealing import SealRefused
from workers.sealer.settings import SealerSettings

REFUSED = 3


class WillNotSeal(Failure):
    """The sealer refuses to sign: trying again cures nothing."""

    exit_code = REFUSED


@click.command()
@click.option("--once", is_flag=True, help="Look once, sign if the ledger has grown, and end.")
def seal(once: bool) -> None:
    """Sign how far the ledger has come, every few seconds.

    Each checkpoint holds the number of lines and the Merkle root over them. It is kept in the database, and told to
    OKR_CHECKPOINT_FOLDER and OKR_CHECKPOINT_WEBHOOK. One sealer is active; others stand by. A ledger whose past was
    rewritten is not signed: the sealer names the first bad position and ends with exit code 3.

    \b
    Examples:
      okr seal
      OKR_CHECKPOINT_FOLDER=/mnt/worm/okr okr seal
      okr seal --once
    """
    settings = door.read()
    log_files.configure(settings.log_level)
    sealer = SealerSettings(
        database_url=running.database_url(settings),
        key_file=settings.sealing_key_path,
        every=settings.seal_every_s,
        folder=settings.checkpoint_folder,
        webhook=settings.checkpoint_webhook,
    )
    try:
        if not once:
            run(sealer, told_to_end())
            return
        sealed = seal_once(sealer)
    except (SealRefused, KeyTrouble) as refusal:
        raise WillNotSeal(f"not sealed: {refusal}") from None
    except psycopg.errors.InsufficientPrivilege as error:
        raise WillNotSeal(
            f"not sealed: the database's user may not act as okr_sealer ({error.diag.message_primary}):"
            " give the sealer a user of its own, with `GRANT okr_sealer TO …`."
        ) from None
    except Busy:
        raise Failure("another sealer is active: it signs.") from None
    say("nothing to seal: the ledger is empty." if sealed is None else f"sealed: {sealed.checkpoint.size} lines.")


@click.group()
def key() -> None:
    """Make, change and show the key that seals the ledger."""


@key.command("create")
@click.option("--name", metavar="NAME", help="The ledger's name in every checkpoint, such as okr.example.com/ledger.")
def key_create(name: str | None) -> None:
    """Make the sealing key of a ledger.

    Writes it to OKR_SEALING_KEY_FILE, readable for you alone, and prints the verifier key: give that to auditors,
    by a way on which nobody who runs the database can change it. Back the key up: a ledger is sealed with one key,
    until that key hands over to the next.

    \b
    Example:
      okr key create --name okr.example.com/ledger
    """
    say(str(_in_place(lambda place: place.create(name).verifier)))


@key.command("rotate")
def key_rotate() -> None:
    """Make the key that is to follow the present one.

    The sealer's next checkpoint names the new key and is signed by both; from then on the new key signs, and the
    old one is gone from OKR_SEALING_KEY_FILE. Who trusts the old key can check the new one by that checkpoint.

    \b
    Example:
      okr key rotate
    """
    say(str(_in_place(lambda place: place.create_following().verifier)))


@key.command("show")
@json_option
def key_show(as_json: bool) -> None:
    """Show the verifier key that belongs to the sealing key.

    \b
    Example:
      okr key show
    """
    verifier = _in_place(lambda place: place.current().verifier)
    if as_json:
        show_json({"name": verifier.name, "verifier_key": str(verifier)})
    else:
        say(str(verifier))


def make_key_if_none(path: Path) -> bool:
    """Make a first key where there is none; whether that was needed."""
    if path.exists():
        return False
    _in_place(lambda _: KeyPlace(path).create().verifier)
    return True


def _in_place(do: Callable[[KeyPlace], VerifierKey]) -> VerifierKey:
    place = KeyPlace(door.read().sealing_key_path)
    try:
        return do(place)
    except KeyTrouble as trouble:
        raise Failure(str(trouble)) from None
    except OSError as error:
        raise Failure(f"cannot write {place.path} ({error.strerror}).") from None
