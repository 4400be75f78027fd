"""`debezium`: changed rows of a database, with or without schema, whole or flattened.

Source: Debezium 1 to 3, https://debezium.io/documentation/reference/stable/: its documentation of connectors,
converters and the flattening transformation (ExtractNewRecordState). Paths read `op`, `row`, `before`, `after`,
`source`, `ts_ms`, `ts_us`, `ts_ns`, `transaction` and `key`. `row` is the row after the change; of a deleted row
the last that is known, from `before` and the message's key. A deletion retracts by itself; of its columns only
those of the key can be trusted, so a filter on others does not keep it out.

Traps: a decimal is base64 whose scale is in the schema, {scale, value}, a text or a number: without schema base64
stays a text, which is no number; temporal columns are days, ms, us, ns or text, so `effective_at` names its unit;
`source.ts_ms` is 0 in some snapshots; a large column that did not change reads __debezium_unavailable_value: then
what hangs on it is unknown, and what was known before holds; `before` may hold the key only, or be null, also for a
deletion; a tombstone may be {"schema": null, "payload": null}; a flattened row says __deleted: "false"; one without
any metadata (the transformation's default) is the row after a change, of which neither the kind nor the time is
known. Truncations, heartbeats, schema changes, transaction markers and logical messages name no row and are
ignored.

    {"before": null, "after": {"id": 7, "stage": "won", "amount": "12000.00"},
     "source": {"ts_ms": 1743433920000, "lsn": 24023128, "table": "deals"}, "op": "c", "ts_ms": 1743433920123}
"""

import base64
import binascii
from datetime import datetime
from decimal import Decimal
from typing import Any

from domain.feeds.formats.parts import entity_of, read_key, read_object
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.times import business_time, nanoseconds
from domain.feeds.values import UNAVAILABLE, KeyOnly, Unfit, kind

_PLACEHOLDER = "__debezium_unavailable_value"
_PLACEHOLDERS = (_PLACEHOLDER, base64.b64encode(_PLACEHOLDER.encode()).decode())
_MARKS = tuple(placeholder.encode() for placeholder in _PLACEHOLDERS)
_DECIMAL = "org.apache.kafka.connect.data.Decimal"
_MEMBERS = ("before", "after", "source", "ts_ms", "ts_us", "ts_ns", "transaction")

Row = dict[str, Any]


def decode(message: Message) -> list[Decoded]:
    key, key_text = _key(message.key)
    payload, schema = _unwrap(read_object(message.value)) if message.value is not None else (None, {})
    if payload is None:
        return [
            Decoded(is_tombstone=True, fields=_fields("d", key, {}, key or key_text), entity=entity_of(key or key_text))
        ]
    if ignored := _ignored(message.topic, payload, schema):
        return [Decoded(ignored=ignored)]
    has_unavailable = any(mark in (message.value or b"") for mark in _MARKS)
    if _is_flattened(payload):
        _mend(payload, schema, has_unavailable)
        return [_change(_unflattened(payload), key, key_text)]
    for side in ("before", "after"):
        if isinstance(payload.get(side), dict):
            _mend(payload[side], _members(schema, side), has_unavailable)
    return [_change(payload, key, key_text)]


def _change(payload: Row, key: Row | None, key_text: str | None) -> Decoded:
    op, before, after = payload["op"], payload.get("before"), payload.get("after")
    source = payload.get("source")
    payload["source"] = source = source if isinstance(source, dict) else {}
    time, entity = _time(source, payload.get("ts_ms")), entity_of(key or key_text)
    if op == "d":
        row = {**(before if isinstance(before, dict) else {}), **(key or {})}
        fields = _fields(op, row or None, payload, key or key_text)
        certain = KeyOnly(key or {})
        known = {**fields, "row": certain, "before": certain}
        return Decoded(fields=fields, entity=entity, time=time, is_deletion=True, known=known)
    if op not in ("c", "u", "r"):
        raise Undecodable(f"op is {str(op)[:20]}, none of c, u, d, r, t, m")
    if not isinstance(after, dict):
        raise Undecodable(f"after is {kind(after)}, not a row, although op is {op}")
    return Decoded(fields=_fields(op, after, payload, key or key_text), entity=entity, time=time)


def _fields(op: str, row: Row | None, payload: Row, key: Row | str | None) -> dict[str, Any]:
    return {"op": op, "row": row, **{name: payload.get(name) for name in _MEMBERS}, "key": key}


def _unwrap(envelope: Row) -> tuple[Row | None, Row]:
    """Payload and schema, of {schema, payload} as of the payload alone."""
    if not _is_enveloped(envelope):
        return envelope, {}
    payload, schema = envelope["payload"], envelope.get("schema")
    if payload is not None and not isinstance(payload, dict):
        raise Undecodable(f"payload is {kind(payload)}, not an object")
    return payload, schema if isinstance(schema, dict) else {}


