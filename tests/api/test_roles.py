"""Every route by every role. A route without a row in the table fails, and so does a row without a route."""

from __future__ import annotations

import re
from uuid import uuid4

from ledger.tokens import Role
from tests.api.client import Client, read

NOBODY = None
READERS = frozenset(Role)
WRITERS = frozenset({Role.MEMBER, Role.ADMIN})
FEEDERS = frozenset({Role.FEED_ADMIN, Role.ADMIN})
ADMINS = frozenset({Role.ADMIN})
AUDITORS = frozenset({Role.AUDITOR, Role.ADMIN})
EVERYBODY = frozenset({*Role, NOBODY})

KEY_RESULT = "/v1/key-results/<uuid:id>"
OBJECTIVE = "/v1/objectives/<uuid:id>"
FEED = "/v1/feeds/<uuid:id>"

MAY: dict[tuple[str, str], frozenset[Role | None]] = {
    ("GET", "/healthz"): EVERYBODY,
    ("GET", "/readyz"): EVERYBODY,
    ("GET", "/metrics"): EVERYBODY,
    ("GET", "/openapi.json"): EVERYBODY,
    ("GET", "/docs/"): EVERYBODY,
    ("GET", "/docs/<path:path>"): EVERYBODY,
    ("GET", "/v1/cycles"): READERS,
    ("POST", "/v1/cycles"): ADMINS,
    ("GET", "/v1/cycles/<uuid:id>"): READERS,
    ("GET", "/v1/cycles/<uuid:id>/tree"): READERS,
    ("GET", "/v1/cycles/<uuid:id>/goalposts"): READERS,
    ("GET", "/v1/cycles/<uuid:id>/diff"): READERS,
    ("GET", "/v1/cycles/<uuid:id>/replay"): READERS,
    ("POST", "/v1/cycles/<uuid:id>/start"): ADMINS,
    ("POST", "/v1/cycles/<uuid:id>/scoring"): ADMINS,
    ("POST", "/v1/cycles/<uuid:id>/close"): ADMINS,
    ("POST", "/v1/cycles/<uuid:id>/reopen"): ADMINS,
    ("GET", "/v1/teams"): READERS,
    ("POST", "/v1/teams"): ADMINS,
    ("GET", "/v1/teams/<uuid:id>"): READERS,
    ("GET", "/v1/teams/<uuid:id>/diff"): READERS,
    ("GET", "/v1/objectives"): READERS,
    ("POST", "/v1/objectives"): WRITERS,
    ("GET", OBJECTIVE): READERS,
    ("GET", f"{OBJECTIVE}/history"): READERS,
    ("GET", f"{OBJECTIVE}/goalposts"): READERS,
    ("GET", f"{OBJECTIVE}/diff"): READERS,
    ("GET", f"{OBJECTIVE}/replay"): READERS,
    ("POST", f"{OBJECTIVE}/key-results"): WRITERS,
    ("POST", f"{OBJECTIVE}/revisions"): WRITERS,
    ("POST", f"{OBJECTIVE}/commit"): WRITERS,
    ("POST", f"{OBJECTIVE}/rephrasings"): WRITERS,
    ("POST", f"{OBJECTIVE}/owner-changes"): WRITERS,
    ("POST", f"{OBJECTIVE}/check-ins"): WRITERS,
    ("POST", f"{OBJECTIVE}/scores"): WRITERS,
    ("POST", f"{OBJECTIVE}/replacements"): WRITERS,
    ("POST", f"{OBJECTIVE}/drops"): WRITERS,
    ("GET", "/v1/key-results"): READERS,
    ("GET", KEY_RESULT): READERS,
    ("GET", f"{KEY_RESULT}/history"): READERS,
    ("GET", f"{KEY_RESULT}/goalposts"): READERS,
    ("GET", f"{KEY_RESULT}/diff"): READERS,
    ("GET", f"{KEY_RESULT}/evidence"): READERS,
    ("POST", f"{KEY_RESULT}/revisions"): WRITERS,
    ("POST", f"{KEY_RESULT}/commit"): WRITERS,
    ("POST", f"{KEY_RESULT}/progress"): WRITERS,
    ("POST", f"{KEY_RESULT}/milestones/<ordinal:n>/reached"): WRITERS,
    ("POST", f"{KEY_RESULT}/overrides"): WRITERS,
    ("POST", f"{KEY_RESULT}/overrides/lift"): WRITERS,
    ("POST", f"{KEY_RESULT}/corrections"): WRITERS,
    ("POST", f"{KEY_RESULT}/target-adjustments"): WRITERS,
    ("POST", f"{KEY_RESULT}/deadline-adjustments"): WRITERS,
    ("POST", f"{KEY_RESULT}/weight-adjustments"): WRITERS,
    ("POST", f"{KEY_RESULT}/owner-changes"): WRITERS,
    ("POST", f"{KEY_RESULT}/rephrasings"): WRITERS,
    ("POST", f"{KEY_RESULT}/check-ins"): WRITERS,
    ("POST", f"{KEY_RESULT}/scores"): WRITERS,
    ("POST", f"{KEY_RESULT}/replacements"): WRITERS,
    ("POST", f"{KEY_RESULT}/drops"): WRITERS,
    ("GET", "/v1/feeds"): READERS,
    ("POST", "/v1/feeds"): FEEDERS,
    ("GET", FEED): READERS,
    ("POST", "/v1/feeds/dry-run"): FEEDERS,
    ("POST", f"{FEED}/revisions"): FEEDERS,
    ("POST", f"{FEED}/pause"): FEEDERS,
    ("POST", f"{FEED}/resume"): FEEDERS,
    ("GET", f"{FEED}/evidence"): READERS,
    ("GET", f"{FEED}/dead-letters"): FEEDERS | {Role.AUDITOR},
    ("GET", f"{FEED}/dead-letters/causes"): FEEDERS | {Role.AUDITOR},
    ("GET", f"{FEED}/dead-letters/<int:number>"): FEEDERS | {Role.AUDITOR},
    ("GET", f"{FEED}/dead-letters/retries/<int:number>"): FEEDERS | {Role.AUDITOR},
    ("POST", f"{FEED}/dead-letters/retries"): FEEDERS,
    ("POST", f"{FEED}/dead-letters/discards"): FEEDERS,
    ("GET", "/v1/events"): READERS,
    ("GET", "/v1/ledger/checkpoint"): READERS,
    ("GET", "/v1/ledger/proofs/inclusion/<int:position>"): READERS,
    ("GET", "/v1/ledger/proofs/consistency"): READERS,
    ("POST", "/v1/what-if"): READERS,
    ("GET", "/v1/audit/questions"): AUDITORS,
    ("GET", "/v1/audit/questions/<question:name>"): AUDITORS,
}
METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def routes_of(client: Client) -> set[tuple[str, str]]:
    rules = client.app.url_map.iter_rules()
    return {(method, rule.rule) for rule in rules for method in (rule.methods or set()) & METHODS}


