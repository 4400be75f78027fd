"""A scoring policy as somebody writes it down, and how the built-in ones are written.

    name: half_points            one line
    minimum: "0"                 the scale
    maximum: "10"
    decimals: 1                  digits after the point of the points, 0 to 6
    factor: "10"                 points = offset + factor x attainment, clamped to the scale
    offset: "0"                  left out: 0
    ideal: {low: "0.60", high: "0.70"}                      left out: as the guide's
    advice: {conservative: goal_too_conservative, ...}      band -> advice; left out: as the guide's

Numbers are texts, or numbers read exactly; `decimals` is a whole number.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from domain.errors import Breaches
from domain.numbers import MEASURE_RULE, measure, text
from domain.scoring import BUILT_IN, MOST_DECIMALS, Advice, BadPolicy, Band, ScoringPolicy
from domain.words import title

NAME_LENGTH = 100
REQUIRED = ("name", "minimum", "maximum", "decimals", "factor")
OPTIONAL = ("offset", "ideal", "advice")


def named(name: str, field: str = "policy") -> ScoringPolicy:
    """The built-in policy of that name. `Invalid` where there is none."""
    breaches = Breaches()
    if name not in BUILT_IN:
        breaches.add(field, "unknown_policy", f"there is no policy {name[:NAME_LENGTH]!r}; there are {_KNOWN}")
    breaches.refuse_if_any()
    return BUILT_IN[name]


def read(data: Any, field: str = "policy") -> ScoringPolicy:
    """The policy that a mapping writes down. `Invalid` with every breach; fields are named below `field`."""
    breaches = Breaches()
    if not isinstance(data, Mapping):
        breaches.add(field, "policy", f"a policy is a name ({_KNOWN}) or an object with {', '.join(REQUIRED)}")
        breaches.refuse_if_any()
    given = {name: value for name, value in data.items() if value is not None}
    for name in given.keys() - {*REQUIRED, *OPTIONAL}:
        breaches.add(f"{field}.{name}", "unknown_field", f"a policy has {', '.join((*REQUIRED, *OPTIONAL))}")
    for name in REQUIRED:
        if name not in given:
            breaches.add(f"{field}.{name}", "required", f"a policy needs its {name}")
    read: dict[str, Any] = {}
    for name in ("minimum", "maximum", "factor", "offset"):
        if name in given:
            read[name] = _number(given[name], f"{field}.{name}", breaches)
    if "name" in given:
        read["name"] = _name(given["name"], f"{field}.name", breaches)
    if "decimals" in given:
        read["decimals"] = _decimals(given["decimals"], f"{field}.decimals", breaches)
    if "ideal" in given:
        read |= _ideal(given["ideal"], f"{field}.ideal", breaches)
    if "advice" in given:
        read["advice"] = _advice(given["advice"], f"{field}.advice", breaches)
    breaches.refuse_if_any()
    try:
        return ScoringPolicy(**read)
    except BadPolicy as bad:
        for name, rule, message in bad.faults:
            breaches.add(f"{field}.{_WRITTEN.get(name, name)}", rule, message)
        breaches.refuse_if_any()
        raise


def written(policy: ScoringPolicy) -> dict[str, Any]:
    """The policy as data; `read` gives it back."""
    return {
        "name": policy.name,
        "minimum": text(policy.minimum),
        "maximum": text(policy.maximum),
        "decimals": policy.decimals,
        "factor": text(policy.factor),
        "offset": text(policy.offset),
        "ideal": {"low": text(policy.ideal_low), "high": text(policy.ideal_high)},
        "advice": {str(band): str(advice) for band, advice in policy.advice},
    }


_KNOWN = ", ".join(BUILT_IN)
_WRITTEN = {"ideal_low": "ideal.low", "ideal_high": "ideal.high"}
_ADVICE = {str(advice) for advice in Advice}
_BANDS = {str(band) for band in Band}


def _name(value: Any, field: str, breaches: Breaches) -> str:
    if not isinstance(value, str):
        breaches.add(field, "text", "a name is a text")
        return ""
    name = title(value, field, breaches, limit=NAME_LENGTH)
    if name in BUILT_IN:
        breaches.add(field, "name_taken", f"{name} is a built-in policy: give its name alone, or another name")
    return name


def _number(value: Any, field: str, breaches: Breaches) -> Decimal | None:
    # A bool is an int to Python, and no number to anybody else.
    if isinstance(value, str | int | Decimal) and not isinstance(value, bool):
        try:
            return measure(value)
        except ValueError as error:
            breaches.add(field, "measure", str(error))
            return None
    breaches.add(field, "measure", MEASURE_RULE)
    return None


def _decimals(value: Any, field: str, breaches: Breaches) -> int | None:
    number = None if isinstance(value, str) else _number(value, field, Breaches())
    if number is None or number != number.to_integral_value() or not 0 <= number <= MOST_DECIMALS:
        breaches.add(field, "decimals", f"points have 0 to {MOST_DECIMALS} decimals")
        return None
    return int(number)


def _ideal(value: Any, field: str, breaches: Breaches) -> dict[str, Decimal | None]:
    if not isinstance(value, Mapping) or value.keys() != {"low", "high"}:
        breaches.add(field, "ideal_band", "the ideal band is an object with low and high")
        return {}
    return {f"ideal_{end}": _number(value[end], f"{field}.{end}", breaches) for end in ("low", "high")}


def _advice(value: Any, field: str, breaches: Breaches) -> tuple[tuple[Band, Advice], ...]:
    if not isinstance(value, Mapping):
        breaches.add(field, "advice", "advice is an object that names what a band makes people ask")
        return ()
    found = []
    for band, asks in value.items():
        if band not in _BANDS:
            breaches.add(f"{field}.{band}", "band", f"a band is one of {', '.join(Band)}")
        elif not isinstance(asks, str) or asks not in _ADVICE:
            breaches.add(f"{field}.{band}", "advice", f"what it asks is one of {', '.join(Advice)}")
        else:
            found.append((Band(band), Advice(asks)))
    return tuple(sorted(found))
