"""`cloudevents`: CloudEvents 1.0, structured, batched or binary.

Source: CloudEvents 1.0.2, https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents: its JSON format (batches
too) and its Kafka protocol binding. A message is structured if and only if its content-type begins with
application/cloudevents, in whatever case and with whatever parameters; it may carry ce_ headers too, which then
mean nothing. Else it is binary when ce_ headers are there. Paths read the attributes and `data`. The event's id is
source and id together.

Traps: a batch repeats events; an attribute that is null is absent; subject and id may not be empty; an extension
has a name of small letters and digits and is a text, a boolean or a 32-bit integer; data_base64 may hold JSON; a
binary event without a value is a tombstone, a structured one without data is none; the key is a partition key
and only sometimes an entity.

    content-type: application/cloudevents+json
    {"specversion": "1.0", "id": "1", "source": "/crm", "type": "deal.won", "subject": "deal-7",
     "time": "2025-03-31T15:12:00Z", "data": {"amount": "12000.00"}}
"""

import base64
import binascii
import re
from typing import Any

from domain.feeds.formats.parts import read_key, read_object, read_tree, required_text, strict_time
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.values import kind

_NAME = re.compile(r"[a-z0-9]+")
_TEXTS = ("subject", "time", "datacontenttype", "dataschema")


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    return [decoded(event) for event in events(message)]


def is_cloud_event(message: Message) -> bool:
    headers = _headers(message)
    return _content_type(headers).startswith("application/cloudevents") or "ce_specversion" in headers


def events(message: Message) -> list[dict[str, Any]]:
    """The events of a message that has a value: attributes and `data`. `Undecodable` where one is none."""
    headers, value = _headers(message), message.value or b""
    content_type = _content_type(headers)
    if content_type == "application/cloudevents-batch+json":
        batch = read_tree(value)
        if not isinstance(batch, list) or not all(isinstance(event, dict) for event in batch):
            raise Undecodable("a batch is a list of events")
        return [_structured(event) for event in batch]
    if content_type in ("application/cloudevents+json", "application/cloudevents"):
        return [_structured(read_object(value))]
    if content_type.startswith("application/cloudevents"):
        raise Undecodable(f"content-type {content_type}: of structured events only JSON is read")
    attributes = {name.removeprefix("ce_"): text for name, text in headers.items() if name.startswith("ce_")}
    if not attributes:
        raise Undecodable("neither a content-type application/cloudevents nor ce_ headers")
    if content_type:
        attributes["datacontenttype"] = content_type
    event = _checked(attributes)
    event["data"] = _content(value, content_type) if value else None
    return [event]


def decoded(event: dict[str, Any]) -> Decoded:
    time = event.get("time")
    # A source is a URI reference, which has no blanks: so the two together are one text, and only one.
    return Decoded(
        fields=event,
        entity=f"{event['source'].replace(' ', '%20')} {event['id']}",
        time=strict_time(time, "time") if time is not None else None,
    )


def tombstone(message: Message) -> Decoded:
    attributes = {name.removeprefix("ce_"): text for name, text in _headers(message).items() if name != "content-type"}
    return Decoded(is_tombstone=True, fields=attributes, key_entity=read_key(message.key)[1])


def _headers(message: Message) -> dict[str, str]:
    headers = {}
    for name, value in message.headers:
        name = name.lower()
        if value is not None and (name == "content-type" or name.startswith("ce_")):
            try:
                headers[name] = value.decode()
            except UnicodeDecodeError:
                raise Undecodable(f"the header {name[:40]} is no UTF-8") from None
    return headers


def _content_type(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _structured(event: dict[str, Any]) -> dict[str, Any]:
    has_data, encoded = "data" in event, event.get("data_base64")
    data = event.pop("data", None)
    event.pop("data_base64", None)
    checked = _checked({name: value for name, value in event.items() if value is not None})
    if encoded is None:
        checked["data"] = data
        return checked
    if has_data or not isinstance(encoded, str):
        raise Undecodable("data_base64 is a text, and excludes data")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise Undecodable("data_base64 is no base64") from None
    content_type = checked.get("datacontenttype", "").partition(";")[0].strip().lower()
    checked["data"] = _content(raw, content_type, read_others=True)
    return checked


def _checked(attributes: dict[str, Any]) -> dict[str, Any]:
    """The attributes, where the specification allows them."""
    version = attributes.get("specversion")
    if version != "1.0":
        raise Undecodable(f"specversion is {str(version)[:20]}, not 1.0")
    for name in ("id", "source", "type"):
        required_text(attributes, name, "")
    for name in _TEXTS:
        if name in attributes:
            required_text(attributes, name, "")
    for name, value in attributes.items():
        if not _NAME.fullmatch(name):
            raise Undecodable(f"{name[:40]} is no name of an attribute: small letters and digits")
        if not isinstance(value, str | bool) and not (isinstance(value, int) and -(2**31) <= value < 2**31):
            raise Undecodable(f"{name[:40]} is {kind(value)}, not a text, a boolean or a 32-bit integer")
    return attributes


def _content(raw: bytes, content_type: str, *, read_others: bool = False) -> Any:
    if content_type in ("", "application/json", "text/json") or content_type.endswith("+json"):
        return read_tree(raw, "data")
    if content_type.startswith("text/") or content_type.endswith("xml") or read_others:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            if read_others:
                return None
    raise Undecodable(f"content-type {content_type[:60]}: only JSON and UTF-8 text are read")


FORMAT = Format(
    "cloudevents",
    "CloudEvents 1.0, structured, batched or binary",
    decode,
    specification="https://github.com/cloudevents/spec/tree/v1.0.2/cloudevents",
    entity="the event: its source and id",
    guide=__doc__,
)
