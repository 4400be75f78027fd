"""Messages in a file, to try a feed on. Each comes back as the API's dry run takes it."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from cli.client import Json
from cli.output import Failure

MOST_BYTES = 4 * 1024 * 1024
"""Of all messages of one trial; what is beyond is left out, and told."""

_OF_A_MESSAGE = {"topic", "partition", "offset", "timestamp", "key", "key_base64", "value", "value_base64", "headers"}
_CONTENT = {"key", "key_base64", "value", "value_base64"}
_TOLD_BESIDE = {
    *("number", "state", "settled", "at", "epoch", "stage", "reason", "feed_revision"),
    *("key_shown", "value_shown", "headers_shown", "tstype", "broker"),
}
"""What a dead letter of ours, or `kcat -J`, says of a message beside it."""


def of_file(file: Path, *, are_values: bool, most: int) -> list[Json]:
    """The messages in a file of JSON lines, plain or gzipped; with `are_values` each line is a message's value.

    A single JSON list, as `okr feeds dead-letters list --json` prints it, will do as well. A Failure that names the
    line for what is no message.
    """
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as opened:
            if not are_values and opened.read(1) == b"[":
                return [_message(file, at, told) for at, told in enumerate(_read(file, 1, b"[" + opened.read()), 1)][
                    :most
                ]
            opened.seek(0)
            lines = [(number, raw) for number, raw in enumerate(opened, 1) if raw.strip()][:most]
    except (OSError, EOFError) as error:
        raise Failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    if are_values:
        return [of_bytes("value", raw.rstrip(b"\r\n")) for _, raw in lines]
    return [_message(file, number, _read(file, number, raw)) for number, raw in lines]


def within_budget(messages: Sequence[Json]) -> list[Json]:
    """The first messages, up to MOST_BYTES of them."""
    kept, size = [], 0
    for each in messages:
        size += len(each.get("value_base64") or each.get("value") or "") + len(each.get("key_base64") or "")
        if size > MOST_BYTES:
            break
        kept.append(each)
    return kept


def _read(file: Path, number: int, raw: bytes) -> Any:
    try:
        return json.loads(raw, parse_float=Decimal)
    except ValueError as error:
        raise Failure(f"{file}:{number}: this is no JSON ({error}). If each line is a value, say --values.") from None


def _message(file: Path, number: int, told: Any) -> Json:
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
    for name in ("key", "value"):
        if f"{name}_base64" in message:
            message.pop(name, None)  # the bytes say it all, also what no text of an API may hold
    headers = message.get("headers")
    if isinstance(headers, dict):
        message["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    elif isinstance(headers, list) and all(isinstance(each, str) for each in headers):  # kcat: name, value, name, …
        message["headers"] = [
            {"name": name, "value": value} for name, value in zip(headers[::2], headers[1::2], strict=False)
        ]
    if isinstance(message.get("value"), dict | list):
        # A number keeps the digits that it was written with.
        written = json.dumps(message["value"], default=lambda digits: f"\0{digits}")
        message["value"] = re.sub(r'"\\u0000([-+.0-9E]*)"', r"\1", written)
    return message


def of_bytes(name: str, raw: bytes | None) -> Json:
    """Key or value of a message, byte for byte; nothing for null."""
    return {} if raw is None else {f"{name}_base64": base64.b64encode(raw).decode()}
