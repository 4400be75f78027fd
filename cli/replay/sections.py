"""The sections of the page: its head, an objective with the charts of its key results, the tables at its end."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from cli.client import Json
from cli.replay import chart
from cli.replay.film import Film, Frame
from cli.replay.picture import clean, when
from cli.replay.words import CYCLE_STATES, Words, both, reached, status, text, value, why
from cli.wording import number, percent, with_unit

_LINES = (
    ("value", "M0 9H14V3H28", Words("value", "进展值")),
    ("target", "M0 3H14V9H28", Words("target", "目标值")),
    ("original", "M0 6H28", Words("target as first promised", "最初承诺的目标值")),
    ("dot", "M14 6h0", Words("a promise changed", "承诺有调整")),
)
_GOALS = (
    Words("key result", "关键成果"),
    Words("owner", "负责人"),
    Words("due", "截止"),
    Words("promised", "最初承诺"),
    Words("target", "目标值"),
    Words("value", "进展值"),
    Words("attainment", "完成度"),
    Words("status", "状态"),
)
_FACTS = (
    Words("when", "时间"),
    Words("about", "对象"),
    Words("what", "内容"),
    Words("who", "何人"),
    Words("why", "为何"),
)


def header(film: Film) -> str:
    first, last = film.frames[0], film.frames[-1]
    adjusted = sum(len(frame.adjustments) for frame in film.frames)
    said = (
        f"{text(film.cycle['starts_on'])} – {text(film.cycle['ends_on'])}",
        both(CYCLE_STATES[last.cycle["state"]]),
        both(Words(f"{adjusted} changed promises", f"{adjusted} 次承诺调整")),
        both(Words(f"{len(film.frames)} frames", f"{len(film.frames)} 帧")),
        f"{when(first.moment, film.cycle)} – {when(last.moment, film.cycle)} ({text(film.cycle['time_zone'])})",
    )
    key = "".join(
        f'<span><svg viewBox="0 0 28 12" aria-hidden="true"><path class="{kind}" d="{path}"/></svg>{both(words)}</span>'
        for kind, path, words in _LINES
    )
    return (
        '<header><p class="languages"><label for="in-english" lang="en">English</label>'
        '<label for="in-chinese" lang="zh-Hans">中文</label></p>'
        f"<h1>{text(film.cycle['name'])}</h1>"
        f'<p class="soft">{" · ".join(said)}</p><p class="key">{key}</p></header>'
    )


def objective(film: Film, goal: Json, parts: list[Json]) -> str:
    id = text(goal["id"])
    cards = "\n".join(_card(film, part) for part in parts)
    return (
        f'<section class="objective" data-goal="{id}" data-part="place"><div class="title"><div>'
        f"<h2>{text(goal['title'])}</h2>"
        f'<p class="soft">{text(goal["owner_id"])} · {_live(id, "status", both(status(goal)))}</p></div>'
        f'<p class="share">{_live(id, "share", reached(goal))}</p></div>'
        f'{_moves(film, goal["id"])}<div class="cards">{cards}</div></section>'
    )


def tables(film: Film) -> str:
    """The last frame, and all facts that were told, for who reads on paper or without a script."""
    goals = ""
    for goal, parts in film.objectives:
        goals += f'<tr><th colspan="{len(_GOALS)}">{text(goal["title"])} · {reached(goal)}</th></tr>'
        goals += "".join(map(_goal_row, parts))
    facts = "".join(_fact_row(film, frame, fact) for frame in film.frames for fact in frame.facts)
    more = sum(frame.fact_count - len(frame.facts) for frame in film.frames)
    further = both(Words(f"; the history has {more} further values", f"；另有 {more} 个进展值见历史")) if more else ""
    return (
        f'<section class="appendix"><h2>{both(Words("At the end", "最终状态"))}</h2>'
        f"{_table('goals', _GOALS, goals)}</section>"
        f'<section class="appendix"><details><summary>{both(Words("All that happened", "全部事实"))}{further}</summary>'
        f"{_table('facts', _FACTS, facts)}</details></section>"
    )


def _card(film: Film, part: Json) -> str:
    id, unit = text(part["id"]), part["unit"]
    points = [chart.point(frame.states.get(part["id"])) for frame in film.frames]
    is_share = part["milestones"] is not None
    scaled = chart.scale(points, Decimal(part["baseline"] or 0) if part["baseline"] or is_share else None)
    high, low = (percent(str(each)) if is_share else _tick(each) for each in (scaled.high, scaled.low))
    marks = [
        (frame.number, clean("; ".join(_plainly(fact) for fact in found)))
        for frame in film.frames
        if (found := _about(frame, part["id"]))
    ]
    first, last = (when(film.frames[place].moment, film.cycle) for place in (0, -1))
    rows = "".join(
        f"<div><dt>{both(words)}</dt><dd>{_live(id, name, content)}</dd></div>"
        for name, words, content in (
            ("value", Words("value", "进展值"), text(value(part))),
            ("target", Words("target", "目标值"), text(with_unit(part["target"], unit))),
            ("share", Words("attainment", "完成度"), reached(part)),
            ("status", Words("status", "状态"), both(status(part))),
        )
    )
    return (
        f'<article data-goal="{id}" data-part="place"><h3>{text(part["title"])}</h3>'
        f'<p class="soft">{text(part["owner_id"])} · {both(Words("due", "截止"))} {text(part["deadline"])}</p>'
        f'<div class="chart"><span class="high">{high}</span><span class="low">{low}</span>'
        f"{chart.svg(id, clean(part['title']), points, scaled, marks)}</div>"
        f'<p class="span"><span>{first}</span><span>{last}</span></p>'
        f'<dl class="state">{rows}</dl>{_moves(film, part["id"])}</article>'
    )


def _moves(film: Film, id: str) -> str:
    """Every changed promise of a goal: when, what, who and why."""
    items = "".join(
        f"<li>{_when(fact, film)} · <b>{both(Words(**fact['sentence']))}</b> · {text(fact['actor']['id'])}"
        f"<br>{_why(fact)}</li>"
        for frame in film.frames
        for fact in _about(frame, id)
    )
    return f'<ul class="moves">{items}</ul>' if items else ""


def _goal_row(part: Json) -> str:
    original = (part["original"] or {}).get("target")
    return _cells(
        text(part["title"]),
        text(part["owner_id"]),
        text(part["deadline"]),
        text(with_unit(original, part["unit"])),
        text(with_unit(part["target"], part["unit"])),
        text(value(part)),
        reached(part),
        both(status(part)),
    )


def _fact_row(film: Film, frame: Frame, fact: Json) -> str:
    goal = frame.states.get(fact["subject"]["id"])
    return _cells(
        _when(fact, film),
        "" if goal is None else text(goal["title"]),
        both(Words(**fact["sentence"])),
        text(fact["actor"]["id"]),
        _why(fact),
    )


def _table(kind: str, names: tuple[Words, ...], rows: str) -> str:
    head = "".join(f'<th scope="col">{both(name)}</th>' for name in names)
    return f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _cells(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _live(id: str, name: str, content: str) -> str:
    """A place that the script keeps at the moment of the slider."""
    return f'<span data-goal="{id}" data-part="{name}">{content}</span>'


def _about(frame: Frame, id: str) -> list[Json]:
    return [fact for fact in frame.adjustments if fact["subject"]["id"] == id]


def _when(fact: Json, film: Film) -> str:
    return when(datetime.fromisoformat(fact["recorded_at"]), film.cycle)


def _why(fact: Json) -> str:
    return "<br>".join(both(words) for words in why(fact))


def _plainly(fact: Json) -> str:
    """For a tooltip, which has no languages to switch."""
    said, reasons = fact["sentence"], why(fact)
    return " · ".join([said["en"], said["zh"], fact["actor"]["id"], *(f"{each.en}" for each in reasons)])


def _tick(figure: Decimal) -> str:
    """Three digits are enough for the end of an axis."""
    return number(str(round(figure, max(2 - figure.adjusted(), 0) if figure else 0)))
