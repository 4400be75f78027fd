"""The API under gunicorn: one process that listens and restarts, and workers that answer.

`serve` runs in the process that calls it until that is told to stop (SIGTERM: finish what is begun). Each worker
makes its own application after its fork, since connections do not survive one. Settings are handed over as they are;
nothing here reads the environment.
"""

from __future__ import annotations

from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from api.app import create_app
from api.metrics import SharedCells
from api.services import services_of
from api.settings import ApiSettings

GRACEFUL_S = 20
REQUEST_S = 60
MOST_ROUTES = 200


class Server(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """gunicorn, configured by arguments only."""

    def __init__(self, settings: ApiSettings, options: dict[str, Any]) -> None:
        self.settings = settings
        self.options = options
        # Twice the workers: while a worker is replaced, the old and the new one both count.
        self.cells = SharedCells(2 * options["workers"], MOST_ROUTES)
        self.slot = 0
        super().__init__()

    def load_config(self) -> None:
        for name, value in {**self.options, "pre_fork": self.give_slot, "worker_exit": _close}.items():
            self.cfg.set(name, value)
        if "control_socket_disable" in self.cfg.settings:  # since 25.1; it would write to the home directory
            self.cfg.set("control_socket_disable", True)

    def load(self) -> Flask:
        return create_app(self.settings, self.cells, self.slot)

    def give_slot(self, arbiter: Any, worker: Any) -> None:
        """Give a worker that is about to be forked a place of its own to count in."""
        taken = {other.okr_slot for other in arbiter.WORKERS.values()}
        self.slot = worker.okr_slot = min(set(range(self.cells.slots)) - taken, default=0)


def serve(settings: ApiSettings, bind: str, *, workers: int = 2, threads: int = 8) -> None:
    """Answer on `bind` (host:port, or unix:path) until told to stop. Exits the process at the end."""
    if threads > settings.pool_size:
        raise ValueError("each thread needs a connection: threads is at most pool_size")
    options = {
        "bind": bind,
        "workers": workers,
        "threads": threads,
        "worker_class": "gthread",
        "graceful_timeout": GRACEFUL_S,
        "timeout": REQUEST_S,
        "keepalive": 75,
        "accesslog": None,
        "preload_app": False,
    }
    Server(settings, options).run()


def _close(_: Any, worker: Any) -> None:
    app = getattr(worker, "wsgi", None)
    if app is not None:
        services_of(app).close()
