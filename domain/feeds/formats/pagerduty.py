"""`pagerduty`: webhooks of PagerDuty about incidents and services.

Source: https://developer.pagerduty.com/docs/webhooks-overview, version 3. Paths read the payload as PagerDuty
documents it: `event.event_type`, `event.occurred_at`, `event.data.status`.

Traps:
- Notes, status updates and responders of an incident have an id of their own; the entity is their incident.
- An event tells the incident as it is then. Of when it was created only incident.triggered and newer payloads
  (event.data.created_at) know: a time to restore cannot be had from incident.resolved alone where it is missing.
- Events repeat and overtake each other: put `order: [time(event.occurred_at)]`.
- Version 2 (`messages`), which PagerDuty no longer supports, is refused. pagey.ping is a test, and ignored.

    {"event": {"id": "01BZ", "event_type": "incident.resolved", "resource_type": "incident",
               "occurred_at": "2025-03-31T15:12:00.816Z",
               "data": {"id": "PCPZE64", "type": "incident", "status": "resolved", "urgency": "high"}}}
"""

from domain.feeds.formats.parts import moment, read_object, required_id, required_object, required_text, tombstone
from domain.feeds.message import Decoded, Format, Message, Undecodable


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    body = read_object(message.value)
    if "messages" in body and "event" not in body:
        raise Undecodable("messages: a webhook of version 2, of which only version 3 is read")
    event = required_object(body, "event")
    type_ = required_text(event, "event_type", "event.")
    time = moment(required_text(event, "occurred_at", "event."), "event.occurred_at")
    if type_ == "pagey.ping":
        return [Decoded(ignored="a ping")]
    data, of = required_object(event, "data", "event."), "event.data."
    kind = "incident" if type_.startswith("incident.") else required_text(data, "type", of)
    if kind == "incident" and isinstance(data.get("incident"), dict):
        data, of = data["incident"], "event.data.incident."
    return [Decoded(fields=body, entity=f"{kind} {required_id(data, 'id', of)}", time=time)]


FORMAT = Format(
    "pagerduty",
    "webhooks of PagerDuty",
    decode,
    specification="https://developer.pagerduty.com/docs/webhooks-overview",
    entity="the incident or service, such as `incident PCPZE64`",
    guide=__doc__,
)
