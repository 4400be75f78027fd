"""Routes: a question or a command becomes an address by saying what it reads, what it needs, what it answers.

A question is a function of a connection and a moment. A command is a function of the use cases, the ids, the body
and the circumstances (`Command`). What they share stands here, in the order in which it happens: who calls, may
they, what do they ask, about which moment, what is the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import marshmallow as ma
import orjson
from flask import Response, g, request
from flask_smorest import Blueprint  # type: ignore[import-untyped]
from psycopg import Connection
from psycopg.rows import DictRow

from api import commands, documentation
from api.access import READ_TEXTS, note_access, note_reading
from api.auth import Scope, authenticate
from api.bodies import json_object
from api.door import knock
from api.faults import faults
from api.idempotency import IdempotencyKey
from api.ids import uuid7
from api.inputs import Body
from api.moments import moment_of
from api.parameters import AtMoment, PageAtMoment, Parameters, besides_moment, filters_of
from api.preconditions import expected_version
from api.problems import Problem
from api.resources import PREFIX, Resource
from api.responses import answered
from api.services import services
from domain.application import Outcome
from domain.command import Command, Why
from domain.errors import Breach, Unknown
from domain.words import words
from projections.answers import Answer, Page
from projections.moment import Moment

Members = dict[str, Any]
Show = TypeVar("Show", bound=Callable[..., Answer | None])
ListPage = TypeVar("ListPage", bound=Callable[..., Page])
Decide = TypeVar("Decide", bound=Callable[..., Outcome])


class Routes(Blueprint):  # type: ignore[misc] # flask-smorest has no types
    """The routes of one collection below /v1."""

    def __init__(self, collection: str, description: str) -> None:
        super().__init__(collection, __name__, url_prefix=f"{PREFIX}/{collection}", description=description)

    def shows(
        self, rule: str, answer: str, *, parameters: type[Parameters] = AtMoment, has_texts: bool = False
    ) -> Callable[[Show], Show]:
        """A question about one thing: `show(connection, moment, **path, **asked)`; 404 where it answers None.

        `asked` is what the parameters hold besides the moment. A `next` in the answer is where it goes on.
        """
        schema = parameters()

        def declare(show: Show) -> Show:
            def view(**path: Any) -> Response:
                now = datetime.now(UTC)
                here = services()
                with here.reads.connection() as connection:
                    caller, heads = knock(connection, request, now)
                    caller.must_hold(Scope.OKR_READ)
                    asked = schema.read(request)
                    moment = moment_of(connection, request, asked, now, heads, here.settings)
                    found = show(connection, moment, **path, **besides_moment(asked))
                    if has_texts and found is not None:
                        note_access(connection, caller.actor.id, READ_TEXTS, request.path)
                if found is None:
                    raise nothing_here(path)
                headers = next_page(found.get("next"))
                version = found.get("version")
                return answered(
                    request, orjson.dumps(found), moment, version=version, has_texts=has_texts, headers=headers
                )

            operation = documentation.of_question(answer, parameters, is_page="limit" in schema.fields)
            self._declare(rule, "GET", view, show, operation)
            return show

        return declare

    def lists(
        self,
        rule: str,
        answer: str,
        *,
        parameters: type[Parameters] = PageAtMoment,
        scopes: tuple[Scope, ...] = (Scope.OKR_READ,),
        has_texts: bool = False,
        is_logged: bool = False,
    ) -> Callable[[ListPage], ListPage]:
        """A question with many answers: `page(connection, moment, after, limit, **path, **filters)`.

        Any of the `scopes` will do. `is_logged`: that somebody read the texts of the items is kept.
        """
        schema = parameters()

        def declare(page: ListPage) -> ListPage:
            def view(**path: Any) -> Response:
                now = datetime.now(UTC)
                here = services()
                with here.reads.connection() as connection:
                    caller, heads = knock(connection, request, now)
                    caller.must_hold(*scopes)
                    asked = schema.read(request)
                    moment = moment_of(connection, request, asked, now, heads, here.settings)
                    items, following = page(
                        connection, moment, asked.get("cursor"), asked["limit"], **path, **filters_of(asked)
                    )
                    if is_logged:
                        note_reading(connection, caller.actor.id, request.path, items)
                return listed(items, following, moment, has_texts=has_texts)

            operation = documentation.of_question(answer, parameters, scopes=scopes, is_page=True)
            self._declare(rule, "GET", view, page, operation)
            return page

        return declare

    def decides(
        self,
        rule: str,
        body: type[Body],
        resource: Resource,
        *,
        scope: Scope = Scope.OKR_WRITE,
        is_created: bool = False,
        takes_version: bool = True,
        demands_version: bool = False,
    ) -> Callable[[Decide], Decide]:
        """A command: `decide(okr, body, by, **path)`, and `new_id` where it creates the resource it answers with."""
        schema = body()
        needs_body = any(field.required for field in schema.fields.values())
        operation = documentation.of_command(
            resource.name,
            body,
            scope,
            is_created=is_created,
            takes_version=takes_version,
            demands_version=demands_version,
            is_body_needed=needs_body,
        )

        def declare(decide: Decide) -> Decide:
            def view(**path: Any) -> Response:
                now = datetime.now(UTC)
                here = services()
                with here.reads.connection() as connection:
                    caller = authenticate(connection, request, now)
                    caller.must_hold(scope)
                    members = read_body(schema, may_be_empty=not needs_body)
                    by = Command(
                        actor=caller.actor,
                        now=now,
                        why=Why(members.pop("reason_code", None), words(members.pop("reason", None), "reason")),
                        expected_version=_expected_version(takes_version, demands_version),
                        request_id=g.request_id,
                    )
                    given = {"new_id": members.pop("id", None) or uuid7()} if is_created else {}
                    done, is_replayed = commands.run(
                        here,
                        connection,
                        by,
                        lambda okr, by: decide(okr, dict(members), by, **path, **given),
                        resource,
                        key=IdempotencyKey.of(request, caller.actor.id),
                        queue=path.get("id"),
                        is_created=is_created,
                    )
                    return commands.respond(here, connection, done, is_replayed=is_replayed)

            self._declare(rule, "POST", view, decide, operation)
            return decide

        return declare

    def _declare(
        self,
        rule: str,
        method: str,
        view: Callable[..., Response],
        said: Callable[..., object],
        operation: dict[str, Any],
    ) -> None:
        view.__name__, view.__doc__ = said.__name__, said.__doc__
        self.route(rule, methods=[method])(self.doc(**operation)(view))


def read_body(schema: Body, *, may_be_empty: bool) -> Members:
    """The body's members, read into their kinds. A Problem: 400 where it cannot be read, 422 with all that is wrong."""
    try:
        members: Members = schema.load(json_object(request, may_be_empty=may_be_empty))
    except ma.ValidationError as error:
        found = faults(error.messages)
        said = "; ".join(f"{field}: {message}" if field else message for field, _, message in found)
        problem = Problem(422, "invalid-values", "Some values break a rule", said)
        for fault in found:
            problem.add(*fault)
        raise problem from None
    return members


