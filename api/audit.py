"""The questions of audit. Who asks one is kept, as it is of whoever reads people's texts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from flask import Response, request
from werkzeug.routing import BaseConverter

from api import documentation
from api.access import note_access
from api.auth import Scope
from api.door import knock
from api.endpoints import Routes, next_page, nothing_here
from api.fields import MOST_POSITION, Count, Id, Measure, MomentInAddress, Words
from api.moments import moment_of
from api.parameters import LONGEST_FILTER, MOST_ITEMS, USUAL_ITEMS, Parameters
from api.problems import Problem
from api.responses import answered, json_response
from api.services import services
from domain.audit.questions import QUESTIONS
from projections import audit

ASKED_AUDIT = "asked-audit"

routes = Routes("audit", "Questions about what was done to the goals, with the positions that prove the answers")


class QuestionName(BaseConverter):
    """The name of a question, known or not."""

    regex = "[a-z][a-z_]{0,39}"
    part_isolating = True


def question_names(_: Any) -> dict[str, Any]:
    """What the specification says of a question's name."""
    return {"type": "string", "enum": list(QUESTIONS)}


class Nothing(Parameters):
    """No parameters."""


class _Asked(Parameters):
    """Of which cycle, as of when, and which page of the findings."""

    cycle_id = Id(required=True, metadata={"description": "the cycle that is looked at"})
    as_of = MomentInAddress(metadata={"description": "the facts that were known at that moment"})
    as_of_position = Count(
        least=1, most=MOST_POSITION, metadata={"description": "the facts up to that position of the ledger"}
    )
    cursor = Words(longest=LONGEST_FILTER, metadata={"description": "the `next` of the page before"})
    limit = Count(
        least=1, most=MOST_ITEMS, load_default=USUAL_ITEMS, metadata={"description": "the most items of a page"}
    )


_TAKES = {
    parameter.name: [question.name for question in QUESTIONS.values() if parameter in question.parameters]
    for question in QUESTIONS.values()
    for parameter in question.parameters
}
Asked: type[_Asked] = type(
    "Asked",
    (_Asked,),
    {
        name: Measure(metadata={"description": f"of {', '.join(takers)}; see /v1/audit/questions"})
        for name, takers in _TAKES.items()
    },
)
"""The same, with the parameters of all questions; each takes its own."""

_PARAMETERS = Asked()


@routes.get("/questions")  # type: ignore[untyped-decorator] # flask-smorest has no types
@routes.doc(  # type: ignore[untyped-decorator]
    **documentation.of_question("AuditQuestions", Nothing, scopes=(Scope.AUDIT_READ,), is_state=False)
)
def list_questions() -> Response:
    """The questions of audit: what each finds, and what it may be told."""
    with services().reads.connection() as connection:
        caller, heads = knock(connection, request, datetime.now(UTC))
        caller.must_hold(Scope.AUDIT_READ)
        Nothing().read(request)
    items = [audit.described(question) for question in QUESTIONS.values()]
    return json_response({"items": items}, headers={"Okr-Position": str(heads.reached), "Cache-Control": "no-store"})


@routes.get("/questions/<question:name>")  # type: ignore[untyped-decorator]
@routes.doc(  # type: ignore[untyped-decorator]
    **documentation.of_question("AuditAnswer", Asked, scopes=(Scope.AUDIT_READ,), is_page=True)
)
def ask_question(name: str) -> Response:
    """The answer to a question of audit: a sentence, the figures, what was found, and the positions that prove it."""
    now = datetime.now(UTC)
    here = services()
    with here.reads.connection() as connection:
        caller, heads = knock(connection, request, now)
        caller.must_hold(Scope.AUDIT_READ)
        question = QUESTIONS.get(name)
        if question is None:
            known = ", ".join(QUESTIONS)
            raise Problem(404, "unknown", "There is no such thing", f"there is no question {name}; there are {known}")
        asked = _PARAMETERS.read(request)
        given = {parameter: asked[parameter] for parameter in _TAKES if parameter in asked}
        _refuse(question.faults(given))
        moment = moment_of(connection, request, asked, now, heads, here.settings)
        found = audit.ask(
            connection, question, asked["cycle_id"], moment, given, after=asked.get("cursor"), limit=asked["limit"]
        )
        if found is None:
            raise nothing_here({"id": asked["cycle_id"]})
        note_access(connection, caller.actor.id, ASKED_AUDIT, f"{request.path}?{urlencode(request.args)}")
    # Kept by nobody without asking again, though it holds no texts: else who looks at it would not be kept.
    return answered(request, orjson.dumps(found), moment, has_texts=True, headers=next_page(found.get("next")))


def _refuse(faults: list[tuple[str, str]]) -> None:
    if faults:
        said = "; ".join(f"{name}: {message}" for name, message in faults)
        problem = Problem(400, "bad-parameters", "The address asks for something that cannot be", said)
        for name, message in faults:
            problem.add(name, "parameter", message)
        raise problem
