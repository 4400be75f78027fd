"""What the specification says of each route: parameters, answers, problems, security; and where people read it."""

from __future__ import annotations

from typing import Any

from apispec.ext.marshmallow import MarshmallowPlugin
from flask import Flask
from flask_smorest import Api  # type: ignore[import-untyped]
from flask_swagger_ui import get_swaggerui_blueprint

from api.answers import SCHEMAS
from api.auth import SCOPES, Scope
from api.fields import Said, described
from api.inputs import Body
from api.parameters import Parameters
from api.problems import MEDIA_TYPE

TITLE = "okr-ledger"
VERSION = "1"
SECURITY = "token"

PROBLEMS = {
    304: "The answer that you have (If-None-Match) is still right",
    400: "The request cannot be read, or asks for a moment that cannot be",
    401: "No token, or one that is unknown, expired or revoked",
    403: "The token's role, or the rules of ownership, do not allow this",
    404: "There is no such thing, or there was none at that moment",
    409: "The state as it stands does not allow this, or the same request is at work",
    412: "It has changed since the version that If-Match names",
    413: "The body is larger than this server reads",
    415: "The body is not called application/json",
    422: "Some values break a rule; `errors` names all of them",
    428: "This command needs If-Match",
    500: "A fault of the server",
    503: "The database or the views are not there yet; try again after Retry-After",
}
OF_QUESTIONS = (304, 400, 401, 403, 404, 500, 503)
OF_COMMANDS = (400, 401, 403, 404, 409, 412, 413, 415, 422, 500, 503)

_DESCRIPTION = """\
Every change to an OKR is a line in an append-only ledger; all state is computed from it, for any moment.

- Commands are sub-resources that read as what happened. Numbers go in as text or JSON numbers, exactly as written,
  and come back as text. `If-Match: "v7"` makes a command depend on the version that you looked at;
  `Idempotency-Key` makes the same request again happen once (kept for seven days).
- Every answer says which position of the ledger it knows (`Okr-Position`). A read with `Okr-Min-Position` waits
  until it knows that much.
- State is asked for at any moment: `as_of` or `as_of_position` (what was known), `effective_at` (what was true).
- Roles: {roles}.
"""


def problem_name(status: int) -> str:
    return f"Problem{status}"


def of_question(
    answer: str,
    parameters: type[Parameters],
    *,
    scopes: tuple[Scope, ...] = (Scope.OKR_READ,),
    more_types: dict[str, Any] | None = None,
    is_page: bool = False,
    is_state: bool = True,
) -> dict[str, Any]:
    """The operation of a question; `answer` names the schema of its answer.

    `is_state`: it is about a moment, and waits for the views.
    """
    headers: dict[str, Any] = {"Okr-Position": _POSITION, **(_STATE_HEADERS if is_state else {})}
    if is_page:
        headers["Link"] = {"schema": {"type": "string"}, "description": 'the next page, as rel="next"'}
    return {
        "parameters": [{"in": "query", "schema": parameters}, *(_STATE_PARAMETERS if is_state else ())],
        "responses": {
            "200": {
                "description": "The answer",
                "content": {"application/json": {"schema": _ref(answer)}, **(more_types or {})},
                "headers": headers,
            },
            **_problems(OF_QUESTIONS),
        },
        **_secured(*scopes),
    }


def of_command(
    resource: str,
    body: type[Body],
    scope: Scope,
    *,
    is_created: bool,
    takes_version: bool,
    demands_version: bool,
    is_body_needed: bool,
) -> dict[str, Any]:
    """The operation of a command that answers with the named resource."""
    headers = dict(_COMMAND_HEADERS)
    if is_created:
        headers["Location"] = {"schema": {"type": "string"}, "required": True, "description": "where it lives"}
    parameters: list[dict[str, Any]] = [
        {
            "in": "header",
            "name": "Idempotency-Key",
            "schema": {"type": "string", "pattern": "^[!-~]{1,255}$"},
            "description": "the same request again happens once and gets the same answer",
        }
    ]
    if takes_version:
        parameters.append(
            {
                "in": "header",
                "name": "If-Match",
                "required": demands_version,
                "schema": {"type": "string", "pattern": r'^"v[1-9][0-9]{0,8}"$'},
                "description": "the version that you looked at",
            }
        )
    status = "201" if is_created else "200"
    return {
        "parameters": parameters,
        "requestBody": {
            "required": is_body_needed,
            "content": {"application/json": {"schema": body, "example": dict(body.example)}},
        },
        "responses": {
            status: {
                "description": "Done; the resource as it now stands, or its receipt while the views are behind",
                "content": {"application/json": {"schema": {"anyOf": [_ref(resource), _ref("Receipt")]}}},
                "headers": headers,
            },
            **_problems(OF_COMMANDS + ((428,) if demands_version else ())),
        },
        **_secured(scope),
    }


