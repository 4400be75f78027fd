"""How everything here is measured: rounds of all contenders in turn, medians, and ratios within one run.

Absolute figures move by a factor of two from run to run and from machine to machine. A ratio of two contenders that
were measured a moment apart, in the same process on the same server, moves far less; so only ratios have targets.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from ledger.migrate import migrate
from tests.support.postgres_server import TestPostgres

Work = Callable[[int], object]
"""Does something that many times."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """One contender against another: the median of the rounds' ratios, and the middle half of them."""

    of: str
    to: str
    value: float
    low: float
    high: float
    target: float | None = None
    at_most: bool = False

    @property
    def is_met(self) -> bool:
        return self.target is None or (self.value <= self.target if self.at_most else self.value >= self.target)

    def __str__(self) -> str:
        words = f"{self.of} / {self.to} = {self.value:.2f} ({self.low:.2f}-{self.high:.2f})"
        if self.target is None:
            return words
        sign = "<=" if self.at_most else ">="
        return f"{words}, target {sign} {self.target:g}: {'met' if self.is_met else 'MISSED'}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one case of a benchmark showed: a figure for each contender in `unit`, and the ratios."""

    benchmark: str
    case: str
    unit: str
    figures: dict[str, float]
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {value:,.4g}" for name, value in self.figures.items())
        lines = [f"{self.benchmark}: {self.case}", f"  {figures} {self.unit}"]
        return "\n".join([*lines, *(f"  {ratio}" for ratio in self.ratios), *(f"  {note}" for note in self.notes)])

    def as_json(self) -> str:
        ratios = [{**asdict(ratio), "is_met": ratio.is_met} for ratio in self.ratios]
        return json.dumps({**asdict(self), "ratios": ratios})


class Rounds:
    """Measurements of several contenders, round by round; each contender gives one number a round."""

    def __init__(self, contenders: Mapping[str, Callable[[], float]]) -> None:
        self.contenders = dict(contenders)
        self.figures: dict[str, list[float]] = {name: [] for name in contenders}

    def run(self, rounds: int, *, seconds: float, warm_up: bool = True) -> Rounds:
        """Measure all, forwards and backwards in turn; stop early, after three rounds at least, when time is up."""
        names = list(self.contenders)
        deadline = time.monotonic() + seconds
        if warm_up:
            for name in names:
                self.contenders[name]()
        for number in range(rounds):
            for name in names if number % 2 else names[::-1]:
                self.figures[name].append(self.contenders[name]())
            if number >= 2 and time.monotonic() > deadline:
                break
        return self

    def medians(self) -> dict[str, float]:
        return {name: median(values) for name, values in self.figures.items()}

    def quotient(self, name: str, of: str, to: str) -> None:
        """Take one contender's figure over another's, round by round, as figures of their own."""
        self.figures[name] = [ours / theirs for ours, theirs in zip(self.figures[of], self.figures[to], strict=True)]

    def ratio(self, of: str, to: str, target: float | None = None, *, at_most: bool = False) -> Ratio:
        found = sorted(ours / theirs for ours, theirs in zip(self.figures[of], self.figures[to], strict=True))
        quarter = len(found) // 4
        return Ratio(of, to, median(found), found[quarter], found[-1 - quarter], target, at_most)


def rate(work: Work, count: int, *, each: int = 1) -> Callable[[], float]:
    """A contender: how many a second, when `work` is told to do `count`, each of which is worth `each`."""

    def measure() -> float:
        started = time.perf_counter()
        work(count)
        return count * each / (time.perf_counter() - started)

    return measure


class Crew:
    """Processes that do the same work at the same moment. `make(*arguments)` makes the work in each of them."""

    def __init__(self, size: int, make: Callable[..., Work], *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        pairs = [context.Pipe() for _ in range(size)]
        self._ends = [ours for ours, _ in pairs]
        self._processes = [context.Process(target=_obey, args=(end, make, arguments), daemon=True) for _, end in pairs]
        for process in self._processes:
            process.start()
        for end in self._ends:
            end.recv()

    def work(self, count: int) -> list[Any]:
        """Let each do `count`; what they returned."""
        for end in self._ends:
            end.send(count)
        answers = [end.recv() for end in self._ends]
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return answers

    def close(self) -> None:
        for end in self._ends:
            end.send(None)
        for process in self._processes:
            process.join(30)


def _obey(end: Connection, make: Callable[..., Work], arguments: Sequence[Any]) -> None:
    work = make(*arguments)
    end.send("ready")
    while (count := end.recv()) is not None:
        try:
            end.send(work(count))
        except Exception as error:
            end.send(error)


@contextmanager
def crew(size: int, make: Callable[..., Work], *arguments: Any) -> Iterator[Crew]:
    made = Crew(size, make, *arguments)
    try:
        yield made
    finally:
        made.close()


class Ground:
    """Where a run takes place: a PostgreSQL with default durability, a directory, and whether time is short."""

    def __init__(self, postgres: TestPostgres, directory: Path, *, is_quick: bool) -> None:
        self.postgres = postgres
        self.directory = directory
        self.is_quick = is_quick

    def pick(self, full: int, quick: int) -> int:
        return quick if self.is_quick else full

    @contextmanager
    def ledger(self) -> Iterator[str]:
        """URL of a database with an empty ledger."""
        with self.database() as url:
            migrate(url)
            yield url

    @contextmanager
    def database(self) -> Iterator[str]:
        """URL of an empty database."""
        url = self.postgres.new_database()
        try:
            yield url
        finally:
            self.postgres.drop_database(url)


def settle(url: str) -> None:
    """Do now what the server would do in the middle of a measurement: statistics, visibility, dirty pages."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def peak_mb(pid: int | None) -> float:
    """The highest resident memory that a running process has had (Linux only). rusage would count its parent's too."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
