"""The API as it runs in earnest: gunicorn with two workers in a process of its own, on a free port."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from multiprocessing.process import BaseProcess

from api.server import serve
from api.settings import ApiSettings

PATIENCE_S = 30


@dataclass
class LiveServer:
    """Where it listens, and the process that started its workers."""

    port: int
    process: BaseProcess

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = f"/proc/{self.process.pid}/task/{self.process.pid}/children"
        with open(children, encoding="ascii") as file:  # noqa: PTH123 - a file of the kernel
            return [int(pid) for pid in file.read().split()]


@contextmanager
def live_server(settings: ApiSettings, *, workers: int = 2) -> Iterator[LiveServer]:
    """Serves until the block ends, then is asked to end and waited for."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not by fork: gunicorn gets a process without threads and connections of the tests.
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_serve, args=[settings, port, workers])
    process.start()
    try:
        _wait(port, process)
        yield LiveServer(port, process)
    finally:
        if process.is_alive() and process.pid is not None:
            os.kill(process.pid, signal.SIGTERM)
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
            process.join()


def _serve(settings: ApiSettings, port: int, workers: int) -> None:
    serve(settings, f"127.0.0.1:{port}", workers=workers, threads=4)


def _wait(port: int, process: BaseProcess) -> None:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        assert process.is_alive(), "the server ended"
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("GET", "/readyz")
                if connection.getresponse().status == 200:
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise TimeoutError("the server is not ready")
