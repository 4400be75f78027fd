"""Clients of the broker, when there is none."""

import socket
import threading
from contextlib import closing

import pytest
from kafka.errors import KafkaError

from workers.feeds import consumer
from workers.feeds.consumer import open_consumer
from workers.feeds.lives import TopicLives
from workers.feeds.settings import WorkerSettings


def test_a_client_that_finds_no_broker_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "ANSWER_MS", 300)
    with closing(socket.socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings = WorkerSettings(
            database_url="postgresql://nowhere", bootstrap_servers=f"127.0.0.1:{nobody.getsockname()[1]}"
        )
        before = set(threading.enumerate())
        with pytest.raises(KafkaError):
            open_consumer(settings)
        with pytest.raises(KafkaError):
            TopicLives(settings).ask({"deals"})
    assert set(threading.enumerate()) <= before


def test_secrets_stay_out_of_what_is_shown() -> None:
    settings = WorkerSettings(
        database_url="postgresql://okr:secret@db", bootstrap_servers="b:1", security={"sasl_plain_password": "secret"}
    )
    assert "secret" not in repr(settings)


def test_only_a_trial_broker_has_an_epoch_of_its_own() -> None:
    with pytest.raises(ValueError, match="trial_epoch"):
        WorkerSettings(database_url="x", bootstrap_servers="b:1", is_trial=True)
    with pytest.raises(ValueError, match="trial_epoch"):
        WorkerSettings(database_url="x", bootstrap_servers="b:1", trial_epoch="e")
