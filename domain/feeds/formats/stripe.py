"""`stripe`: events of Stripe, whole (snapshot) or thin.

Source: https://docs.stripe.com/api/events/object, https://docs.stripe.com/api/v2/core/events and, for amounts,
https://docs.stripe.com/currencies. Paths read the event as Stripe documents it (`type`, `data.object.amount_paid`),
and `unit`: how many of the smallest unit make one of the object's currency.

Traps:
- Amounts are whole numbers in the smallest unit: 2000 is 20.00 usd, but 2000 jpy. Write
  `data.object.amount_paid / unit`. For ugx, which has no decimals and was told in hundredths by some versions,
  `unit` is null, and the message dead: write 1 or 100. Currencies are not converted: filter on one.
- `created` of the event is when it happened, `created` of the object when that began; both are seconds.
- Events repeat and overtake each other. There is no counter in them: put `order: [created]`.
- What is new is whole in data.object; data.previous_attributes has what it replaced.
- A `.deleted` event retracts nothing by itself, as a cancelled subscription is one: say
  `retract_when: "ends_with(type, '.deleted')"`. Balances and previews of invoices have no id: each event of theirs
  is an entity of its own.
- Thin events (object v2.core.event) name the object and have no data; livemode false is a test.

    {"id": "evt_1Tlz", "object": "event", "type": "invoice.paid", "created": 1743433920, "livemode": true,
     "data": {"object": {"id": "in_1Tlz", "object": "invoice", "amount_paid": 2000, "currency": "usd"}}}
"""

from typing import Any

from domain.feeds.formats.parts import moment, read_object, required_id, required_object, required_text, tombstone
from domain.feeds.message import Decoded, Format, Message, Undecodable

_WITHOUT_DECIMALS = {
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "vnd", "vuv", "xaf", "xof", "xpf",
}  # fmt: skip
_WITH_THREE = {"bhd", "jod", "kwd", "omr", "tnd"}


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    event = read_object(message.value)
    if event.get("object") not in ("event", "v2.core.event"):
        raise Undecodable("object is neither event nor v2.core.event: no event of Stripe")
    id = required_text(event, "id", "")
    required_text(event, "type", "")
    created = event.get("created")
    if created is None:
        raise Undecodable("created is missing")
    time = moment(created, "created", "iso" if isinstance(created, str) else "s")
    if event["object"] == "event":
        subject = required_object(required_object(event, "data"), "object", "data.")
        about = "data.object."
    else:
        related = event.get("related_object")
        subject, about = related if isinstance(related, dict) else {}, "related_object."
    entity = required_id(subject, "id", about) if subject.get("id") is not None else id
    return [Decoded(fields={**event, "unit": _unit(subject.get("currency"))}, entity=entity, time=time)]


def _unit(currency: Any) -> int | None:
    """Two decimals are the rule, also for isk, which has none. None where it is not certain."""
    if not isinstance(currency, str) or not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        return None
    currency = currency.lower()
    if currency == "ugx":
        return None
    return 1 if currency in _WITHOUT_DECIMALS else 1000 if currency in _WITH_THREE else 100


FORMAT = Format(
    "stripe",
    "events of Stripe",
    decode,
    specification="https://docs.stripe.com/api/events/object",
    entity="the object, such as `in_1Tlz`; the event where the object has no id",
    guide=__doc__,
)
