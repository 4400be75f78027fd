"""`hubspot`: notifications of HubSpot's webhooks, in arrays as they are delivered, or one by one.

Source: HubSpot Webhooks API v3, https://developers.hubspot.com/docs/api/webhooks, and the generic webhook
subscriptions (`object.propertyChange`). Each notification is an event. Paths read its members (`objectId`,
`propertyName`, `propertyValue`, `occurredAt`, `subscriptionType`, ...), `objectType` ("deal"), and `row`, which has
the one property that changed under its name: `row.amount`.

Traps:
- Values are texts, and stages of one's own pipelines are UUIDs. The documentation once wrote eventType for
  subscriptionType: both are read. Of generic subscriptions the object is in objectTypeId ("0-3" is a deal).
- A notification carries one property. Of all others `row` knows nothing: what hangs on them alone stays as it was,
  and where the feed reads two properties and one of them changes, the message is dead. So read one: count deals
  whose `row.dealstage` is closedwon, or have a system that knows both send the deal.
- Notifications repeat and overtake each other, also within one array: put `order: [occurredAt]`.
- A deletion retracts by itself, and so does a merge for what was merged away. It passes a filter as a change of a
  property that is not known would. What a restored object holds is not sent: a gap, which is dead.

    [{"eventId": 1839643432, "subscriptionType": "deal.propertyChange", "objectId": 332507367156,
      "propertyName": "dealstage", "propertyValue": "closedwon", "occurredAt": 1743433920793, "portalId": 48}]
"""

from typing import Any

from domain.feeds.formats.parts import moment, read_tree, required_id, required_text, tombstone
from domain.feeds.message import Decoded, Format, Message, Undecodable
from domain.feeds.values import KeyOnly, kind

_OBJECT_TYPES = {
    "0-1": "contact",
    "0-2": "company",
    "0-3": "deal",
    "0-5": "ticket",
    "0-7": "product",
    "0-8": "line_item",
}
_DELETIONS = ("deletion", "privacyDeletion")
_OF_THE_DELETION = ("subscriptionType", "eventType", "changeFlag")

Notification = dict[str, Any]


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    tree = read_tree(message.value)
    if isinstance(tree, dict):
        return _events(tree, "")
    if not isinstance(tree, list) or not tree:
        raise Undecodable(f"the value is {kind(tree) if tree != [] else 'empty'}: no array of notifications")
    return [event for index, each in enumerate(tree) for event in _events(each, f"[{index}].")]


def _events(notification: Any, of: str) -> list[Decoded]:
    if not isinstance(notification, dict):
        raise Undecodable(f"{of.removesuffix('.')} is {kind(notification)}, not a notification")
    name = "subscriptionType" if "subscriptionType" in notification else "eventType"
    subscription = required_text(notification, name, of)
    prefix, _, what = subscription.rpartition(".")
    if not prefix:
        raise Undecodable(f"{of}{name} is {subscription[:40]}, not such as deal.propertyChange")
    if what == "associationChange":
        return [Decoded(ignored="an association of two objects: no value of either changed")]
    type_ = prefix
    if prefix == "object":
        type_id = required_text(notification, "objectTypeId", of)
        type_ = _OBJECT_TYPES.get(type_id, type_id)
    notification |= {"subscriptionType": subscription, "objectType": type_}
    time = moment(notification.get("occurredAt"), f"{of}occurredAt", "ms")
    if what == "merge":
        return _merged_away(notification, of)
    id = required_id(notification, "objectId", of)
    if what in _DELETIONS:
        return [_deletion(notification, notification["objectId"])]
    if what == "restore":
        return [Decoded(gap=f"{subscription}: {type_} {id} is back, and what it holds is not sent")]
    row, changed = KeyOnly(), frozenset[str]()
    if what == "propertyChange":
        changed_name = required_text(notification, "propertyName", of)
        row[changed_name] = notification.get("propertyValue")
        changed = frozenset({changed_name})
    return [Decoded(fields={**notification, "row": row}, entity=f"{type_} {id}", time=time, changed=changed)]


def _deletion(notification: Notification, id: str | int) -> Decoded:
    type_ = notification["objectType"]
    prefix = notification["subscriptionType"].rpartition(".")[0]
    known = {name: value for name, value in notification.items() if name not in _OF_THE_DELETION}
    return Decoded(
        fields={**notification, "objectId": id, "row": KeyOnly()},
        entity=f"{type_} {id}",
        time=moment(notification.get("occurredAt"), "occurredAt", "ms"),
        is_deletion=True,
        known=KeyOnly(known, objectId=id, subscriptionType=f"{prefix}.propertyChange"),
    )


def _merged_away(notification: Notification, of: str) -> list[Decoded]:
    """Of objects that became one, all but that one are gone."""
    merged = notification.get("mergedObjectIds")
    if not isinstance(merged, list):
        raise Undecodable(f"{of}mergedObjectIds is {kind(merged)}, not a list of ids")
    left = required_id(notification, "newObjectId" if "newObjectId" in notification else "primaryObjectId", of)
    ids = {required_id({"id": id}, "id", f"{of}mergedObjectIds."): id for id in merged}
    if "primaryObjectId" in notification:
        ids[required_id(notification, "primaryObjectId", of)] = notification["primaryObjectId"]
    gone = [_deletion(notification, id) for text, id in ids.items() if text != left]
    return gone or [Decoded(ignored="a merge that leaves every object")]


FORMAT = Format(
    "hubspot",
    "webhook notifications of HubSpot, in arrays or alone",
    decode,
    specification="https://developers.hubspot.com/docs/api/webhooks",
    entity="the object, such as `deal 332507367156`",
    guide=__doc__,
)
