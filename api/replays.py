"""What is asked of a replay: from when to when, in which steps, how many frames."""

from __future__ import annotations

from typing import Any, ClassVar

from api.faults import refuse
from api.fields import Count, MomentInAddress, Said, Words
from api.parameters import LONGEST_FILTER, Parameters
from projections.stops import STEP_PATTERN, USUAL_STEP, BadStep, Step, step_of

USUAL_FRAMES = 100
MOST_FRAMES = 1_000


class StepInAddress(Said[Step]):
    """`facts`, `adjustments`, or so many hours or days."""

    schema: ClassVar = {"type": "string", "pattern": STEP_PATTERN, "examples": [USUAL_STEP, "facts"]}

    def read(self, value: Any) -> Step:
        try:
            return step_of(value)
        except BadStep as error:
            raise refuse("step", str(error)) from None


class Replay(Parameters):
    """One page of frames."""

    step = StepInAddress(
        load_default=lambda: step_of(USUAL_STEP),
        metadata={"description": "so many hours or days; `facts`: a frame for each; `adjustments`: for each of these"},
    )
    from_ = MomentInAddress(
        data_key="from", metadata={"description": "the first frame; without it the first day of the cycle"}
    )
    to = MomentInAddress(metadata={"description": "the last frame; without it the last day, or as far as it has come"})
    cursor = Words(longest=LONGEST_FILTER, metadata={"description": "the `next` of the page before"})
    limit = Count(
        least=1, most=MOST_FRAMES, load_default=USUAL_FRAMES, metadata={"description": "the most frames of a page"}
    )
