"""The course of a key result: everything at the very end, or nothing said for weeks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal, localcontext
from itertools import pairwise

from domain.audit.histories import KeyResultHistory, Place
from domain.audit.question import (
    Ask,
    Extra,
    Finding,
    Parameter,
    Question,
    days,
    finding,
    key_result_by_key_result,
    number,
    percent,
    proven,
)
from domain.key_result import KeyResultCheckedIn, KeyResultDropped, KeyResultReplaced
from domain.numbers import CONTEXT, quotient

_MICROSECOND = timedelta(microseconds=1)

# All at the end


def last_part_from(committed_at: datetime, original_deadline_at: datetime, last_share: Decimal) -> datetime:
    """The moment at which the last part of the time from the commitment to the original deadline begins."""
    with localcontext(CONTEXT):
        passed = (1 - last_share) * ((original_deadline_at - committed_at) // _MICROSECOND)
    return committed_at + _MICROSECOND * int(passed)


def _hockey_stick(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    course = key_result.course
    if course is None or course.end.attainment <= 0 or ask.now <= course.last_part_from:
        return
    with localcontext(CONTEXT):
        late = course.end.attainment - course.then.attainment
        share = quotient(late, course.end.attainment)
    if share > ask.number("more_than_share"):
        yield finding(
            key_result,
            f"{percent(share)} of all progress came in the last {percent(ask.number('last_share'))} of the time:"
            f" from {percent(course.then.attainment)} to {percent(course.end.attainment)}",
            [*proven(key_result), course.then.position, course.end.position],
            {
                "late_share": share,
                "attainment_then": course.then.attainment,
                "attainment": course.end.attainment,
                "last_part_from": course.last_part_from,
            },
        )


HOCKEY_STICK = Question(
    name="hockey_stick",
    finds="key results most of whose progress came in the last part of the time (limits to hold have no such course)",
    find=key_result_by_key_result(
        _hockey_stick,
        lambda ask: (
            f"made more than {percent(ask.number('more_than_share'))} of their progress in the last"
            f" {percent(ask.number('last_share'))} of the time"
        ),
    ),
    parameters=(
        Parameter(
            "last_share",
            Decimal("0.10"),
            Decimal(0),
            Decimal(1),
            "share",
            "the last part, as a share of the time from the commitment to the original deadline",
        ),
        Parameter(
            "more_than_share", Decimal("0.5"), Decimal(0), Decimal(1), "share", "only if more than that came in it"
        ),
    ),
    extras=frozenset({Extra.COURSE}),
)


# Nothing said


def _silent(key_result: KeyResultHistory, ask: Ask) -> Iterator[Finding]:
    """The longest time without a check-in while the cycle ran and the key result was alive."""
    cycle, committed = ask.cycle, key_result.committed
    if committed is None or cycle.started is None:
        return
    begin = max((committed, cycle.started), key=lambda place: place.at)
    ends: list[Place] = [ended for ended, _ in key_result.of(KeyResultDropped, KeyResultReplaced)]
    ends += [] if cycle.scoring is None else [cycle.scoring]
    over = min((end.at for end in ends), default=ask.now)
    over = max(begin.at, min(over, key_result.now.deadline_at, ask.now))
    said = [happening for happening, _ in key_result.of(KeyResultCheckedIn) if begin.at < happening.at < over]
    end = Place(position=0, at=over, actor_id="")
    last, following = max(pairwise([begin, *said, end]), key=lambda pair: pair[1].at - pair[0].at)
    silence = following.at - last.at
    if silence > ask.span("weeks"):
        still = " and still is" if following is end and over == ask.now else ""
        yield finding(
            key_result,
            f"silent for {number(days(silence))} days from {last.at:%Y-%m-%d} on{still}; {len(said)} check-ins in all",
            [committed.position, last.position, following.position],
            {"silent_days": days(silence), "since": last.at, "until": following.at, "check_ins": len(said)},
        )


SILENT = Question(
    name="silent",
    finds="key results without a check-in for a long time while their cycle ran",
    find=key_result_by_key_result(
        _silent, lambda ask: f"went without a check-in for more than {number(ask.number('weeks'))} weeks"
    ),
    parameters=(
        Parameter("weeks", Decimal(2), Decimal(0), Decimal(104), "weeks", "only if it lasted longer than that"),
    ),
    facts=(KeyResultCheckedIn, KeyResultDropped, KeyResultReplaced),
)
