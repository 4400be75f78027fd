"""The digest of evidence: its form is fixed from the first fact on."""

import hashlib
import json
import random
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

from domain.feeds.contribution import Contribution, Place
from domain.feeds.evidence import EvidenceLine, evidence_digest

GOLDEN = Path(__file__).parents[2] / "golden" / "feeds" / "evidence" / "lines.txt"
DIGEST = "54df3de8fc39807e9bc20a673db4bd4f1b8cc21814328c6268334d53e59f868f"

AT = datetime(2025, 3, 31, 15, 12, tzinfo=UTC)
LINES = [
    EvidenceLine("deals", "e-0", 0, 9, "", "7", "p10021 o p10009 o tdeals o ", Decimal("12000.50"), AT, "a" * 64),
    EvidenceLine("deals", "e-0", 0, 10, "", "7", "p10022 o p10011 o tdeals o ", None, AT, "b" * 64),
    EvidenceLine("deals", "e-0", 1, 2, "denominator", '金额 "x"\n', "p10001 ", Decimal("-0.000"), AT, "c" * 64),
    EvidenceLine(
        "deals", "e-0", 1, 2, "numerator", "é", "p10001 ", Decimal("1E+3"), AT.replace(microsecond=5), "c" * 64
    ),
    EvidenceLine("deals", "e-1", 0, 0, "", "8", "p10003 ", Decimal("0.000000000001"), AT, "d" * 64),
    EvidenceLine("leads", "e-0", 0, 0, "", "8", "p10003 ", Decimal("99999999999999999999999999.5"), AT, "e" * 64),
]


def test_the_lines_and_their_digest_are_for_ever() -> None:
    assert b"".join(line.written() for line in LINES) == GOLDEN.read_bytes()
    assert evidence_digest(LINES) == hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == DIGEST


def test_the_order_in_which_lines_are_given_does_not_matter() -> None:
    rng = random.Random(7)
    for _ in range(20):
        shuffled = rng.sample(LINES, len(LINES))
        assert evidence_digest(shuffled) == DIGEST


def test_a_line_is_a_json_array_of_ten() -> None:
    for line in LINES:
        array = json.loads(line.written())
        assert array[:7] == list(line[:7])
        assert array[7] is None or Decimal(array[7]) == line.value
        assert datetime.fromisoformat(array[8]) == line.effective_at
        assert array[9] == line.message_sha256


def test_zeros_at_the_end_and_other_time_zones_make_no_difference() -> None:
    line = LINES[0]
    as_stored = line._replace(
        value=Decimal("12000.500000000000"), effective_at=AT.astimezone(timezone(timedelta(hours=8)))
    )
    assert as_stored.written() == line.written()


def test_every_part_of_a_line_is_proven() -> None:
    line = LINES[0]
    others = [
        line._replace(topic="x"),
        line._replace(epoch="x"),
        line._replace(partition=5),
        line._replace(offset=5),
        line._replace(part="x"),
        line._replace(entity="x"),
        line._replace(version="x"),
        line._replace(value=None),
        line._replace(effective_at=AT + timedelta(microseconds=1)),
        line._replace(message_sha256="x"),
    ]
    assert len({evidence_digest([other]) for other in (line, *others)}) == 11


def test_no_lines_have_a_digest_too() -> None:
    assert evidence_digest([]) == hashlib.sha256(b"").hexdigest()


def test_a_contribution_is_its_line() -> None:
    line = LINES[0]
    contribution = Contribution(
        part=line.part,
        entity=line.entity,
        value=line.value,
        version=line.version,
        effective_at=line.effective_at,
        is_arrival=True,
        place=Place(*line[:4]),
        timestamp_ms=1,
        message_sha256=line.message_sha256,
    )
    assert EvidenceLine.of(contribution) == line
