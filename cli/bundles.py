"""Commands for an auditor: the ledger as files, and whether such files are what was sealed."""

from __future__ import annotations

from pathlib import Path

import click

from cli import running
from cli import settings as door
from cli.output import Failure, progress_bar, say
from ledger.export import ExportFailed, Selection
from ledger.export import export as write_bundle
from ledger.verify_bundle import Finding, Key, read_key
from ledger.verify_bundle import verify as verify_bundle


class NoBundle(Failure):
    """What was named is not a bundle."""

    exit_code = 2


class SelectionType(click.ParamType[str]):
    """`stream:ID` or `actor:ID`."""

    name = "selection"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            Selection.parse((value,))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        return value


class KeyType(click.ParamType[Key]):
    """A verifier key, or a file that holds one."""

    name = "key"

    def convert(self, value: str | Key, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        if isinstance(value, Key):
            return value
        path = Path(value)
        try:
            return read_key(path.read_text(encoding="utf-8").strip() if path.is_file() else value)
        except (ValueError, OSError) as error:
            self.fail(f"{error}.", param, ctx)


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--redact", "redacted", multiple=True, type=SelectionType(), metavar="SELECTION",
    help="Hide lines behind their hash: `stream:ID` or `actor:ID`; may be given several times.",
)  # fmt: skip
def export(bundle: Path, redacted: tuple[str, ...]) -> None:
    """Write the ledger up to its last checkpoint to the directory BUNDLE.

    The lines exactly as they are, the texts of people beside them, checkpoints, keys, a README for who is to check it,
    and a verifier that needs nothing but Python. Stopped in the middle, the same command goes on where it was. That
    the ledger was exported is kept in people.access_log.

    \b
    Examples:
      okr export audit-2026-q4
      okr export audit-2026-q4 --redact actor:u-17 --redact stream:58af596b-c766-5aeb-83ee-3b01979549f4
    """
    try:
        with progress_bar("exporting") as progress:
            checkpoint = write_bundle(
                running.database_url(door.read()), bundle, Selection.parse(redacted), told=progress
            )
    except ExportFailed as failure:
        raise Failure(str(failure)) from None
    except OSError as error:
        raise Failure(f"cannot write to {bundle} ({error.strerror}): the same command goes on where it was.") from None
    say(f"exported {checkpoint.size} lines of {checkpoint.origin} to {bundle}, root {checkpoint.root.hex()}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--key", "keys", multiple=True, type=KeyType(), metavar="KEY",
    help="The verifier key that you trust, or a file that holds it; may be given several times.",
)  # fmt: skip
@click.option(
    "--checkpoint", "checkpoints", multiple=True, metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A checkpoint that you have kept from before; may be given several times.",
)  # fmt: skip
def verify(bundle: Path, keys: tuple[Key, ...], checkpoints: tuple[Path, ...]) -> None:
    """Check that a bundle is what was sealed: every line, every text, every signature.

    Needs neither a database nor a running program. Exit code 1, with the first bad position, when something does not
    hold. Without --key it can only say that the bundle fits the keys that came with it.

    \b
    Examples:
      okr verify audit-2026-q4 --key sealing.pub
      okr verify audit-2026-q4 --key sealing.pub --checkpoint from-the-worm-folder.checkpoint
    """
    try:
        with progress_bar("verifying") as progress:
            said = verify_bundle(bundle, list(keys), list(checkpoints), progress)
    except Finding as finding:
        position, reason = finding.args
        raise Failure(f"not verified: position {position}: {reason}.") from None
    except OSError as error:
        raise NoBundle(f"{bundle} is no bundle: {error}.") from None
    say(said)
