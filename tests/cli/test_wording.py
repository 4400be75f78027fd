"""How facts and figures are said."""

from __future__ import annotations

import pytest

from cli.wording import points, score_and_advice
from domain.scoring import Advice


def test_a_computed_score() -> None:
    assert score_and_advice({"points": "3.2", "band": "ideal", "advice": None}) == "3.2 points, ideal"
    assert (points(None), score_and_advice(None)) == ("-", None)


@pytest.mark.parametrize("advice", Advice)
def test_every_advice_has_words(advice: Advice) -> None:
    said = score_and_advice({"points": "1.0", "band": "below_half", "advice": str(advice)})
    assert said is not None
    assert said.startswith("1.0 points, below half: ")
