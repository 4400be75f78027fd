"""The five traps of the practice guide, as measures of a cycle: a figure, the goals behind it, and what helps."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable
from decimal import Decimal
from uuid import UUID

from domain.audit.histories import KeyResultHistory, ObjectiveHistory
from domain.audit.phrases import vague_phrase
from domain.audit.question import (
    Ask,
    Extra,
    Family,
    Finding,
    Parameter,
    Question,
    Summary,
    about_objective,
    days,
    finding,
    number,
    of_all,
    percent,
    proven,
)
from domain.audit.targets import WITHIN_SHARE, is_within_reach, lowered
from domain.key_result import KeyResultCheckedIn, TargetAdjusted
from domain.measures import Direction
from domain.numbers import quotient
from domain.objective import Level, ObjectiveCheckedIn
from domain.scoring import GUIDE_1_5

Found = Generator[Finding, None, Summary]


def _share(part: int, whole: int) -> Decimal | None:
    return quotient(Decimal(part), Decimal(whole)) if whole else None


def _said(share: Decimal | None) -> str:
    return "none at all" if share is None else percent(share)


# 1. OKR used as KPI


def _okr_as_kpi(objectives: Iterable[ObjectiveHistory], ask: Ask) -> Found:
    seen: Counter[str] = Counter()
    for objective in objectives:
        live = [each for each in objective.key_results if each.now.is_counted]
        for key_result in live:
            signs = _signs_of_a_kpi(key_result, ask)
            seen.update(["key_results", *signs])
            seen["scored"] += key_result.now.score is not None
            if signs:
                lows = [happening for happening, _ in lowered(key_result)] if "lowered_to_reach" in signs else []
                yield finding(
                    key_result,
                    ", ".join(signs.values()),
                    [*proven(key_result, *lows), key_result.now.position],
                    {"attainment": key_result.now.attainment, "score": key_result.now.score},
                )
        if live:
            seen["objectives"] += 1
            if not any(each.now.direction.is_limit for each in live):
                seen["unguarded"] += 1
    reached = _share(seen["reached"], seen["key_results"])
    low, top = _share(seen["lowered_to_reach"], seen["key_results"]), _share(seen["top_score"], seen["scored"])
    return Summary(
        sentence=f"Of {seen['key_results']} key results {_said(reached)} reached their target and {_said(low)} had it"
        f" lowered to be reached; of the scores {_said(top)} are at the top; {seen['unguarded']} of"
        f" {seen['objectives']} objectives have no limit to hold beside what is to grow.",
        figures={
            "key_results": seen["key_results"],
            "share_reached": reached,
            "share_lowered_to_reach": low,
            "share_top_scores": top,
            "objectives": seen["objectives"],
            "objectives_without_guard": seen["unguarded"],
        },
    )


def _signs_of_a_kpi(key_result: KeyResultHistory, ask: Ask) -> dict[str, str]:
    now = key_result.now
    signs = {}
    if now.attainment is not None and now.attainment >= 1 and not now.direction.is_limit:
        signs["reached"] = f"reached {percent(now.attainment)} of its target"
    if any(
        is_within_reach(happening.standing, fact.to, ask.number("within_share"))
        for happening, fact in lowered(key_result)
    ):
        signs["lowered_to_reach"] = "had its target lowered to be reached"
    if now.score is not None and now.score >= GUIDE_1_5.maximum:
        signs["top_score"] = "was scored at the top of the scale"
    return signs


OKR_AS_KPI = Question(
    name="okr_as_kpi",
    finds="trap 1: goals kept like quotas: all reached, targets lowered to be reached, scores at the top, no guard",
    find=_okr_as_kpi,
    parameters=(WITHIN_SHARE,),
    facts=(TargetAdjusted,),
    family=Family.TRAP,
    recommends="Set goals of which 60 to 70 % is a success, keep scores away from pay, and put a limit to hold (a"
    " guard) beside each number that is to grow.",
)


# 2. Absent management


def _absent_management(objectives: Iterable[ObjectiveHistory], ask: Ask) -> Found:
    company = absent = 0
    owners: set[str] = set()
    over = ask.now if ask.cycle.scoring is None else min(ask.now, ask.cycle.scoring.at)
    for objective in objectives:
        if not objective.is_live:
            continue
        owners.add(objective.owner_id)
        if objective.level is not Level.COMPANY or ask.cycle.started is None:
            continue
        company += 1
        heard = [
            happening
            for happening in (*objective.facts, *(fact for each in objective.key_results for fact in each.facts))
            if isinstance(happening.fact, ObjectiveCheckedIn | KeyResultCheckedIn)
            and happening.actor_id == objective.owner_id
            and happening.at <= over
        ]
        last = max([ask.cycle.started, *heard], key=lambda place: place.at)
        silence = over - last.at
        if silence > ask.span("days"):
            absent += 1
            yield about_objective(
                objective,
                f"its owner {objective.owner_id} has not checked in for {number(days(silence))} days",
                [objective.begun, last.position],
                {"silent_days": days(silence), "check_ins": len(heard)},
            )
    without = [lead for lead in ask.cycle.leads if lead not in owners]
    for lead in without:
        yield Finding(sentence=f"{lead} leads a team at the top and owns no objective", positions=(), owner_id=lead)
    return Summary(
        sentence=f"On {absent} of {company} company objectives their owner has not checked in for more than"
        f" {number(ask.number('days'))} days; {len(without)} of {len(ask.cycle.leads)} leads of teams at the top own"
        " no objective.",
        figures={
            "company_objectives": company,
            "absent": absent,
            "executives": len(ask.cycle.leads),
            "executives_without_objective": len(without),
        },
    )


ABSENT_MANAGEMENT = Question(
    name="absent_management",
    finds="trap 2: company objectives on which their owner does not check in, and executives who own no objective"
    " (the leads of the teams at the top)",
    find=_absent_management,
    parameters=(
        Parameter("days", Decimal(14), Decimal(0), Decimal(366), "days", "only if the last word is older than that"),
    ),
    facts=(ObjectiveCheckedIn, KeyResultCheckedIn),
    extras=frozenset({Extra.LEADS}),
    family=Family.TRAP,
    recommends="Executives own objectives, check in on them every week like everybody else, and take part in the"
    " review.",
)


# 3. Too many goals


def _too_many_goals(objectives: Iterable[ObjectiveHistory], ask: Ask) -> Found:
    counts: Counter[tuple[Level, UUID | str | None]] = Counter()
    begun: dict[tuple[Level, UUID | str | None], list[int]] = {}
    heavy = seen = 0
    for objective in objectives:
        if not objective.is_live:
            continue
        seen += 1
        whose = objective.owner_id if objective.level is Level.INDIVIDUAL else objective.team_id
        counts[objective.level, whose] += 1
        begun.setdefault((objective.level, whose), []).append(objective.begun)
        live = [each for each in objective.key_results if each.now.is_counted]
        if len(live) > ask.number("most_key_results"):
            heavy += 1
            yield about_objective(
                objective,
                f"has {len(live)} key results",
                [objective.begun, *(each.begun for each in live)],
                {"key_results": len(live)},
            )
    crowded = 0
    for (level, whose), count in counts.items():
        most = ask.number("most_individual" if level is Level.INDIVIDUAL else "most_objectives")
        if count > most:
            crowded += 1
            name = "no team" if whose is None else f"{'person' if level is Level.INDIVIDUAL else 'team'} {whose}"
            yield Finding(
                sentence=f"{name} has {count} objectives at the {level} level",
                positions=tuple(begun[level, whose]),
                figures={
                    "level": str(level),
                    "team_id": str(whose) if isinstance(whose, UUID) else None,
                    "objectives": count,
                },
                owner_id=whose if isinstance(whose, str) else None,
            )
    return Summary(
        sentence=f"{crowded} of {len(counts)} teams and people have too many objectives, and {heavy} of {seen}"
        " objectives too many key results.",
        figures={"owners": len(counts), "crowded": crowded, "objectives": seen, "heavy": heavy},
    )


_COUNT = (Decimal(1), Decimal(1000), "count")
TOO_MANY_GOALS = Question(
    name="too_many_goals",
    finds="trap 3: teams and people with too many objectives, and objectives with too many key results",
    find=_too_many_goals,
    parameters=(
        Parameter("most_objectives", Decimal(5), *_COUNT, "of a team, at the company's and the departments' level"),
        Parameter("most_individual", Decimal(4), *_COUNT, "of a person, at the individual level"),
        Parameter("most_key_results", Decimal(4), *_COUNT, "of an objective"),
    ),
    family=Family.TRAP,
    recommends="Three to five objectives a quarter for the company, at most five for a department, three or four for a"
    " person, each with three or four key results: choose.",
)


# 4. Vague key results


def _vague_key_results(objectives: Iterable[ObjectiveHistory], _: Ask) -> Found:
    seen: Counter[str] = Counter()
    for objective in objectives:
        for key_result in objective.key_results if objective.is_live else ():
            seen["key_results"] += 1
            phrase = vague_phrase(key_result.title)
            is_one_step = key_result.now.direction is Direction.MILESTONES and key_result.now.steps < 2
            seen["without_number"] += is_one_step
            seen["vague"] += phrase is not None
            if phrase is not None or is_one_step:
                said = f"“{phrase}” cannot be verified" if phrase is not None else "one step is no measure"
                yield finding(key_result, said, [key_result.begun], {"phrase": phrase, "steps": key_result.now.steps})
    return Summary(
        sentence=f"{of_all(seen['vague'], seen['key_results'], 'key results')} have a title that cannot be verified,"
        f" and {seen['without_number']} are measured by a single step; each has a deadline.",
        figures={
            "key_results": seen["key_results"],
            "vague": seen["vague"],
            "without_number": seen["without_number"],
            "without_deadline": 0,
        },
    )


VAGUE_KEY_RESULTS = Question(
    name="vague_key_results",
    finds="trap 4: key results whose title promises nothing that can be verified, or that have no number (none can be"
    " without a deadline: it is refused)",
    find=_vague_key_results,
    family=Family.TRAP,
    recommends="Say what will be measured, from where to where, and by when. What cannot be verified is no key result.",
)


# 5. No alignment


def _no_alignment(objectives: Iterable[ObjectiveHistory], _: Ask) -> Found:
    departments = alone = 0
    for objective in objectives:
        if objective.level is not Level.DEPARTMENT or not objective.is_live:
            continue
        departments += 1
        if not objective.supports:
            alone += 1
            yield about_objective(
                objective, "supports nothing", [objective.begun], {"team_id": _text(objective.team_id)}
            )
    return Summary(
        sentence=f"{of_all(alone, departments, 'department objectives')} support nothing. Dependencies between teams"
        " are not kept yet, so nothing is said of them.",
        figures={"department_objectives": departments, "supporting_nothing": alone},
    )


def _text(id: UUID | None) -> str | None:
    return None if id is None else str(id)


NO_ALIGNMENT = Question(
    name="no_alignment",
    finds="trap 5: department objectives that support nothing",
    find=_no_alignment,
    family=Family.TRAP,
    recommends="Let each department objective name what it supports, and agree resources and dates with the teams that"
    " it depends on before it is committed.",
)
