"""The ledger as a bundle of files that anybody can check (`ledger.verify_bundle` says what is in them and how).

Written by ranges of positions in short transactions, so that it holds nobody up. Killed at any instruction, the same
command goes on where it was: what has safely reached the disk is noted in `unfinished.json`, and everything behind
that is cut off and written again. The bundle is complete when that file is gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import psycopg
from psycopg import Connection, Cursor
from psycopg.rows import tuple_row

from ledger.checkpoints import Checkpoint, read_checkpoint
from ledger.datastore import become
from ledger.line import as_time
from ledger.merkle import HASH_SIZE
from ledger.proofs import WIDTH

BATCH = 40 * WIDTH
SYNC_EVERY = 20
"""Batches between two notes of what has reached the disk."""
MOST_EARLIER = 1_000
"""Earlier checkpoints in a bundle: the last of each day, as far as there is room, and every handover of keys."""
NOTED = "unfinished.json"
HIDDEN = "(e.stream_id = ANY(%(streams)s::uuid[]) OR e.line::jsonb #>> '{who,id}' = ANY(%(actors)s))"
STREAMS = ("events.jsonl", "leaf-hashes", "texts.jsonl")


class ExportFailed(Exception):
    """No bundle can be written here and now; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The lines to be redacted: those of these streams, and those by these actors."""

    streams: tuple[str, ...] = ()
    actors: tuple[str, ...] = ()

    @classmethod
    def parse(cls, words: tuple[str, ...]) -> Selection:
        """Read `stream:ID` and `actor:ID`. ValueError for anything else."""
        streams, actors = [], []
        for word in words:
            kind, _, id = word.partition(":")
            if kind == "stream":
                streams.append(str(UUID(id)))
            elif kind == "actor" and id:
                actors.append(id)
            else:
                raise ValueError(f"{word!r} is neither stream:ID nor actor:ID")
        return cls(tuple(sorted(streams)), tuple(sorted(actors)))

    @property
    def is_empty(self) -> bool:
        return not self.streams and not self.actors


@dataclass(slots=True)
class _Progress:
    """How far an export has come: the last position, and the size of each file up to it."""

    redact: dict[str, Any]
    position: int = 0
    sizes: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STREAMS, 0))


def export(
    url: str,
    bundle: Path,
    selection: Selection | None = None,
    *,
    told: Callable[[int, int], None] = lambda _done, _total: None,
) -> Checkpoint:
    """Write the ledger up to its last checkpoint to the directory, or go on with that. Raises ExportFailed, OSError."""
    selection = selection or Selection()
    with psycopg.connect(url, connect_timeout=5) as connection:
        become(connection)
        notes = _notes(connection)
        checkpoint = read_checkpoint(notes[-1])
        progress = _begun(bundle, selection)
        _note_access(connection, checkpoint, selection)
        with ExitStack() as stack:
            files = {name: stack.enter_context((bundle / name).open("ab")) for name in STREAMS}
            for name, file in files.items():
                if file.seek(0, os.SEEK_END) < progress.sizes[name]:
                    raise ExportFailed(f"{bundle / name} has lost what was written: begin in another directory.")
                file.truncate(progress.sizes[name])
                file.seek(0, os.SEEK_END)
            for number, last in enumerate(_ends(progress.position, checkpoint.size), 1):
                _write_batch(connection, files, progress.position, last, selection)
                progress.position = last
                if number % SYNC_EVERY == 0:
                    _note(bundle, progress, files)
                told(last, checkpoint.size)
            _note(bundle, progress, files)
        keys = connection.execute("SELECT verifier_key FROM ledger.sealing_keys ORDER BY number").fetchall()
    _write(bundle / "keys", "".join(f"{key}\n" for (key,) in keys))
    _write(bundle / "earlier-checkpoints.jsonl", "".join(_json(note) + "\n" for note in notes[:-1]))
    _write(bundle / "checkpoint", notes[-1])
    package = resources.files("ledger")
    _write(bundle / "verify_bundle.py", package.joinpath("verify_bundle.py").read_text(encoding="utf-8"))
    readme = package.joinpath("bundle_readme.md").read_text(encoding="utf-8")
    _write(bundle / "README.md", readme.format(
        size=checkpoint.size, origin=checkpoint.origin, root=checkpoint.root.hex(),
        exported_at=as_time(datetime.now(UTC)), redacted=_in_words(selection),
    ))  # fmt: skip
    (bundle / NOTED).unlink()
    return checkpoint


def _notes(connection: Connection[Any]) -> list[str]:
    """The last checkpoint, and in front of it the earlier ones that go with it."""
    rows = connection.execute(
        """
        WITH daily AS (
            SELECT max(number) AS number FROM ledger.checkpoints GROUP BY (sealed_at AT TIME ZONE 'UTC')::date
        ), kept AS (
            (SELECT number FROM daily ORDER BY number DESC LIMIT %s)
            UNION SELECT first_checkpoint FROM ledger.sealing_keys
            UNION SELECT max(number) FROM ledger.checkpoints
        )
        SELECT note FROM ledger.checkpoints JOIN kept USING (number) ORDER BY number
        """,
        [MOST_EARLIER],
    ).fetchall()
    if not rows:
        raise ExportFailed("nothing has been sealed yet: `okr seal --once` signs a first checkpoint.")
    return [note for (note,) in rows]


def _begun(bundle: Path, selection: Selection) -> _Progress:
    """What an earlier start has left, or a new beginning."""
    redact = {name: list(ids) for name, ids in asdict(selection).items()}
    noted = bundle / NOTED
    if noted.exists():
        found = _Progress(**json.loads(noted.read_text(encoding="utf-8")))
        if found.redact != redact:
            raise ExportFailed(f"{bundle} was begun with another --redact: begin in another directory.")
        return found
    bundle.mkdir(parents=True, exist_ok=True)
    if any(bundle.iterdir()):
        raise ExportFailed(f"{bundle} is not empty: name a new directory.")
    progress = _Progress(redact)
    _write(noted, _json(asdict(progress)))
    return progress


def _ends(after: int, size: int) -> Iterator[int]:
    while after < size:
        after = min(size, (after // BATCH + 1) * BATCH)
        yield after


def _write_batch(
    connection: Connection[Any], files: Mapping[str, BinaryIO], after: int, last: int, selection: Selection
) -> None:
    with connection.transaction(), connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        row = cursor.execute(_lines_statement(selection), _asked(after, last, selection), prepare=True).fetchone()
        if row is None or row[0] != last - after:
            missing = _first_missing(connection, after)
            raise ExportFailed(f"the line at position {missing} is missing: the ledger is not intact.")
        files["events.jsonl"].write(row[1])
        files["leaf-hashes"].write(_hashes(cursor, after, last))
        cursor.execute(_texts_statement(selection), _asked(after, last, selection), prepare=True)
        for position, name, salt, text in cursor:
            said = {"position": position, "field": name, "salt": bytes(salt).hex(), "text": text}
            files["texts.jsonl"].write(_json(said).encode() + b"\n")


def _hashes(cursor: Cursor[Any], after: int, last: int) -> bytes:
    """The hashes of the lines as the sealer remembers them: so a line that was changed with its hash is named, too."""
    first = after // WIDTH
    numbers = [first, (last - 1) // WIDTH]
    row = cursor.execute(
        "SELECT string_agg(hashes, ''::bytea ORDER BY number) FROM ledger.tiles"
        " WHERE level = 0 AND number BETWEEN %s AND %s",
        numbers,
        prepare=True,
    ).fetchone()
    hashes = (row[0] if row else None) or b""
    found = bytes(hashes[(after - first * WIDTH) * HASH_SIZE : (last - first * WIDTH) * HASH_SIZE])
    if len(found) < (last - after) * HASH_SIZE:
        raise ExportFailed("the sealer makes the tiles of the ledger anew: try again in a while.")
    return found


def _lines_statement(selection: Selection) -> str:
    """All lines of the range as one value: thousands of small ones take psycopg longer than the server takes."""
    line = "e.line"
    if not selection.is_empty:
        hidden = "'{\"redacted\":\"' || encode(e.leaf_hash, 'hex') || '\"}'"
        line = f"CASE WHEN {HIDDEN} THEN {hidden} ELSE e.line END"
    return f"""
        SELECT count(*), convert_to(string_agg(shown || E'\\n', ''), 'UTF8')
          FROM (SELECT {line} AS shown FROM ledger.events AS e
                 WHERE e.position > %(after)s AND e.position <= %(last)s ORDER BY e.position) AS ordered
    """


def _texts_statement(selection: Selection) -> str:
    hidden = "" if selection.is_empty else f"AND NOT {HIDDEN}"
    return f"""
        SELECT t.position, t.field, t.salt, t.text
          FROM people.texts AS t JOIN ledger.events AS e USING (position)
         WHERE t.position > %(after)s AND t.position <= %(last)s {hidden}
         ORDER BY t.position, t.field COLLATE "C"
    """


def _asked(after: int, last: int, selection: Selection) -> dict[str, Any]:
    return {"after": after, "last": last, "streams": list(selection.streams), "actors": list(selection.actors)}


def _first_missing(connection: Connection[Any], after: int) -> int:
    """The first position behind that one that has no line."""
    row = connection.execute(
        "SELECT min(expected) FROM (SELECT position, %s + row_number() OVER (ORDER BY position) AS expected"
        " FROM ledger.events WHERE position > %s ORDER BY position LIMIT %s) AS e WHERE position <> expected",
        [after, after, BATCH],
    ).fetchone()
    if row is not None and row[0] is not None:
        return int(row[0])
    end = connection.execute("SELECT coalesce(max(position), 0) + 1 FROM ledger.events").fetchone()
    return after + 1 if end is None else int(end[0])


def _note_access(connection: Connection[Any], checkpoint: Checkpoint, selection: Selection) -> None:
    connection.execute(
        "INSERT INTO people.access_log (actor_id, action, subject) VALUES (session_user, 'exported-ledger', %s)",
        [f"positions 1..{checkpoint.size}, redacted: {_in_words(selection)}"],
    )


def _in_words(selection: Selection) -> str:
    words = [f"stream {id}" for id in selection.streams] + [f"actor {id}" for id in selection.actors]
    return ", ".join(words) or "nothing"


def _note(bundle: Path, progress: _Progress, files: Mapping[str, BinaryIO]) -> None:
    for name, file in files.items():
        file.flush()
        os.fsync(file.fileno())
        progress.sizes[name] = file.tell()
    _write(bundle / NOTED, _json(asdict(progress)))


def _write(path: Path, text: str) -> None:
    """Write a file whole: nobody ever sees half of it."""
    unfinished = path.with_name(f".{path.name}")
    with unfinished.open("wb") as file:
        file.write(text.encode())
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))