def test_every_route_has_its_row(lonely: Client) -> None:
    assert routes_of(lonely) == set(MAY)


def test_every_route_by_every_role(lonely: Client) -> None:
    for (method, rule), allowed in MAY.items():
        path = (
            rule.replace("<uuid:id>", str(uuid4()))
            .replace("<ordinal:n>", "1")
            .replace("<int:number>", "1")
            .replace("<path:path>", "index.css")
        )
        path = path.replace("<question:name>", "silent").replace("<int:position>", "1")
        assert not re.search("[<>]", path)
        for role in (NOBODY, *Role):
            answer = lonely.send(method, path, None if method == "GET" else {}, role=role)
            said = (method, rule, role, answer.status_code, answer.text[:200])
            if role in allowed:
                assert answer.status_code not in (401, 403, 405, 500), said
            elif role is NOBODY:
                assert answer.status_code == 401, said
            else:
                assert answer.status_code == 403, said
                assert read(answer)["type"] == "/problems/insufficient-scope", said
                assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"], said


def test_who_may_do_what_within_a_role(client: Client) -> None:
    """The scope opens the door; whose objective it is decides behind it."""
    id = client.key_result(owner_id="somebody-else")
    answer = client.post(f"/v1/key-results/{id}/progress", {"value": 1}, role="member")
    assert answer.status_code == 403
    assert read(answer)["type"] == "/problems/not-responsible"
    own = client.key_result(owner_id="member")
    assert client.post(f"/v1/key-results/{own}/progress", {"value": 1}, role="member").status_code == 200
    review = {"points": 4, "kind": "review"}
    assert client.post(f"/v1/key-results/{own}/scores", review, role="member").status_code == 403
    assert client.post(f"/v1/key-results/{own}/scores", review).status_code == 200


def test_the_lead_of_the_team_acts_and_reviews(client: Client) -> None:
    team = client.done("/v1/teams", {"name": "Compilers", "lead_id": "member"})["id"]
    objective = client.objective(client.cycle(), owner_id="u-7", team_id=team)
    id = client.draft(objective, owner_id="u-7")
    client.done(f"/v1/objectives/{objective}/commit", role="member")
    client.done(f"/v1/key-results/{id}/scores", {"points": 4, "kind": "review"}, role="member")
