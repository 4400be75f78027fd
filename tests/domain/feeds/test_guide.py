"""What docs/feeds.md says of formats is so."""

import re
from pathlib import Path

import pytest
import yaml

from domain.feeds.definition import parse_definition
from domain.feeds.formats import FORMATS, docs_table
from domain.feeds.pipeline import compile_feed

GUIDE = (Path(__file__).parents[3] / "docs" / "feeds.md").read_text()
EXAMPLES = re.findall(r"```yaml\n(.+?)```", GUIDE, re.DOTALL)


def test_the_table_is_the_one_that_the_program_makes() -> None:
    assert docs_table() in GUIDE


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: text.partition("\n")[0])
def test_every_example_is_a_feed(example: str) -> None:
    assert compile_feed(parse_definition(yaml.safe_load(example)))


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_tells_its_source_its_traps_and_an_example(name: str) -> None:
    kind = FORMATS[name]
    assert kind.specification.startswith("https://")
    assert kind.entity
    assert kind.guide.startswith(f"`{name}`: ")
    assert kind.specification in kind.guide
    assert "Source: " in kind.guide
    assert "Traps" in kind.guide
    assert re.search(r"^ {4}\S", kind.guide, re.MULTILINE), "an example, indented"