def _is_enveloped(tree: Row) -> bool:
    return "payload" in tree and tree.keys() <= {"schema", "payload"}


def _key(raw: bytes | None) -> tuple[Row | None, str | None]:
    key, text = read_key(raw)
    if key is None:
        return None, text
    if _is_enveloped(key) and not isinstance(key["payload"], dict):
        return None, None if key["payload"] is None else entity_of({"": key["payload"]})
    payload, schema = _unwrap(key)
    if payload is not None:
        _mend(payload, schema, has_unavailable=False)
    return payload, None


def _ignored(topic: str, payload: Row, schema: Row) -> str | None:
    """Why such a message never names a row; None for a change."""
    if _has_metadata(payload):
        return None
    if payload.get("op") == "t":
        return "a truncation: it names no row, so nothing is retracted"
    if payload.get("op") == "m":
        return "a logical message: it is no row"
    if "op" in payload:
        return None
    name = str(schema.get("name") or "")
    if topic.startswith("__debezium-heartbeat") or name.endswith(".Heartbeat") or payload.keys() == {"ts_ms"}:
        return "a heartbeat"
    if name.endswith(".SchemaChangeValue") or {"ddl", "source"} <= payload.keys():
        return "a schema change"
    if name.endswith(".TransactionMetadataValue") or (payload.get("status") in ("BEGIN", "END") and "id" in payload):
        return "a transaction marker"
    if payload and "before" not in payload and "after" not in payload and not isinstance(payload.get("source"), dict):
        return None
    raise Undecodable("no op: neither a change of a row nor a flattened row")


def _is_flattened(payload: Row) -> bool:
    return _has_metadata(payload) or "op" not in payload


def _has_metadata(payload: Row) -> bool:
    """Whether it is a flattened row to which the transformation has added its columns."""
    return ("__op" in payload or "__deleted" in payload) and "before" not in payload and "after" not in payload


def _unflattened(row: Row) -> Row:
    """A flattened row as the change that it was; of its metadata columns the names lose __ and source_."""
    deleted = str(row.get("__deleted")).lower() == "true"
    metadata = {name.removeprefix("__"): value for name, value in row.items() if name.startswith("__")}
    source = {name.removeprefix("source_"): value for name, value in metadata.items()}
    return {
        "op": "d" if deleted else row.get("__op") or "u",
        "before": row if deleted else None,
        "after": None if deleted else row,
        "source": source,
        "ts_ms": metadata.get("ts_ms"),
    }


def _members(schema: Row, name: str) -> Row:
    """The schema of the member `name`."""
    fields = schema.get("fields")
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("field") == name:
            return field
    return {}


def _mend(row: Row, schema: Row, has_unavailable: bool) -> None:
    """Put numbers where encoded decimals stand, and UNAVAILABLE where a column was not sent."""
    if has_unavailable:
        for column, value in row.items():
            if value in _PLACEHOLDERS or (isinstance(value, list) and value and value[0] in _PLACEHOLDERS):
                row[column] = UNAVAILABLE
    fields = schema.get("fields")
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, dict) and field.get("name") == _DECIMAL:
            column = str(field.get("field"))
            encoded = row.get(column)
            if isinstance(encoded, str):
                parameters = field.get("parameters")
                scale = parameters.get("scale") if isinstance(parameters, dict) else None
                row[column] = _decimal(encoded, scale, column)
    for column, value in row.items():
        if isinstance(value, dict) and value.keys() == {"scale", "value"} and isinstance(value["value"], str):
            row[column] = _decimal(value["value"], value["scale"], column)


def _decimal(encoded: str, scale: Any, column: str) -> Decimal:
    """Connect's Decimal: a big-endian two's complement integer and how many of its digits follow the point."""
    try:
        places = int(scale)
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise Undecodable(f"the column {column[:40]} is no base64 decimal with a scale") from None
    if not 0 < len(raw) <= 128 or abs(places) > 1_000:
        raise Undecodable(f"the column {column[:40]} is no decimal of at most 128 bytes")
    return Decimal(f"{int.from_bytes(raw, signed=True)}E{-places}")


def _time(source: Row, ts_ms: Any) -> datetime | None:
    """When the database changed, else when the connector saw it; a snapshot's 0 is no time."""
    for value, unit in ((source.get("ts_ms"), "ms"), (source.get("ts_sec"), "s"), (ts_ms, "ms")):
        try:
            return business_time(nanoseconds(value, unit))
        except Unfit:
            continue
    return None


FORMAT = Format(
    "debezium",
    "changed rows of a database",
    decode,
    frozenset({"op", "row", "key", *_MEMBERS}),
    specification="https://debezium.io/documentation/reference/stable/",
    entity="the row, by the message's key",
    guide=__doc__,
)
