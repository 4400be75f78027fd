"""The table of fields says what the parser takes, and everything that is made from it says the same."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from domain.feeds.definition import BadDefinition, parse_definition
from domain.feeds.fields import FIELDS, SECTION, Field, docs_table, file_schema, schema_of

DOCS = Path(__file__).parents[3] / "docs" / "feeds.md"
NEVER = "no_such_field"
KEY_RESULT = str(UUID(int=2))
MINIMAL = {
    "name": "signups",
    "key_result": KEY_RESULT,
    "source": {"topic": "users", "format": "json"},
    "aggregate": {"fn": "count"},
}


def nested(path: str, value: Any) -> dict[str, Any]:
    for name in reversed(path.split(".")):
        value = {name: value}
    assert isinstance(value, dict)
    return value


def problems(mapping: Any) -> dict[str, str]:
    """What the parser says is wrong: the rule of each field."""
    try:
        parse_definition(mapping)
    except BadDefinition as bad:
        return {problem.field: problem.rule for problem in bad.problems}
    return {}


def known_to_the_parser(section: str) -> set[str]:
    """The fields of a section, as it lists them to who asks for one that it does not have."""
    path = f"{section}.{NEVER}" if section else NEVER
    try:
        parse_definition(nested(path, 1))
    except BadDefinition as bad:
        (said,) = (problem.message for problem in bad.problems if problem.field == path)
        return set(said.partition("there are ")[2].split(", "))
    raise AssertionError("it took an unknown field")


@pytest.mark.parametrize("section", ["", *(field.path for field in FIELDS if field.type == SECTION)])
def test_the_table_has_the_fields_that_the_parser_has(section: str) -> None:
    prefix = f"{section}." if section else ""
    listed = {field.path[len(prefix) :] for field in FIELDS if field.path.startswith(prefix)} - {""}
    not_yet = {"explode", "late"} if not section else set()
    assert {name for name in listed if "." not in name} == known_to_the_parser(section) - not_yet


@pytest.mark.parametrize("side", ["numerator", "denominator"])
def test_a_side_of_a_ratio_has_the_fields_that_the_parser_has(side: str) -> None:
    schema = schema_of(f"aggregate.{side}")
    assert schema["properties"].keys() == known_to_the_parser(f"aggregate.{side}")
    value = schema["properties"]["value"]
    assert value["properties"].keys() == known_to_the_parser(f"aggregate.{side}.value")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.path)
def test_what_is_said_to_be_required_is(field: Field) -> None:
    parent, _, _ = field.path.rpartition(".")
    mapping = MINIMAL | (nested(parent, {"unit": "iso"} if parent == "effective_at" else {}) if parent else {})
    mapping = {name: value for name, value in mapping.items() if name != field.path}
    is_missed = problems(mapping).get(field.path) == "required"
    # One of topic and topics is needed; the parser names the first.
    assert is_missed == (field.is_required or field.path == "source.topic")


@pytest.mark.parametrize("field", FIELDS, ids=lambda field: field.path)
def test_an_example_is_taken(field: Field) -> None:
    Draft202012Validator(schema_of(field.path)).validate(field.example)
    mapping = MINIMAL | nested(field.path, field.example)
    said = {name for name, rule in problems(mapping).items() if rule not in ("required", "conflict")}
    said = {name for name in said if name.startswith(field.path)}
    # Of the format json no member is unknown; `source.topics` alone lacks its format, which is another field.
    assert not said


@pytest.mark.parametrize(
    "field", [field for field in FIELDS if field.default is not None], ids=lambda field: field.path
)
def test_a_default_is_what_holds_where_nothing_is_said(field: Field) -> None:
    whole: dict[str, Any] = {
        **MINIMAL,
        "value": {"expr": "amount"},
        "effective_at": {"path": "at"},
        "aggregate": {"fn": "sum"},
        "emit": {"round": 2},
    }
    parent, _, name = field.path.rpartition(".")
    said = {name: field.default}
    spelled_out = whole | ({parent: whole[parent] | said} if parent else said)
    assert parse_definition(spelled_out) == parse_definition(whole)


def test_the_schema_for_editors_is_one_and_takes_what_the_parser_takes() -> None:
    schema = file_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    documents = [block.partition("```")[0] for block in DOCS.read_text(encoding="utf-8").split("```yaml\n")[1:]]
    assert documents
    for text in documents:
        for document in yaml.safe_load_all(text):
            validator.validate(document)
            for definition in document if isinstance(document, list) else [document]:
                parse_definition({**definition, "key_result": KEY_RESULT})
    validator.validate([MINIMAL, MINIMAL])
    refused: list[Any] = [
        {},
        [],
        {**MINIMAL, "filtre": "a"},
        {**MINIMAL, "emit": {"round": 13}},
        {**MINIMAL, "source": {}},
    ]
    for wrong in refused:
        assert not validator.is_valid(wrong), wrong


def test_every_field_says_what_it_is() -> None:
    def described(schema: Any) -> Iterator[Any]:
        for name, below in schema.get("properties", {}).items():
            yield name, below.get("description"), below.get("examples")
            if name not in ("numerator", "denominator"):
                yield from described(below)

    found = list(described(file_schema()["$defs"]["feed"]))
    assert len(found) == len(FIELDS)
    assert all(description and examples for _, description, examples in found)


def test_the_documentation_has_the_table() -> None:
    assert docs_table() in DOCS.read_text(encoding="utf-8"), "put `docs_table()` into docs/feeds.md"
