"""A running `okr up` in a directory of its own, as the tests meet it: its screen, its API, its database."""

import json
import queue
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from cli.client import Api, connect
from cli.settings import read
from tests.cli.command import OKR, environment
from tests.support.postgres_server import passable_directory

PATIENCE = 60.0


class House:
    """A running `okr up` in a directory of its own, and its terminal."""

    def __init__(self, directory: Path, *arguments: str, **settings: str) -> None:
        self.directory = directory
        self.arguments = arguments
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.settings = settings
        self.screen: list[str] = []
        self.values: dict[str, str] = {}
        self.facts: Counter[str] = Counter()
        """What was known before the house was left."""

    def start(self) -> float:
        """Start it and wait until it says that it is ready; the seconds that took."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [OKR, "up", *self.arguments],
            env=environment(port=str(self.port), **self.settings),
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._listen, args=(self.process, self.lines), daemon=True).start()
        self.screen = self.read_until("Ctrl-C ends everything")
        return time.monotonic() - began

    def read_until(self, text: str) -> list[str]:
        seen: list[str] = []
        deadline = time.monotonic() + PATIENCE
        while True:
            line = self.lines.get(timeout=max(0.1, deadline - time.monotonic()))
            assert line is not None, "\n".join(seen)
            seen.append(line)
            if text in line:
                return seen

    def end(self, number: signal.Signals) -> tuple[int, float, list[str]]:
        """Signal it, as a terminal does; its exit code, the seconds it took, what it said."""
        began = time.monotonic()
        self.process.send_signal(number)
        code = self.process.wait(30)
        took = time.monotonic() - began
        said = []
        while (line := self.lines.get(timeout=5)) is not None:
            said.append(line)
        return code, took, said

    @property
    def api(self) -> Api:
        return connect(read({"OKR_DATA_DIR": str(self.directory / "var")}))

    def shell(self, command: str) -> str:
        """What a line that was copied from the screen prints, in another terminal in the same directory."""
        done = self.run(command)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command,
            shell=True,
            executable="/bin/sh",
            env=environment() | {"no_proxy": "127.0.0.1"},  # curl would ask the proxy
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )

    def commands(self) -> dict[str, str]:
        """The commands to try, by what stands above each."""
        lines = [line.strip() for line in self.screen]
        return {line[2:]: lines[index + 1] for index, line in enumerate(lines) if line.startswith("# ")}

    def pids(self) -> dict[str, int]:
        noted = (self.directory / "var/run/children").read_text().splitlines()
        return {line.split()[1]: int(line.split()[0]) for line in noted}

    def server(self) -> int:
        """The process id of its PostgreSQL."""
        return int((self.directory / "var/postgres/postmaster.pid").read_text().splitlines()[0])

    def epoch(self) -> str:
        """Which life of the trial broker this is."""
        return str(json.loads((self.directory / "var/run/broker.json").read_text())["epoch"])

    def query(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        url = self.settings.get("database_url") or (self.directory / "var/run/database").read_text().strip()
        with psycopg.connect(url) as connection:
            return connection.execute(statement.encode(), values).fetchall()

    def until(self, happened: Callable[[], bool], within: float = PATIENCE) -> float:
        began = time.monotonic()
        while not happened():
            assert time.monotonic() - began < within, (self.directory / "var/log/feed.log").read_text()[-3000:]
            time.sleep(0.02)
        return time.monotonic() - began

    @staticmethod
    def _listen(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                lines.put(line.rstrip("\n"))
        lines.put(None)


@contextmanager
def built(*arguments: str, **settings: str) -> Iterator[House]:
    with passable_directory() as directory:
        house = House(directory, *arguments, **settings)
        try:
            house.start()
            yield house
        finally:
            if house.process.poll() is None:
                house.process.send_signal(signal.SIGINT)
            house.process.wait(30)


def facts(house: House) -> Counter[str]:
    """How many facts of each type there are. A gap is found whenever the trial broker is another one."""
    counted = Counter(dict(house.query("SELECT type, count(*)::int FROM ledger.events GROUP BY type")))
    del counted["Feed.GapFound"]
    return counted
