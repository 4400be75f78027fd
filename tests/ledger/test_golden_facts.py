"""Every kind of fact has a golden line. Golden lines are added, never edited, and must load for ever."""

import re
from pathlib import Path
from uuid import UUID

import pytest

from domain.stream import FACTS, Event
from ledger.line import Reason, Who, as_time, draft_tail, finished_line, parse_line
from ledger.mapper import DraftedEvent, FactMapper, read_fact

GOLDEN = Path(__file__).parents[1] / "golden" / "facts"
FILES = sorted(GOLDEN.glob("*.json"))


def test_every_fact_has_one() -> None:
    assert {file.stem for file in FILES} == set(FACTS)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_it_loads_and_is_written_again_byte_for_byte(file: Path) -> None:
    golden = file.read_bytes().removesuffix(b"\n")
    line = parse_line(golden)
    assert line.type == file.stem
    assert line.who == Who(id="anna", kind="person")
    assert line.why == Reason(code="scope", text="0" * 64)
    fact = read_fact(line.type, line.schema, line.data)
    stored = FactMapper(None).to_stored_event(Event(line.stream, line.version, fact))  # type: ignore[arg-type]
    assert isinstance(stored, DraftedEvent)
    assert stored.state == bytes(line.data)

    tail = draft_tail(
        who=b'{"id":"anna","kind":"person"}',
        why=b'{"code":"scope","text":"' + b"0" * 64 + b'"}',
        request_id=line.request_id,
        causation=line.causation,
        data=stored.state,
    )
    tail = re.sub(rb'"salt":"[0-9a-f]{32}"', b'"salt":"' + line.salt.encode() + b'"', tail)
    stamp = as_time(line.recorded_at)
    assert finished_line(line.position, line.stream, line.version, line.type, line.schema, stamp, tail) == golden


def test_absent_members_are_left_out() -> None:
    tail = draft_tail(who=b'{"id":"a","kind":"person"}', why=None, request_id=None, causation=None, data=b"{}")
    line = finished_line(1, UUID(int=1), 1, "Cycle.Started", 1, "2026-10-09T00:00:00.000000Z", tail)
    assert b"null" not in line
    assert b"why" not in line
    assert re.search(rb'"salt":"[0-9a-f]{32}"', line)


@pytest.mark.parametrize(
    ("type_name", "schema", "complaint"), [("Cycle.Eaten", 1, "unknown type"), ("Cycle.Started", 2, "schema 2")]
)
def test_what_this_program_does_not_know_is_refused(type_name: str, schema: int, complaint: str) -> None:
    with pytest.raises(LookupError, match=complaint):
        read_fact(type_name, schema, b"{}")
