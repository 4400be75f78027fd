"""The formats in which business systems send messages. A new one is one file, and one line here."""

from domain.feeds.formats import cdevents, cloudevents, debezium, json
from domain.feeds.message import Format

FORMATS: dict[str, Format] = {module.FORMAT.name: module.FORMAT for module in (json, cloudevents, cdevents, debezium)}