def listed(items: list[Answer], following: str | None, moment: Moment, *, has_texts: bool = False) -> Response:
    """One page of a list, and where the next one is."""
    body: Answer = {"items": items}
    if following is not None:
        body["next"] = following
    return answered(request, orjson.dumps(body), moment, has_texts=has_texts, headers=next_page(following))


def next_page(cursor: str | None) -> dict[str, str]:
    """The header that says where the next page is, if there is one."""
    return {} if cursor is None else {"Link": f'<{next_address(cursor=cursor)}>; rel="next"'}


def must_be_there(resource: Resource, connection: Connection[DictRow], id: UUID, moment: Moment) -> None:
    """404 where the views know no such resource at the moment."""
    if resource.get(connection, id, moment) is None:
        raise nothing_here({"id": id})


def next_address(**changes: str) -> str:
    """The present address with some parameters changed."""
    return f"{quote(request.path)}?{urlencode({**request.args, **changes})}"


def nothing_here(path: dict[str, Any]) -> Unknown:
    """404 for ids that are nobody's."""
    return Unknown(Breach(None, "unknown", f"there is nothing here with the id {path.get('id')}"))


def _expected_version(takes_version: bool, demands_version: bool) -> int | None:
    if not takes_version and "If-Match" in request.headers:
        raise Problem(
            400, "no-version-here", "If-Match has no meaning here", "this creates something: there is no version yet"
        )
    return expected_version(request, is_demanded=demands_version)
