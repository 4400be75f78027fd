"""A load of kept-alive connections, as many to one worker of a server as to the other.

gunicorn's workers race for each connection, and one of them often wins them all, which halves the rate and measures
nothing but that race. So connections are opened until each worker has its half.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil

from benchmarks.serving import Served

ATTEMPTS_EACH = 50
MOST_BYTES = 1 << 20


class Refused(RuntimeError):
    """The server answered something else than success."""


def http_request(method: str, path: str, body: bytes = b"", headers: Sequence[str] = ()) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Load:
    """Open connections that send requests one after another, all at once."""

    def __init__(self, connections: list[socket.socket]) -> None:
        self.connections = connections

    def rate(self, requests: Sequence[bytes]) -> float:
        """Send all, each connection the next one as soon as it has its answer; requests a second."""
        waiting = iter(requests)
        received: dict[socket.socket, bytes] = {}
        started = time.perf_counter()
        with selectors.DefaultSelector() as selector:
            for connection, first in zip(self.connections, waiting, strict=False):
                connection.sendall(first)
                received[connection] = b""
                selector.register(connection, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select(30) or _give_up():
                    connection = key.fileobj  # type: ignore[assignment]
                    received[connection] += _read(connection)
                    if not is_complete(received[connection]):
                        continue
                    following = next(waiting, None)
                    received[connection] = b""
                    if following is None:
                        selector.unregister(connection)
                    else:
                        connection.sendall(following)
        return len(requests) / (time.perf_counter() - started)


def _read(connection: socket.socket) -> bytes:
    found = connection.recv(MOST_BYTES)
    if not found:
        raise ConnectionError("the server closed a connection")
    return found


def _give_up() -> list[tuple[selectors.SelectorKey, int]]:
    raise TimeoutError("no answer within 30 s")


def is_complete(answer: bytes) -> bool:
    """Whether this is a whole answer; `Refused` where it is none of success."""
    head, end, body = answer.partition(b"\r\n\r\n")
    if not end:
        return False
    if head[9:10] != b"2":
        raise Refused(answer.decode(errors="replace"))
    length = head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0]
    return len(body) >= int(length)


@contextmanager
def balanced(served: Served, size: int) -> Iterator[Load]:
    """`size` connections, spread evenly over the workers."""
    share = size // len(served.workers)
    kept: list[socket.socket] = []
    spare: list[socket.socket] = []
    counts: Counter[int] = Counter()
    try:
        for _ in range(size * ATTEMPTS_EACH):
            connection = socket.create_connection(("127.0.0.1", served.port), timeout=30)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            Load([connection]).rate([http_request("GET", "/healthz")])
            worker = _worker_of(connection, served.workers)
            (kept if counts[worker] < share else spare).append(connection)
            counts[worker] += 1
            if len(kept) == size:
                break
        else:
            raise RuntimeError(f"the workers do not share {size} connections: {counts}")
        for connection in spare:
            connection.close()
        yield Load(kept)
    finally:
        for connection in (*kept, *spare):
            connection.close()


def _worker_of(connection: socket.socket, workers: tuple[int, ...]) -> int:
    here = connection.getsockname()[1]
    for worker in workers:
        if any(other.raddr and other.raddr.port == here for other in psutil.Process(worker).net_connections("tcp")):
            return worker
    raise RuntimeError("no worker has the connection")
