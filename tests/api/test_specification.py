"""The specification: valid, complete, true; and readable without asking anybody else's server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from api import feed_inputs, inputs, key_result_inputs
from api.app import ROUTES
from api.inputs import Body
from tests.api.client import Client, Json, read
from tests.api.test_roles import routes_of


@pytest.fixture
def spec(lonely: Client) -> Json:
    answer = lonely.get("/openapi.json", role=None)
    assert answer.status_code == 200
    return read(answer)


def operations(spec: Json) -> list[tuple[str, str, Json]]:
    return [
        (path, method, operation)
        for path, methods in spec["paths"].items()
        for method, operation in methods.items()
        if method in ("get", "post", "put")
    ]


def bodies() -> list[type[Body]]:
    modules = (inputs, key_result_inputs, feed_inputs)
    found = {each for module in modules for each in vars(module).values() if isinstance(each, type)}
    return sorted((each for each in found if issubclass(each, Body) and each.example), key=lambda each: each.__name__)


def test_it_has_every_route_of_the_api(lonely: Client, spec: Json) -> None:
    said = {(method.upper(), path) for path, method, _ in operations(spec)}
    there = {
        (method, re.sub(r"<(?:[a-z]+:)?([a-z]+)>", r"{\1}", rule))
        for method, rule in routes_of(lonely)
        if rule.startswith("/v1/")
    }
    assert said == there
    assert spec["openapi"] == "3.1.0"
    assert {tag["name"] for tag in spec["tags"]} == {routes.name for routes in ROUTES}


def test_every_operation_says_all_that_can_come_of_it(spec: Json) -> None:
    for path, method, operation in operations(spec):
        said = (method, path)
        assert operation["summary"].endswith("."), said
        assert operation["security"] == [{"token": []}], said
        wanted = {"200", "400", "401", "403", "500", "503"} if method == "get" else {"409", "413", "415", "422", "503"}
        assert wanted <= operation["responses"].keys(), said
        if method != "get":
            body = operation["requestBody"]["content"]["application/json"]
            assert "example" in body, said


def test_problems_are_documented_as_problems(spec: Json) -> None:
    for name, response in spec["components"]["responses"].items():
        if name.startswith("Problem") and name != "Problem304":
            assert list(response["content"]) == ["application/problem+json"], name


def test_bodies_take_no_unknown_members(spec: Json) -> None:
    names = [name for name in spec["components"]["schemas"] if name.endswith("Body")]
    assert len(names) > 20
    for name in names:
        assert spec["components"]["schemas"][name]["additionalProperties"] is False, name


def test_a_measure_is_described_exactly(spec: Json) -> None:
    said = spec["components"]["schemas"]["ProgressBody"]["properties"]["value"]
    assert said["oneOf"] == [
        {"type": "string", "pattern": r"^-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,12})?$"},
        {"type": "number"},
    ]
    target = spec["components"]["schemas"]["KeyResultBody"]["properties"]["target"]
    assert {"type": "null"} in target["oneOf"]


@pytest.mark.parametrize("body", bodies(), ids=lambda body: body.__name__)
def test_examples_are_examples(spec: Json, body: type[Body]) -> None:
    schemas = spec["components"]["schemas"]
    schema: dict[str, Any] = {**schemas[f"{body.__name__}Body"], "components": {"schemas": schemas}}
    Draft202012Validator(schema).validate(body.example)


def test_it_can_be_read_with_nothing_from_outside(lonely: Client) -> None:
    moved = lonely.get("/docs", role=None)
    assert (moved.status_code, moved.headers["Location"]) == (308, "http://localhost/docs/")
    page = lonely.get("/docs/", role=None)
    assert page.status_code == 200
    assert "/openapi.json" in page.text
    assert not re.search(r"(?:src|href)=\"https?:", page.text)
    for file in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert lonely.get(f"/docs/{file}", role=None).status_code == 200
    assert lonely.get("/docs/../../api/app.py", role=None).status_code == 404
