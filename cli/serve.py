"""Commands that are processes: the API, the projector, a feed worker, the trial broker. SIGTERM ends each in order."""

from __future__ import annotations

import logging
import signal
from threading import Event

import click

from cli import log_files, running
from cli import settings as door
from cli.output import Failure


@click.command()
@click.option("--fd", type=click.IntRange(3), hidden=True, help="A listening socket that was opened for us.")
def serve(fd: int | None) -> None:
    """Serve the HTTP API.

    Listens on OKR_HOST and OKR_PORT with OKR_API_WORKERS processes. Run as many as you like, on any machine.

    \b
    Example:
      OKR_DATABASE_URL=postgresql://okr@db.example/okr OKR_HOST=0.0.0.0 okr serve
    """
    from api.server import serve as serve_api
    from api.settings import ApiSettings

    settings = _begin()
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    serve_api(
        ApiSettings(database_url=running.database_url(settings), pool_size=settings.pool_size),
        f"fd://{fd}" if fd is not None else f"{host}:{settings.port}",
        workers=settings.api_workers,
        threads=settings.api_threads,
        log_level=settings.log_level.lower(),
    )


@click.command()
def project() -> None:
    """Keep the views current with the ledger.

    One is active; others stand by and take over when it ends.

    \b
    Example:
      OKR_DATABASE_URL=postgresql://okr@db.example/okr okr project
    """
    from projections.runner import Projector

    settings = _begin()
    Projector(running.database_url(settings)).run(told_to_end())


@click.command()
def feed() -> None:
    """Read business systems' messages from Kafka and write progress.

    Several share the work as one consumer group, OKR_KAFKA_GROUP.

    \b
    Example:
      OKR_DATABASE_URL=postgresql://okr@db.example/okr OKR_KAFKA=kafka-1:9092 okr feed
    """

    from workers.feeds.main import run
    from workers.feeds.settings import WorkerSettings

    settings = _begin()
    bootstrap, epoch = running.kafka(settings)
    if epoch is not None:
        logging.getLogger("workers.feeds.placing").addFilter(_made_anew_at_each_start)
    run(
        WorkerSettings(
            database_url=running.database_url(settings),
            bootstrap_servers=bootstrap,
            group=settings.kafka_group,
            security={} if epoch is not None else settings.kafka_options,
            is_trial=epoch is not None,
            trial_epoch=epoch,
            metrics_port=settings.metrics_port,
        )
    )


@click.command("trial-broker")
def trial_broker() -> None:
    """Run the in-memory Kafka broker of a trial.

    `okr up` starts it. It keeps nothing, and is no place for messages that matter: OKR_KAFKA names a real one.

    \b
    Example:
      okr trial-broker
    """
    from cli.trial.broker import serve as serve_broker

    settings = _begin()
    if settings.kafka is not None:
        raise Failure("OKR_KAFKA names a real broker: unset it to run the trial broker.")
    serve_broker(running.broker_file(settings), {})


def _made_anew_at_each_start(record: logging.LogRecord) -> bool:
    """That the trial broker's topics are other ones is in the log and in the ledger, but no reason to worry."""
    if "topic_recreated" in record.getMessage():
        record.levelno, record.levelname = logging.INFO, "INFO"
    return True


def _begin() -> door.Settings:
    settings = door.read()
    log_files.configure(settings.log_level)
    return settings


def told_to_end() -> Event:
    """An event that SIGTERM and SIGINT set."""
    told = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    return told
