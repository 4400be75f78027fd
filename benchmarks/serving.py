"""Servers as processes of their own: the product's API, a peer's under the same gunicorn settings, the projector."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import psutil
from flask import Flask
from gunicorn.app.base import BaseApplication

from api.server import serve
from api.settings import ApiSettings
from benchmarks import continuum, plain_tables
from projections.runner import Projector

THREADS = 4
PEERS = {"continuum": continuum.create_app, "by hand": plain_tables.create_app}


@dataclass(frozen=True)
class Served:
    """A server that answers on a port of the loopback, and the ids of its worker processes."""

    port: int
    workers: tuple[int, ...]


@contextmanager
def served(kind: str, url: str, *, workers: int) -> Iterator[Served]:
    """Serve `kind` (product, or one of PEERS) on a database until the block ends."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with _process(kind, url, str(port), str(workers)) as process:
        _wait_for(f"http://127.0.0.1:{port}/healthz", process)
        while len(children := psutil.Process(process.pid).children()) < workers:
            time.sleep(0.01)
        yield Served(port, tuple(child.pid for child in children))


@contextmanager
def projecting(url: str) -> Iterator[None]:
    """A projector at work until the block ends."""
    with _process("projector", url):
        yield


@contextmanager
def _process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process of this module; what it has to say is shown if it ends by itself."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([sys.executable, "-m", "benchmarks.serving", *arguments], stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is not None:
                log.seek(0)
                sys.stderr.buffer.write(log.read())
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                answer.read()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


class PeerServer(BaseApplication):  # type: ignore[misc] # gunicorn has no types
    """A peer, with as many workers and threads of the same kind as the product's server has."""

    def __init__(self, create_app: Callable[[str], Flask], url: str, bind: str, workers: int) -> None:
        self.create_app, self.url, self.bind, self.workers = create_app, url, bind, workers
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": self.bind,
            "workers": self.workers,
            "threads": THREADS,
            "worker_class": "gthread",
            "keepalive": 75,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self.create_app(self.url)


def main(kind: str, url: str, port: str = "0", workers: str = "0") -> None:
    bind = f"127.0.0.1:{port}"
    if kind == "projector":
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        Projector(url).run(stop)
    elif kind in PEERS:
        PeerServer(PEERS[kind], url, bind, int(workers)).run()
    else:
        serve(ApiSettings(url), bind, workers=int(workers), threads=THREADS)


if __name__ == "__main__":
    main(*sys.argv[1:])
