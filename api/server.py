"""The API under gunicorn: one process that listens and restarts, and workers that answer.

`serve` runs in the process that calls it until that is told to stop (SIGTERM: finish what is begun). Each worker
makes its own application after its fork, since connections do not survive one. Settings are handed over as they are;
nothing here reads the environment.
"""

from __future__ import annotations

import gc
from typing import Any

import orjson
from flask import Flask
from gunicorn import util
from gunicorn.app.base import BaseApplication

from api.app import create_app
from api.metrics import SharedCells
from api.problems import MEDIA_TYPE
from api.services import services_of
from api.settings import ApiSettings

GRACEFUL_S = 20
REQUEST_S = 60
MOST_ROUTES = 200
_UNREAD = {
    414: "the address is longer than 4,094 bytes",
    431: "a header is longer than 8,190 bytes, or there are more than 100 of them",
    500: "this is a fault of the server; its log has the details",
    501: "a body comes as it is, or in chunks",
}


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
        app = create_app(self.settings, self.cells, self.slot)
        # An answer is thousands of short-lived objects and no cycles; what is here now stays to the worker's end.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 20)
        return app

    def give_slot(self, arbiter: Any, worker: Any) -> None:
        """Give a worker that is about to be forked a place of its own to count in."""
        taken = {other.okr_slot for other in arbiter.WORKERS.values()}
        self.slot = worker.okr_slot = min(set(range(self.cells.slots)) - taken, default=0)


def serve(settings: ApiSettings, bind: str, *, workers: int = 2, threads: int = 8, log_level: str = "info") -> None:
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
        "loglevel": log_level,
        "preload_app": False,
    }
    # What is not even HTTP never reaches the application; gunicorn's own answer to it would be a page of HTML.
    util.write_error = _refuse
    Server(settings, options).run()


def _refuse(connection: Any, status: int, reason: str, _: str) -> None:
    """Answer a request that gunicorn could not read, as a problem document like any other."""
    body = orjson.dumps(
        {
            "type": f"/problems/{reason.lower().replace(' ', '-')}",
            "title": reason,
            "status": status,
            "detail": _UNREAD.get(status, "this is no HTTP request that the server reads"),
        }
    )
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Cache-Control: no-store\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(connection, head.encode("ascii") + body)


def _close(_: Any, worker: Any) -> None:
    app = getattr(worker, "wsgi", None)
    if app is not None:
        services_of(app).close()
