"""The chart of a key result as inline SVG: its value, its target, what was promised first, and every changed promise.

The x axis are the frames. The picture is stretched to its place, so what must not be stretched (lines, dots) has a
stroke that does not scale, and all words stand in HTML beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from html import escape
from typing import NamedTuple

from cli.client import Json

HEIGHT = 100


class Point(NamedTuple):
    """A key result in one frame, as the chart draws it: all three None where there is nothing to draw yet."""

    value: Decimal | None
    target: Decimal | None
    original: Decimal | None


class Scale(NamedTuple):
    """What the bottom and the top of a chart stand for."""

    low: Decimal
    high: Decimal

    def y(self, value: Decimal) -> str:
        """From the top, in hundredths of the height."""
        return str(round((self.high - value) * HEIGHT / (self.high - self.low), 2))


def point(state: Json | None) -> Point:
    """Milestones are drawn by the share that is reached, all others by their value."""
    if state is None or state["committed_at"] is None:
        return Point(None, None, None)
    if state["milestones"] is not None:
        return Point(_decimal(state["attainment"]), Decimal(1), Decimal(1))
    return Point(_decimal(state["value"]), _decimal(state["target"]), _decimal(state["original"]["target"]))


def scale(points: Sequence[Point], baseline: Decimal | None) -> Scale:
    """From the least to the greatest of all that is drawn, where values begin included."""
    drawn = [each for found in points for each in found if each is not None]
    drawn += [] if baseline is None else [baseline]
    low, high = (min(drawn), max(drawn)) if drawn else (Decimal(0), Decimal(1))
    return Scale(low, high if high > low else low + 1)


def svg(id: str, name: str, points: Sequence[Point], scaled: Scale, marks: Sequence[tuple[int, str]]) -> str:
    """The chart. `marks` are frames in which a promise was changed, each with the words for it."""
    width = max(len(points) - 1, 1)

    def line(kind: str, of: Callable[[Point], Decimal | None]) -> str:
        path = steps([of(each) for each in points], scaled)
        return f'<path class="{kind}" d="{path}"/>' if path else ""

    dots = [_mark(place, points[place].target, words, scaled) for place, words in marks]
    return (
        f'<svg viewBox="0 0 {width} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{escape(name)}">'
        + line("original", lambda each: each.original)
        + line("target", lambda each: each.target)
        + line("value", lambda each: each.value)
        + "".join(dots)
        + f'<path class="cursor" data-goal="{id}" data-part="cursor" d="M{width} 0V{HEIGHT}"/></svg>'
    )


def steps(values: Sequence[Decimal | None], scaled: Scale) -> str:
    """A line that keeps each value until the next one; it begins anew after a gap."""
    path: list[str] = []
    before: Decimal | None = None
    for place, value in enumerate(values):
        if value is not None and before is None:
            path.append(f"M{place} {scaled.y(value)}")
        elif value is None and before is not None:
            path.append(f"H{place}")
        elif value is not None and value != before:
            path.append(f"H{place}V{scaled.y(value)}")
        before = value
    if before is not None:
        path.append(f"H{max(len(values) - 1, 1)}")
    return "".join(path)


def _mark(place: int, target: Decimal | None, words: str, scaled: Scale) -> str:
    y = str(HEIGHT // 2) if target is None else scaled.y(target)
    return (
        f'<g class="mark"><title>{escape(words)}</title>'
        f'<path class="since" d="M{place} 0V{HEIGHT}"/><path class="dot" d="M{place} {y}h0"/></g>'
    )


def _decimal(figure: str | None) -> Decimal | None:
    return None if figure is None else Decimal(figure)
