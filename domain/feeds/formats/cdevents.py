"""`cdevents`: events of continuous delivery, alone or as the data of a CloudEvent.

Source: CDEvents 0.1 to 0.5 and its CloudEvents binding, https://cdevents.dev/docs/. Paths read `context`,
`subject`, `customData`, `customDataContentType`, and, from the context whatever its version calls them, `type`,
`id`, `source`, `timestamp`, `version` and `chainId`.

Traps: types carry versions, so compare with starts_with(type, 'dev.cdevents.service.deployed.');
context.version became specversion, chain_id became chainId, subject.type went away; published examples share ids
across different events, so the event's id is source, id and type together; the artifactId of a rollback may
name the version that was restored; values in customData may be texts with a unit.

    {"context": {"specversion": "0.5.0", "id": "e1", "source": "/ci", "timestamp": "2025-03-31T15:12:00Z",
                 "type": "dev.cdevents.service.deployed.0.2.0"},
     "subject": {"id": "shop", "content": {"environment": {"id": "prod"}, "artifactId": "pkg:oci/shop@sha256:0b31"}}}
"""

import re
from typing import Any

from domain.feeds.formats import cloudevents
from domain.feeds.formats.parts import read_object, required_text, strict_time
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.values import kind

_VERSION = re.compile(r"0\.[0-9]+(\.[0-9]+)?(-[0-9A-Za-z.-]+)?")
_ROOTS = frozenset(
    {"context", "subject", "customData", "customDataContentType"}
    | {"type", "id", "source", "timestamp", "version", "chainId"}
)


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [cloudevents.tombstone(message)]
    if cloudevents.is_cloud_event(message):
        return [_decoded(event["data"]) for event in cloudevents.events(message)]
    return [_decoded(read_object(message.value))]


def _decoded(event: Any) -> Decoded:
    context, subject = (_object(event, name) for name in ("context", "subject"))
    version = context.get("specversion", context.get("version"))
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise Undecodable(f"context.version is {str(version)[:20]}, not 0.x")
    type_, id_, source, timestamp = (
        required_text(context, name, "context.") for name in ("type", "id", "source", "timestamp")
    )
    if not type_.startswith(("dev.cdevents.", "dev.cdeventsx.")):
        raise Undecodable(f"context.type is {type_[:60]}, no type of CDEvents")
    required_text(subject, "id", "subject.")
    fields = {
        "context": context,
        "subject": subject,
        "customData": event.get("customData"),
        "customDataContentType": event.get("customDataContentType"),
        "type": type_,
        "id": id_,
        "source": source,
        "timestamp": timestamp,
        "version": version,
        "chainId": context.get("chainId", context.get("chain_id")),
    }
    entity = f"{source.replace(' ', '%20')} {id_} {type_}"
    return Decoded(fields=fields, entity=entity, time=strict_time(timestamp, "context.timestamp"))


def _object(event: Any, name: str) -> dict[str, Any]:
    member = event.get(name) if isinstance(event, dict) else None
    if not isinstance(member, dict):
        raise Undecodable(f"{name} is {kind(member)}, not an object: no CDEvent")
    return member


FORMAT = Format(
    "cdevents",
    "CDEvents 0.x, alone or in CloudEvents",
    decode,
    _ROOTS,
    specification="https://cdevents.dev/docs/",
    entity="the event: its source, id and type",
    guide=__doc__,
)
