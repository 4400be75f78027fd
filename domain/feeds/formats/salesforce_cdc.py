"""`salesforce_cdc`: change data capture of Salesforce, as its Streaming API, its Pub/Sub API or a connector has it.

Source: Change Data Capture Developer Guide, API version 61,
https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/ (events, header
fields, gap and overflow events, merged and enriched events).

Paths read `entityName`, `changeType`, `recordId`, `row`, `header` (the ChangeEventHeader) and `replayId`. `row` has
the record's fields and its `Id`. An event of several records is one event for each. Put
`order: [header.commitNumber, header.sequenceNumber]`, and `filter: "entityName == 'Opportunity'"` where the topic
carries several objects.

Traps:
- An UPDATE carries only what changed. All other fields are unknown, not null: what hangs on them alone stays as it
  was. Where one field that the feed reads changed and another was not sent, the message is dead: have Salesforce
  send both with every change (event enrichment).
- On the Pub/Sub API a field that did not change reads null, and what was cleared is in nulledFields, by name or
  as a bitmap over the fields in the schema's order. In the Streaming API null means cleared.
- A text in diffFields is a difference, not the text.
- GAP_ events, and record ids like 001*, say that something changed and not what: a gap, which is dead unless the
  filter keeps it out. GAP_OVERFLOW names no record. Read the records again in Salesforce, then discard the letter.
- A DELETE retracts by itself. commitNumber is beyond 2^53; dates are milliseconds, or texts.

    {"schema": "IeRuaY6c", "event": {"replayId": 6},
     "payload": {"ChangeEventHeader": {"entityName": "Opportunity", "recordIds": ["006SM0000001Tb3YAE"],
                                       "changeType": "UPDATE", "commitTimestamp": 1743433920000,
                                       "commitNumber": 1743433920433528300, "sequenceNumber": 1},
                 "StageName": "Closed Won", "Amount": 40000}}
"""

import re
from collections.abc import Iterable
from typing import Any

from domain.feeds.formats.parts import entity_of, moment, read_key, read_object, required_object, required_text
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.values import KeyOnly

_HEADER = "ChangeEventHeader"
_BITMAP = re.compile(r"(?:([0-9]{1,4})-)?0x([0-9A-Fa-f]{1,512})")
_WHOLE = ("CREATE", "UNDELETE", "SNAPSHOT")
_OF_THE_CHANGE = ("changeType", "changedFields", "nulledFields", "diffFields")
_NO_RECORD = "000000000000000AAA"

Row = dict[str, Any]


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        key, text = read_key(message.key)
        entity = entity_of(key or text)
        fields = {**(key or {}), "recordId": entity, "row": {"Id": entity}}
        return [Decoded(is_tombstone=True, fields=fields, entity=entity, key_entity=entity)]
    body, replay_id, is_null_cleared = _body(read_object(message.value))
    header = required_object(body, _HEADER)
    change = required_text(header, "changeType", f"{_HEADER}.")
    name = required_text(header, "entityName", f"{_HEADER}.")
    known = {"entityName": name, "header": _without(header, _OF_THE_CHANGE), "replayId": replay_id}
    records = _records(header)
    if gap := _gap(change, name, records):
        return [Decoded(gap=gap, known=KeyOnly(known))]
    at = header.get("commitTimestamp")
    time = moment(at, f"{_HEADER}.commitTimestamp", "iso" if isinstance(at, str) else "ms")
    common = {"entityName": name, "changeType": change, "header": header, "replayId": replay_id}
    if change == "DELETE":
        return [
            Decoded(
                fields={**common, "recordId": id, "row": KeyOnly(Id=id)},
                entity=id,
                time=time,
                is_deletion=True,
                known=KeyOnly(known, recordId=id, row=KeyOnly(Id=id)),
            )
            for id in records
        ]
    if change not in (*_WHOLE, "UPDATE"):
        raise Undecodable(f"{_HEADER}.changeType is {change[:20]}, none that is known")
    row, changed = _row(body, header, is_whole=change in _WHOLE, is_null_cleared=is_null_cleared)
    return [
        Decoded(fields={**common, "recordId": id, "row": type(row)(row, Id=id)}, entity=id, time=time, changed=changed)
        for id in records
    ]


def _body(tree: Row) -> tuple[Row, Any, bool]:
    """The header with the fields, the replay id, and whether a field that is null was cleared."""
    if isinstance(tree.get("data"), dict) and _HEADER not in tree:
        tree = tree["data"]
    payload, event = tree.get("payload"), tree.get("event")
    if not isinstance(payload, dict) or _HEADER in tree:
        return tree, tree.get("replayId", tree.get("ReplayId")), False
    replay_id = event.get("replayId") if isinstance(event, dict) else tree.get("replayId")
    # A converter of Kafka Connect wraps in schema and payload too; its schema is an object.
    return payload, replay_id, isinstance(tree.get("schema"), str) or isinstance(event, dict)


