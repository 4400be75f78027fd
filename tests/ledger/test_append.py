"""Appending: dense positions, time that never falls, one tree, whoever writes at once."""

import multiprocessing
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from hashlib import sha256
from itertools import pairwise
from uuid import UUID, uuid4

import psycopg
import pytest

from domain.application import OkrLedger
from domain.command import Actor, Command, ReasonCode, Why
from domain.key_result import ProgressRecorded
from domain.stream import Event, Text
from ledger.line import OPENING, as_time, draft_middle
from ledger.mapper import UnfitNumber, commitment
from ledger.recorder import ClockBehind, LineTooLong, VersionConflict
from ledger.verify import verify

WRITERS = 8
EVENTS = 5_000


def by(why: Why | None = None) -> Command:
    return Command(Actor("anna"), datetime.now(UTC), why or Why())


def progress(stream: UUID, version: int, value: Decimal = Decimal(1), note: str | None = None) -> Event:
    fact = ProgressRecorded(value=value, effective_at=datetime.now(UTC), note=Text.of(note))
    return Event(stream, version, fact)


def root_of(lines: list[str]) -> bytes:
    """RFC 6962's tree by its definition, sharing nothing with the program."""
    level = [sha256(b"\x00" + line.encode()).digest() for line in lines]
    if not level:
        return sha256(b"").digest()

    def root(leaves: list[bytes]) -> bytes:
        if len(leaves) == 1:
            return leaves[0]
        split = 1
        while split * 2 < len(leaves):
            split *= 2
        return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()

    return root(level)


def _write(url: str, count: int) -> None:
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": url}) as okr:
        written = 0
        while written < count:
            stream = uuid4()
            batch = min(1 + written % 7, count - written)
            okr.save(*(progress(stream, version + 1) for version in range(batch)), by=by())
            written += batch


def test_eight_processes_append_at_once(migrated_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(migrated_url, EVENTS // WRITERS)) for _ in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0] * WRITERS

    with psycopg.connect(migrated_url) as connection:
        rows = connection.execute("SELECT position, recorded_at, line FROM ledger.events ORDER BY position").fetchall()
    assert [position for position, _, _ in rows] == list(range(1, EVENTS + 1))
    assert all(earlier <= later for (_, earlier, _), (_, later, _) in pairwise(rows))
    verdict = verify(migrated_url)
    assert verdict.is_intact
    assert verdict.root == root_of([line for _, _, line in rows])


def test_a_stream_has_each_version_once(okr: OkrLedger) -> None:
    stream = uuid4()
    okr.save(progress(stream, 1), by=by())
    with pytest.raises(VersionConflict):
        okr.save(progress(stream, 1), by=by())
    assert okr.recorder.max_notification_id() == 1


def test_a_refused_append_leaves_nothing_and_uses_no_position(okr: OkrLedger, migrated_url: str) -> None:
    taken, fresh = uuid4(), uuid4()
    okr.save(progress(taken, 1), by=by())
    with pytest.raises(VersionConflict):
        okr.save(progress(fresh, 1, note="words"), progress(taken, 1), by=by())
    okr.save(progress(fresh, 1), by=by())
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT count(*) FROM people.texts").fetchone() == (0,)
    assert verify(migrated_url).size == 2


def test_an_append_joins_the_open_transaction(okr: OkrLedger) -> None:
    def fail_after_saving() -> None:
        with okr.record.transaction():
            okr.save(progress(uuid4(), 1), by=by())
            raise RuntimeError("the caller changed its mind")

    with pytest.raises(RuntimeError):
        fail_after_saving()
    assert okr.recorder.max_notification_id() is None


def test_words_lie_beside_the_line_under_their_commitment(okr: OkrLedger, migrated_url: str) -> None:
    okr.save(progress(uuid4(), 1, note="测量过了"), by=by(Why(ReasonCode.SCOPE, Text("fewer markets"))))
    with psycopg.connect(migrated_url) as connection:
        (line,) = connection.execute("SELECT line FROM ledger.events").fetchone() or ("",)
        texts = connection.execute("SELECT field, text, salt FROM people.texts WHERE position = 1").fetchall()
    assert {field: text for field, text, _ in texts} == {"note": "测量过了", "reason": "fewer markets"}
    for _, text, salt in texts:
        assert commitment(salt, text) in line
        assert text not in line


def test_time_never_falls(okr: OkrLedger, migrated_url: str) -> None:
    ahead = datetime.now(UTC) + timedelta(seconds=3)
    _set_head_time(migrated_url, ahead)
    okr.save(progress(uuid4(), 1), by=by())
    with psycopg.connect(migrated_url) as connection:
        assert connection.execute("SELECT recorded_at FROM ledger.events").fetchone() == (ahead,)


def test_a_clock_that_fell_back_far_stops_the_ledger(okr: OkrLedger, migrated_url: str) -> None:
    _set_head_time(migrated_url, datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(ClockBehind):
        okr.save(progress(uuid4(), 1), by=by())
    assert okr.recorder.max_notification_id() is None


def _set_head_time(url: str, moment: datetime) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE ledger.head SET recorded_at = %s", [moment])


@pytest.mark.parametrize("number", ["1E+2", "-0", "-0.00", "NaN", "Infinity"])
def test_a_number_without_a_plain_form_is_refused(okr: OkrLedger, number: str) -> None:
    with pytest.raises(UnfitNumber):
        okr.save(progress(uuid4(), 1, Decimal(number)), by=by())


def test_a_line_has_at_most_64_kib(okr: OkrLedger) -> None:
    with pytest.raises(LineTooLong):
        okr.save(progress(uuid4(), 1, Decimal("1" * 70_000)), by=by())


def test_positions_and_types_can_be_read_as_notifications(okr: OkrLedger) -> None:
    stream = uuid4()
    okr.save(*(progress(stream, version) for version in (1, 2, 3)), by=by())
    notifications = okr.recorder.select_notifications(2, 10)
    assert [n.id for n in notifications] == [2, 3]
    assert Counter(n.topic for n in notifications) == {"KeyResult.ProgressRecorded": 2}
    assert okr.recorder.select_notifications(1, 10, topics=["Cycle.Opened"]) == []


def test_the_database_joins_the_parts_of_a_line_as_they_stand_in_its_row(okr: OkrLedger, migrated_url: str) -> None:
    stream = uuid4()
    okr.save(*(progress(stream, version) for version in (1, 2, 3)), by=by())
    with psycopg.connect(migrated_url) as connection:
        rows = connection.execute("SELECT position, recorded_at, line FROM ledger.events ORDER BY position").fetchall()
    for position, recorded_at, line in rows:
        middle = draft_middle(str(stream), position, "KeyResult.ProgressRecorded", 1)
        assert line.startswith(f'{OPENING}{position}{middle}{as_time(recorded_at)}","who":')
