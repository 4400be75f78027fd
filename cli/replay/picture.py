"""A frame as lines of text: for a terminal of a given size, or for paper."""

from __future__ import annotations

import unicodedata
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from cli.client import Json
from cli.replay.film import Film, Frame, by_objective, share
from cli.wording import is_lowered, number, percent, with_unit

BOLD, DIM, ACCENT, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[36m", "\x1b[0m"
MOST_FACTS = 6
_BAR, _VALUE, _TITLE = 12, 22, 40
"""Cells of a bar, of a value with its target, and of a title beside a fact."""


def picture(film: Film, index: int, width: int, height: int, status: str) -> list[str]:
    """The frame as exactly `height` lines of at most `width` cells, what differs in bold.

    Where the goals do not all fit, those around the first that differs are shown. `status` stands beside the moment.
    """
    frame = film.frames[index]
    head = [
        f"{BOLD}{cut(clean(film.cycle['name']), width)}{PLAIN}",
        cut(f"{when(frame.moment, film.cycle)}   {index + 1} of {len(film.frames)}   {status}", width),
        f"{ACCENT}{_strip(film, index, width)}{PLAIN}",
        "",
    ]
    facts = [f"{DIM}{cut(line, width)}{PLAIN}" for line in told(frame)[:MOST_FACTS]]
    foot = ["", *facts, *[""] * (MOST_FACTS - len(facts)), f"{DIM}{cut(_KEYS, width)}{PLAIN}"]
    room = max(height - len(head) - len(foot), 1)
    lines = goals(frame)
    first = next((place for place, (_, is_new) in enumerate(lines) if is_new), 0)
    top = max(0, min(first - room // 2, len(lines) - room))
    body = [f"{BOLD if is_new else ''}{cut(line, width)}{PLAIN}" for line, is_new in lines[top : top + room]]
    return [*head, *body, *[""] * (room - len(body)), *foot][:height]


def goals(frame: Frame) -> list[tuple[str, bool]]:
    """A line for each goal, and whether facts of this frame were about it."""
    about = {fact["subject"]["id"] for fact in frame.facts}
    lines = []
    for objective, parts in by_objective(frame.states):
        lines.append((f"◆ {percent(_text(share(objective))):>6}  {_name(objective)}", objective["id"] in about))
        lines += [(_key_result(part), part["id"] in about) for part in parts]
    return lines or [("No goal had been drafted yet.", False)]


def told(frame: Frame) -> list[str]:
    """A line for each fact, changed promises first: what, about what, by whom and why."""
    adjustments = frame.adjustments
    facts = [*adjustments, *(fact for fact in frame.facts if fact not in adjustments)]
    lines = [fact_line(fact, frame.states) for fact in facts]
    if frame.fact_count > len(facts):
        lines.append(f"… and {frame.fact_count - len(facts)} further values")
    return lines


def fact_line(fact: Json, states: dict[str, Json]) -> str:
    about = states.get(fact["subject"]["id"])
    parts = [fact["sentence"]["en"], "" if about is None else cut(clean(about["title"]), _TITLE), fact["actor"]["id"]]
    if fact["reason_code"]:
        parts.append(f"{fact['reason_code']}: {erased(fact['reason'])}")
    return clean(" · ".join(part for part in parts if part))


def erased(words: str | None) -> str:
    return "erased" if words is None else words


def when(moment: datetime, cycle: Json) -> str:
    """The moment on the clocks of the cycle."""
    return moment.astimezone(ZoneInfo(cycle["time_zone"])).strftime("%Y-%m-%d %H:%M:%S")


def clean(text: str) -> str:
    """Without what would move the cursor, turn the writing around or be invisible."""
    return "".join(character if character.isprintable() else " " for character in text)


def cells(text: str) -> int:
    return sum(map(_cells, text))


def cut(text: str, width: int) -> str:
    """As much of a text as fits into so many cells."""
    if cells(text) <= width:
        return text
    kept, room = "", width - 1
    for character in text:
        room -= _cells(character)
        if room < 0:
            break
        kept += character
    return f"{kept}…"


def _cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _key_result(part: Json) -> str:
    reached = share(part)
    filled = int(max(Decimal(0), min(Decimal(1), reached or Decimal(0))) * _BAR)
    pace = (part["pace"] or {}).get("status") or part["state"]
    line = f"  {'█' * filled}{'░' * (_BAR - filled)} {percent(_text(reached)):>6}  {pace.replace('_', ' '):<9}"
    return f"{line}{'▼' if is_lowered(part) else ' '} {_padded(_aim(part), _VALUE)}  {_name(part)}"


def _aim(part: Json) -> str:
    """How far it is of how much: `19 of 30 % (was 40)`."""
    if part["milestones"] is not None:
        return f"{sum(step['reached_at'] is not None for step in part['milestones'])} of {len(part['milestones'])}"
    aim = f"{number(part['value'])} of {clean(with_unit(part['target'], part['unit']))}"
    return f"{aim} (was {number(part['original']['target'])})" if is_lowered(part) else aim


def _padded(text: str, width: int) -> str:
    return text + " " * max(width - cells(text), 0)


def _name(goal: Json) -> str:
    ended = f"({goal['state']}) " if goal["state"] in ("draft", "replaced", "dropped") else ""
    return clean(f"{ended}{goal['title']}")


def _text(figure: Decimal | None) -> str | None:
    return None if figure is None else str(figure)


def _strip(film: Film, index: int, width: int) -> str:
    """The film as one line: where we are in it, and where promises were changed."""
    last = max(len(film.frames) - 1, 1)
    line = ["─"] * width
    for place in film.adjusted:
        line[place * (width - 1) // last] = "▼"
    line[index * (width - 1) // last] = "●"
    return "".join(line)


_KEYS = "← → frame  a A adjustment  space play/pause  + - speed  g G ends  q quit"
