"""Puts the demonstration's messages into a broker, with the times at which their systems sent them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from kafka import KafkaProducer
from kafka.errors import KafkaError

from cli.demo.messages import Sent
from cli.output import Failure
from cli.trial.broker import API_VERSION

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PATIENCE = 20


def play(bootstrap: str, messages: Sequence[Sent]) -> None:
    """Send them to the trial broker in order and wait until it has them all. Failure when it does not take them."""
    try:
        producer = KafkaProducer(bootstrap_servers=bootstrap, api_version=API_VERSION, acks="all", linger_ms=20)
        try:
            for each in messages:
                milliseconds = (each.at - _EPOCH) // timedelta(milliseconds=1)
                producer.send(each.topic, key=each.key, value=each.value, timestamp_ms=milliseconds)
            producer.flush(timeout=_PATIENCE)
        finally:
            producer.close(timeout=_PATIENCE)
    except KafkaError as error:
        raise Failure(f"the trial broker at {bootstrap} does not take the messages: {error}.") from error
