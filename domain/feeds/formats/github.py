"""`github`: webhooks of GitHub about deployments, pull requests and runs of workflows.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads, REST API version 2022-11-28; also of GitHub
Enterprise Server. Read are deployment, deployment_status, pull_request and workflow_run; others are ignored. Paths
read the payload as GitHub documents it, and `event`, the name in the header X-GitHub-Event.

Traps:
- Without the header the event is told from the payload, where a deployment may hold a workflow_run too.
- One deployment has many statuses, and each says its own state: without `entity` they are one entity, the
  deployment. Put `order: [deployment_status.id]`. A status of inactive does not mean that it failed.
- A closed pull request is merged only where pull_request.merged is true.
- A run that is repeated keeps its id, with a new run_attempt; its conclusion is null until it is completed.
- Payloads of older servers have no action; those of type form are no JSON: choose application/json.

    X-GitHub-Event: deployment_status
    {"deployment_status": {"id": 2, "state": "success", "created_at": "2025-03-31T15:12:00Z"},
     "deployment": {"id": 7, "environment": "production", "sha": "f95f852b"}, "repository": {"full_name": "acme/shop"}}
"""

from typing import Any

from domain.feeds.formats.parts import header, moment, read_object, required_id, required_object, tombstone
from domain.feeds.message import Decoded, Format, Message, Undecodable

_TIMES = {
    "deployment_status": ("created_at",),
    "deployment": ("created_at",),
    "pull_request": ("merged_at", "closed_at", "updated_at", "created_at"),
    "workflow_run": ("updated_at", "created_at"),
}
"""Of each event the member that it is about, which has its name, and what there says when, the best first."""


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    body = read_object(message.value)
    event = header(message, "x-github-event") or _told_from(body)
    if event not in _TIMES:
        return [Decoded(ignored=f"a {event[:40]} event: read are {', '.join(_TIMES)}")]
    subject = required_object(body, event)
    about = "deployment" if event == "deployment_status" else event
    id = required_id(required_object(body, about), "id", f"{about}.")
    when = next((name for name in _TIMES[event] if subject.get(name) is not None), None)
    time = moment(subject[when], f"{event}.{when}") if when else None
    return [Decoded(fields={**body, "event": event}, entity=f"{about} {id}", time=time)]


def _told_from(body: dict[str, Any]) -> str:
    if "comment" not in body and "review" not in body:
        for event in _TIMES:
            if isinstance(body.get(event), dict):
                return event
    raise Undecodable(f"neither a header X-GitHub-Event nor a member {', '.join(_TIMES)}")


FORMAT = Format(
    "github",
    "webhooks of GitHub: deployments, pull requests, workflow runs",
    decode,
    specification="https://docs.github.com/en/webhooks/webhook-events-and-payloads",
    entity="the deployment, pull request or run, such as `deployment 7`",
    guide=__doc__,
)
