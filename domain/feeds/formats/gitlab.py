"""`gitlab`: webhooks of GitLab about deployments, pipelines, jobs, merge requests, issues and releases.

Source: https://docs.gitlab.com/user/project/integrations/webhook_events/, GitLab 13 to 18. Other kinds are ignored.
Paths read the payload as GitLab documents it, and `event`, which is object_kind (without it, the header
X-Gitlab-Event).

Traps:
- Times are `2021-04-28 21:50:00 +0200`, `2016-08-12 15:23:28 UTC` or RFC 3339, according to kind and version.
- A deployment has its id in deployment_id and its state in status; a pipeline, merge request, issue and work item
  have theirs in object_attributes; a job, whose kind is `build`, in build_id and build_status.
- A running deployment, then a successful one, are two messages of one deployment: without `entity` they are one
  entity. There is no counter in them: put `order: [time(status_changed_at)]`.
- A confidential issue has object_kind issue and another header.

    X-Gitlab-Event: Deployment Hook
    {"object_kind": "deployment", "status": "success", "status_changed_at": "2025-03-31 17:12:00 +0200",
     "deployment_id": 15, "environment": "production", "project": {"id": 30, "path_with_namespace": "acme/shop"}}
"""

from datetime import datetime
from typing import Any

from domain.feeds.formats.parts import (
    header,
    moment,
    read_object,
    required_id,
    required_object,
    required_text,
    tombstone,
)
from domain.feeds.message import Decoded, Format, Message, Undecodable

_FLAT: dict[str, tuple[str, tuple[str, ...]]] = {
    "deployment": ("deployment_id", ("status_changed_at",)),
    "build": ("build_id", ("build_finished_at", "build_started_at", "build_created_at")),
    "release": ("id", ("released_at", "created_at")),
}
_NESTED: dict[str, tuple[str, ...]] = {
    "pipeline": ("finished_at", "created_at"),
    "merge_request": ("updated_at", "created_at"),
    "issue": ("updated_at", "created_at"),
    "work_item": ("updated_at", "created_at"),
}


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    body = read_object(message.value)
    kind = body.get("object_kind") or _from_header(message)
    if not isinstance(kind, str):
        raise Undecodable("object_kind is missing, and there is no header X-Gitlab-Event: no webhook of GitLab")
    if kind in _NESTED:
        of, subject = "object_attributes.", required_object(body, "object_attributes")
        id_name, times = "id", _NESTED[kind]
    elif kind in _FLAT:
        of, subject = "", body
        id_name, times = _FLAT[kind]
    else:
        return [Decoded(ignored=f"a {kind[:40]} event: read are {', '.join((*_FLAT, *_NESTED))}")]
    time = _time(subject, times, of)
    return [Decoded(fields={**body, "event": kind}, entity=f"{kind} {required_id(subject, id_name, of)}", time=time)]


def _from_header(message: Message) -> str | None:
    """`Merge Request Hook` is a merge_request; a job is of kind build."""
    name = (header(message, "x-gitlab-event") or "").lower().removesuffix(" hook").replace(" ", "_")
    return {"job": "build"}.get(name, name) or None


def _time(subject: dict[str, Any], names: tuple[str, ...], of: str) -> datetime | None:
    name = next((name for name in names if subject.get(name) is not None), None)
    return moment(required_text(subject, name, of), f"{of}{name}") if name else None


FORMAT = Format(
    "gitlab",
    "webhooks of GitLab: deployments, pipelines, jobs, merge requests, issues, releases",
    decode,
    specification="https://docs.gitlab.com/user/project/integrations/webhook_events/",
    entity="what the event is about, such as `deployment 15`",
    guide=__doc__,
)
