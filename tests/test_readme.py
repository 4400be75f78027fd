"""What the README says of the code is so."""

import inspect
import re
from pathlib import Path

import pytest

from domain.cycle import Cycle
from domain.feed import Feed
from domain.feeds.formats import FORMATS
from domain.feeds.functions import FUNCTIONS
from domain.key_result import KeyResult
from domain.measurement import Measurement
from domain.objective import Objective
from domain.stream import FACTS, Aggregate
from domain.team import Team

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
AGGREGATES: list[type[Aggregate]] = [Cycle, Team, Objective, KeyResult, Measurement, Feed]


def test_the_table_names_every_decision_and_every_fact() -> None:
    said = {
        name: (decisions.split(", "), facts.split(", "))
        for name, decisions, facts in re.findall(r"^\| ([A-Z]\w+) \| (.+) \| (.+) \|$", README, re.MULTILINE)
    }
    assert said == {
        kind.__name__: (
            [name for name, member in vars(kind).items() if inspect.isfunction(member) and name[0] != "_"],
            [fact.split(".")[1] for fact in FACTS if fact.startswith(f"{kind.__name__}.")],
        )
        for kind in AGGREGATES
    }


def test_every_fact_belongs_to_an_aggregate() -> None:
    assert {fact.split(".")[0] for fact in FACTS} == {kind.__name__ for kind in AGGREGATES}


DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text()):
        assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_the_guide_to_feeds_lists_every_format_and_function() -> None:
    guide = (ROOT / "docs" / "feeds.md").read_text()
    for name, kind in FORMATS.items():
        assert f"| `{name}` | {kind.summary} |" in guide
    for function in FUNCTIONS.values():
        row = f"| `{function.signature}` | {function.meaning} | `{function.example}` | `{function.result}` |"
        assert row in guide
