"""Messages in a file, to try a feed on. Each comes back as the API's dry run takes it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cli.client import Json
from cli.output import Failure

MOST_BYTES = 4 * 1024 * 1024
"""Of all messages of one trial; what is beyond is left out, and told."""

_OF_A_MESSAGE = {"topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers"}
_CONTENT = {"key", "key_base64", "value", "value_base64"}
_TOLD_BESIDE = {"at", "epoch", "id", "stage", "reason", "feed_revision", "headers_text", "tstype", "broker"}
"""What a dead letter of ours, or `kcat -J`, says of a message beside it."""


def of_file(file: Path, *, are_values: bool, most: int) -> list[Json]:
    """The messages in a file of JSON lines, plain or gzipped; with `are_values` each line is a message's value.

    A Failure that names the line for what is no message.
    """
    found: list[Json] = []
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as lines:
            for number, raw in enumerate(lines, 1):
                if raw.strip() and len(found) < most:
                    found.append(of_bytes("value", raw.rstrip(b"\r\n")) if are_values else _of_line(file, number, raw))
    except (OSError, EOFError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return found


def within_budget(messages: Sequence[Json]) -> list[Json]:
    """The first messages, up to MOST_BYTES of them."""
    kept, size = [], 0
    for each in messages:
        size += len(each.get("value_base64") or each.get("value") or "") + len(each.get("key_base64") or "")
        if size > MOST_BYTES:
            break
        kept.append(each)
    return kept


def _of_line(file: Path, number: int, raw: bytes) -> Json:
    try:
        told: Any = json.loads(raw)
    except ValueError as error:
        raise Failure(f"{file}:{number}: this is no JSON ({error}). If each line is a value, say --values.") from None
    if isinstance(told, dict) and "payload" in told and "value" not in told:
        told = {"value": told.pop("payload"), "timestamp": told.pop("ts", None), **told}  # as `kcat -J` writes it
    strange = told.keys() - _OF_A_MESSAGE - _TOLD_BESIDE if isinstance(told, dict) else set()
    if not isinstance(told, dict) or strange or told.keys().isdisjoint(_CONTENT):
        what = "it is no object" if not isinstance(told, dict) else "it has neither key nor value"
        what = f"it has {', '.join(sorted(strange)[:3])}" if strange else what
        raise Failure(
            f"{file}:{number}: this is no message ({what}): a message has key, value, headers, timestamp."
            " If each line is itself a value, say --values."
        )
    message = {name: value for name, value in told.items() if name in _OF_A_MESSAGE and value is not None}
    headers = message.get("headers")
    if isinstance(headers, dict):
        message["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    elif isinstance(headers, list) and all(isinstance(each, str) for each in headers):  # kcat: name, value, name, …
        message["headers"] = [
            {"name": name, "value": value} for name, value in zip(headers[::2], headers[1::2], strict=False)
        ]
    if isinstance(message.get("value"), dict | list):
        message["value"] = json.dumps(message["value"], ensure_ascii=False)
    return message


def of_bytes(name: str, raw: bytes | None) -> Json:
    """Key or value of a message, byte for byte; nothing for null."""
    return {} if raw is None else {f"{name}_base64": base64.b64encode(raw).decode()}