def _records(header: Row) -> list[str]:
    records = header.get("recordIds")
    if not isinstance(records, list) or not records or not all(isinstance(id, str) and id for id in records):
        raise Undecodable(f"{_HEADER}.recordIds is no list of ids: no record is named")
    return list(dict.fromkeys(records))


def _gap(change: str, name: str, records: list[str]) -> str | None:
    named = f"{', '.join(records[:3])}{' …' if len(records) > 3 else ''} of {name}"
    if change == "GAP_OVERFLOW":
        return f"GAP_OVERFLOW: too much of {name} changed at once, and Salesforce does not say what"
    if change.startswith("GAP_"):
        return f"{change[:20]}: Salesforce does not say what changed in {named}"
    if any(id.endswith("*") for id in records):
        return f"{change[:20]}: Salesforce does not say which records changed, only {named}"
    if _NO_RECORD in records:
        raise Undecodable(f"{_HEADER}.recordIds has the empty id {_NO_RECORD}, which names no record")
    return None


def _row(body: Row, header: Row, *, is_whole: bool, is_null_cleared: bool) -> tuple[Row, frozenset[str] | None]:
    """The record's fields, and of a partial update which of them changed."""
    fields = {name: value for name, value in body.items() if name != _HEADER}
    if is_whole:
        return fields, None
    nulled = _named(header, "nulledFields", body)
    differing = _named(header, "diffFields", body)
    if nulled is None or differing is None:
        raise Undecodable(f"{_HEADER}: a bitmap of fields that do not stand in the order of their schema")
    row = _sent({name: value for name, value in fields.items() if name not in differing}, nulled, is_null_cleared)
    named = _named(header, "changedFields", body) or frozenset()
    within = {name.partition(".")[0] for name in named if "." in name}
    changed = within | {name for name in named if "." not in name}
    # A bitmap that calls changed what has no value is one over other fields.
    is_told = changed and changed <= row.keys() | differing | within
    return row, frozenset(changed if is_told else row)


def _sent(fields: Row, nulled: Iterable[str], is_null_cleared: bool) -> KeyOnly:
    """What was sent of an object; asked for the rest, it says that it is not known."""
    sent = KeyOnly()
    for name, value in fields.items():
        if isinstance(value, dict):
            within = [each.partition(".")[2] for each in nulled if each.startswith(f"{name}.")]
            sent[name] = _sent(value, within, is_null_cleared)
        elif value is not None or is_null_cleared or name in nulled:
            sent[name] = value
    return sent


def _named(header: Row, list_name: str, body: Row) -> frozenset[str] | None:
    """The fields that a list of the header names; None for a bitmap that cannot be meant for these fields."""
    items = header.get(list_name) or []
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise Undecodable(f"{_HEADER}.{list_name} is no list of names")
    found: set[str] = set()
    for item in items:
        bitmap = _BITMAP.fullmatch(item)
        if bitmap is None:
            found.add(item)
            continue
        parent = "" if bitmap[1] is None else _nth(body, int(bitmap[1]))
        columns = body if not parent else body.get(parent)
        if parent and columns is None:
            found.add(f"{parent}.{bitmap[2]}")  # which of its members nobody can say
            continue
        names = [_nth(columns, bit) for bit in _bits(bitmap[2])]
        if next(iter(body)) != _HEADER or parent is None or not isinstance(columns, dict) or None in names:
            return None
        if list_name == "nulledFields" and any(columns[name] is not None for name in names if name):
            return None
        found.update(f"{parent}.{name}" if parent else str(name) for name in names)
    return frozenset(found)


def _nth(columns: Any, index: int) -> str | None:
    names = list(columns) if isinstance(columns, dict) else []
    return names[index] if index < len(names) else None


def _bits(hexadecimal: str) -> list[int]:
    """Which bits are set, the last being the first."""
    number = int(hexadecimal, 16)
    return [bit for bit in range(number.bit_length()) if number >> bit & 1]


def _without(header: Row, names: Iterable[str]) -> KeyOnly:
    return KeyOnly({name: value for name, value in header.items() if name not in names})


FORMAT = Format(
    "salesforce_cdc",
    "changed records of Salesforce",
    decode,
    frozenset({"entityName", "changeType", "recordId", "row", "header", "replayId"}),
    specification="https://developer.salesforce.com/docs/atlas.en-us.change_data_capture.meta/change_data_capture/",
    entity="the record",
    guide=__doc__,
)
