"""From `okr up` in an empty directory to the first "ready" over HTTP, with everything it starts on the way.

That is `make run` once the environment exists: a new PostgreSQL, the schema, the trial broker, the demonstration, and
all processes. The only target in seconds; there is no peer to measure beside it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.harness import Finding, Ground, Rounds

MOST_S = 15
GIVE_UP_S = 120


def seconds_until_ready(directory: Path) -> float:
    """Start on a fresh data directory, wait for /readyz, and stop again."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = Path(tempfile.mkdtemp(dir=directory))
    data.chmod(0o711)
    environment = os.environ | {"OKR_DATA_DIR": str(data), "OKR_PORT": str(port)}
    started = time.perf_counter()
    with (data / "output").open("wb") as output:
        process = subprocess.Popen(
            [Path(sys.executable).with_name("okr"), "up"],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process, data / "output")
            return time.perf_counter() - started
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def _wait_until_ready(address: str, process: subprocess.Popen[bytes], output: Path) -> None:
    deadline = time.monotonic() + GIVE_UP_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                answer.read()
            return
        except (urllib.error.URLError, OSError):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"okr up did not get ready:\n{output.read_text()[-3000:]}") from None
            time.sleep(0.05)


def measure(ground: Ground) -> Iterator[Finding]:
    rounds = Rounds({"until ready": lambda: seconds_until_ready(ground.directory), "allowed": lambda: float(MOST_S)})
    rounds.run(ground.pick(5, 1), seconds=ground.pick(120, 1), warm_up=False)
    yield Finding(
        "start",
        "okr up on a fresh directory until /readyz says yes",
        "s",
        rounds.medians(),
        [rounds.ratio("until ready", "allowed", 1, at_most=True)],
    )
