"""`json`: one JSON object a message, whatever its members mean.

Source: RFC 8259, https://www.rfc-editor.org/rfc/rfc8259. Traps: a list is not taken apart; there is no id and no
time by default, so without `entity` each message is an entity of its own, and without `effective_at` it counts at
its arrival. A null value retracts the entity that the key names: as a text, or as an object on which the `entity`
expression is read. A zero and the four bytes of a schema's id, which serializers of a schema registry write before
JSON, are left out, here and in all formats that read JSON; their Avro and Protobuf are refused.

    {"deployment": {"id": 7, "environment": "production"}, "deployment_status": {"state": "success"}}
"""

from domain.feeds.formats.parts import read_object, tombstone
from domain.feeds.message import Decoded, Format, Message


def decode(message: Message) -> list[Decoded]:
    if message.value is None:
        return [tombstone(message)]
    return [Decoded(fields=read_object(message.value))]


FORMAT = Format(
    "json",
    "one JSON object a message",
    decode,
    specification="https://www.rfc-editor.org/rfc/rfc8259",
    entity="the message: its topic, epoch, partition and offset",
    guide=__doc__,
)