def of_rehearsal(answer: str, body: type[Body], scope: Scope, *, status: str = "200") -> dict[str, Any]:
    """The operation of something that is asked for with a body and makes no fact."""
    return {
        "requestBody": {
            "required": any(field.required for field in body().fields.values()),
            "content": {"application/json": {"schema": body, "example": dict(body.example)}},
        },
        "responses": {
            status: {
                "description": "The answer; the ledger is as it was",
                "content": {"application/json": {"schema": _ref(answer)}},
                "headers": {"Okr-Position": _POSITION},
            },
            **_problems(OF_COMMANDS),
        },
        **_secured(scope),
    }


def specify(app: Flask) -> Api:
    """The specification of the application, at /openapi.json, and Swagger UI for it at /docs/."""
    roles = "; ".join(f"{role} ({', '.join(sorted(scopes))})" for role, scopes in SCOPES.items())
    app.config.update(
        API_TITLE=TITLE,
        API_VERSION=VERSION,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "info": {"description": _DESCRIPTION.format(roles=roles)},
            "servers": [{"url": "/"}],
            "security": [{SECURITY: []}],
        },
    )
    api = Api()
    api.DEFAULT_ERROR_RESPONSE_NAME = None
    # The table of problems answers every error, so smorest's own handler is not wanted.
    api._register_error_handlers = lambda: None
    api.init_app(app, spec_kwargs={"marshmallow_plugin": MarshmallowPlugin(schema_name_resolver=_name_of)})
    api.register_field(Said, None, None)
    api.ma_plugin.converter.add_attribute_function(described)
    components = api.spec.components
    components.security_scheme(
        SECURITY, {"type": "http", "scheme": "bearer", "description": "a token made by `okr token create`"}
    )
    for name, schema in SCHEMAS.items():
        components.schema(name, schema)
    for status, description in PROBLEMS.items():
        content = {} if status == 304 else {"content": {MEDIA_TYPE: {"schema": _ref("Problem")}}}
        components.response(problem_name(status), {"description": description, **content})
    app.register_blueprint(get_swaggerui_blueprint("/docs", "/openapi.json", config={"app_name": TITLE}))
    return api


def _name_of(schema: Any) -> str:
    """A body has the name of what it makes or moves; its schema is told apart from that of the resource."""
    return f"{(schema if isinstance(schema, type) else type(schema)).__name__}Body"


def _secured(*scopes: Scope) -> dict[str, Any]:
    return {"security": [{SECURITY: []}], "x-scopes": [str(scope) for scope in scopes]}


def _problems(statuses: tuple[int, ...]) -> dict[str, str]:
    return {str(status): problem_name(status) for status in statuses}


def _ref(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}


_POSITION = {
    "schema": {"type": "integer", "minimum": 0},
    "required": True,
    "description": "the position of the ledger that this answer knows",
}
_STATE_PARAMETERS = (
    {
        "in": "header",
        "name": "Okr-Min-Position",
        "schema": {"type": "integer", "minimum": 0},
        "description": "answer only once this position is known",
    },
    {"in": "header", "name": "If-None-Match", "schema": {"type": "string"}},
)
_STATE_HEADERS: dict[str, Any] = {
    "ETag": {"schema": {"type": "string"}, "required": True, "description": "strong; serves as If-Match"},
    "Memento-Datetime": {"schema": {"type": "string"}, "description": "the moment, where it is a past one"},
}
_COMMAND_HEADERS: dict[str, Any] = {
    "Okr-Position": _POSITION,
    "ETag": {"schema": {"type": "string"}, "required": True, "description": 'the version, such as "v7"'},
    "Idempotency-Replayed": {"schema": {"type": "string"}, "description": "true where it was done before"},
}
