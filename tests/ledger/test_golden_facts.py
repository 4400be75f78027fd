"""Every kind of fact has a golden line. Golden lines are added, never edited, and must load for ever."""

import re
from pathlib import Path

import pytest

from domain.stream import FACTS, Event
from ledger.line import OPENING, Reason, Who, as_time, draft_middle, draft_origin, draft_tail, line_salts, parse_line
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

    origin = draft_origin(line.who, line.why, line.request_id, line.causation)
    tail = draft_tail(origin, line.salt, stored.state)
    middle = draft_middle(str(line.stream), line.version, line.type, line.schema)
    written = f"{OPENING}{line.position}{middle}{as_time(line.recorded_at)}{tail.decode()}"
    assert written.encode() == golden


def test_absent_members_are_left_out() -> None:
    tail = draft_tail(draft_origin(Who(id="a", kind="person"), None, None, None), "00" * 16, b"{}")
    assert tail == b'","who":{"id":"a","kind":"person"},"salt":"%b","data":{}}' % (b"00" * 16)


def test_salts_differ() -> None:
    salts = line_salts(100)
    assert len(set(salts)) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", salt) for salt in salts)


@pytest.mark.parametrize(
    ("type_name", "schema", "complaint"), [("Cycle.Eaten", 1, "unknown type"), ("Cycle.Started", 2, "schema 2")]
)
def test_what_this_program_does_not_know_is_refused(type_name: str, schema: int, complaint: str) -> None:
    with pytest.raises(LookupError, match=complaint):
        read_fact(type_name, schema, b"{}")
