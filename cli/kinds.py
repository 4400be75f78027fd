"""The kinds of values that settings have: how each is called, and how its text becomes a value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

LOG_LEVELS = ("debug", "info", "warning", "error")
KAFKA_SECURITY = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
SASL_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_BROKER = re.compile(r"(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,200}")


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind's name, and its reader: ValueError with the rule, worded to follow the setting's name."""

    name: str
    read: Callable[[str], Any]


def _port(text: str) -> int:
    return _whole(text, 1, 65535, "is a port: a number from 1 to 65535")


def _port_or_none(text: str) -> int | None:
    return _whole(text, 0, 65535, "is a port from 1 to 65535, or 0 for none") or None


def _count(text: str) -> int:
    return _whole(text, 1, 1000, "is a number from 1 to 1000")


def _whole(text: str, least: int, most: int, rule: str) -> int:
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise ValueError(rule)
    return int(text)


def _host(text: str) -> str:
    if any(character.isspace() or character == "/" for character in text):
        raise ValueError("is a host name or an address such as 127.0.0.1")
    return text


def _path(text: str) -> Path:
    return Path(text).expanduser().absolute()


def _database_url(text: str) -> str:
    rule = "is a PostgreSQL URL such as postgresql://okr@db.example/okr"
    if not text.startswith(("postgresql://", "postgres://")):
        raise ValueError(rule)
    try:
        conninfo_to_dict(text)
    except ProgrammingError:
        raise ValueError(rule) from None
    return text


def _http_url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("is an address such as https://okr.example")
    return text.rstrip("/")


def _webhook(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname:
        raise ValueError("is an address that begins with https://")
    return text


def _brokers(text: str) -> tuple[str, ...]:
    addresses = tuple(address.strip() for address in text.split(","))
    if not all(_BROKER.fullmatch(address) for address in addresses):
        raise ValueError("is a list of Kafka brokers such as kafka-1:9092,kafka-2:9092")
    return addresses


def _name(text: str) -> str:
    if _NAME.fullmatch(text) is None:
        raise ValueError("is a name of 1 to 200 letters, digits, '.', '_' or '-'")
    return text


def _one_of(words: Sequence[str]) -> Callable[[str], str]:
    known = {word.casefold(): word for word in words}

    def read(text: str) -> str:
        if text.casefold() not in known:
            raise ValueError(f"is one of {', '.join(words)}")
        return known[text.casefold()]

    return read


def _token(text: str) -> str:
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("is a token as `okr token create` printed it")
    return text


PORT = Kind("port", _port)
PORT_OR_NONE = Kind("port", _port_or_none)
COUNT = Kind("number", _count)
HOST = Kind("address", _host)
DIRECTORY = Kind("directory", _path)
FILE = Kind("file", _path)
DATABASE_URL = Kind("database URL", _database_url)
HTTP_URL = Kind("URL", _http_url)
WEBHOOK = Kind("URL", _webhook)
BROKERS = Kind("addresses", _brokers)
NAME = Kind("name", _name)
LEVEL = Kind("level", _one_of(LOG_LEVELS))
SECURITY = Kind("protocol", _one_of(KAFKA_SECURITY))
MECHANISM = Kind("mechanism", _one_of(SASL_MECHANISMS))
TOKEN = Kind("token", _token)
TEXT = Kind("text", str)
