"""`okr up` as a person meets it: from nothing to five commands, through kills, to a second start on the same data.

One house for the whole file; the tests stand in the order in which a person would do these things.
"""

import json
import os
import queue
import re
import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from cli.client import Api, connect
from cli.demo import story
from cli.demo.loader import today
from cli.demo.messages import Sent, messages
from cli.demo.narrator import TIME_ZONE
from cli.settings import read
from domain.application import OkrLedger
from domain.calendar import start_of_day
from domain.command import Actor, Command
from tests.cli.command import OKR, environment, is_over
from tests.cli.test_demo import Hearing, won_deals
from tests.support.postgres_server import passable_directory

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

PATIENCE = 60.0
CHILDREN = {"serve", "project", "feed", "trial-broker"}


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
        self.start()

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
        done = subprocess.run(
            command,
            shell=True,
            executable="/bin/sh",
            env=environment(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commands(self) -> dict[str, str]:
        """The commands to try, by what stands above each."""
        lines = [line.strip() for line in self.screen]
        return {line[2:]: lines[index + 1] for index, line in enumerate(lines) if line.startswith("# ")}

    def pids(self) -> dict[str, int]:
        noted = (self.directory / "var/run/children").read_text().splitlines()
        return {line.split()[1]: int(line.split()[0]) for line in noted}

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
            yield house
        finally:
            if house.process.poll() is None:
                house.process.send_signal(signal.SIGINT)
                house.process.wait(30)


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with built() as house:
        yield house


def sent(house: House) -> list[Sent]:
    """What the business systems have sent up to the last midnight."""
    quarter = house.api.get(f"/cycles/{story.QUARTER}")
    return messages(date.fromisoformat(quarter["starts_on"]), start_of_day(today(), TIME_ZONE))


def has_read_all(house: House) -> bool:
    """Whether every feed has read all that is in its topic, in the topic's present life, and said what it makes."""
    if house.query("SELECT FROM feeds.totals WHERE due_at IS NOT NULL"):
        return False
    played = Counter(each.topic for each in sent(house))
    read = house.query(
        "SELECT topic, sum(next_offset)::int FROM feeds.offsets WHERE epoch = %s GROUP BY feed_id, topic",
        house.epoch(),
    )
    # Where the story was told twice, all of it is in the topic twice.
    return len(read) == len(story.FED) and all(offsets and offsets % played[topic] == 0 for topic, offsets in read)


def fed_values(house: House) -> dict[str, str]:
    return {id: house.api.get(f"/key-results/{id}")["value"] for id in story.FED}


def facts(house: House) -> Counter[str]:
    """How many facts of each type there are. A gap is found whenever the trial broker is another one."""
    counted = Counter(dict(house.query("SELECT type, count(*)::int FROM ledger.events GROUP BY type")))
    del counted["Feed.GapFound"]
    return counted


def test_it_says_where_it_is_and_how_to_get_in(house: House) -> None:
    screen = "\n".join(house.screen)
    assert f"http://127.0.0.1:{house.port}" in screen
    token = (house.directory / "var/admin-token").read_text().strip()
    assert token in screen
    assert (house.directory / "var/admin-token").stat().st_mode & 0o777 == 0o600
    assert len(house.commands()) == 5


def test_the_five_commands_work_as_they_are_copied(house: House) -> None:
    said = {what: house.shell(command) for what, command in house.commands().items()}
    assert "▼ 三代芯片迭代" in said["the goals of the running quarter"]
    lowered = said["the history of a key result whose target was lowered"]
    assert "target 40 → 30  by u-chip-ceo" in lowered
    assert "The foundry is six weeks late" in lowered
    assert "25 % lower than it was promised" in said["what its attainment owes to that"]
    automatic = said["an automatic update, with the topic, partitions and offsets behind it"]
    assert re.search(r"topic crm\.public\.deals, partition \d, offsets 0-\d+", automatic)
    (item,) = json.loads(said["the same from the API"])["items"]
    assert item["actor"]["kind"] == "feed"
    assert {"topic", "epoch", "partition", "first", "last"} <= item["provenance"]["ranges"][0].keys()


def test_the_feeds_say_what_the_business_systems_say(house: House) -> None:
    house.until(lambda: has_read_all(house))
    expected = sum(won_deals(sent(house)).values())
    house.until(lambda: Decimal(fed_values(house)[story.REVENUE]) == expected)


def test_the_story_is_told(house: House) -> None:
    tree = house.api.get(f"/cycles/{story.QUARTER}/tree")
    goals = [kr for objective in tree["objectives"] for kr in objective["key_results"]]
    assert {kr["direction"] for kr in goals} == {"increase", "decrease", "at_least", "at_most", "milestones"}
    assert {objective["level"] for objective in tree["objectives"]} == {"company", "department", "individual"}
    (gmv,) = [kr for kr in goals if kr["state"] == "replaced"]
    (repurchase,) = [kr for kr in goals if kr["replaces"] == gmv["id"]]
    assert "复购率 +30%" in repurchase["title"]
    assert all(kr["value"] is not None for kr in goals if kr["direction"] != "milestones")
    assert {
        "KeyResult.TargetAdjusted",
        "KeyResult.WeightAdjusted",
        "KeyResult.OwnerChanged",
        "KeyResult.ProgressCorrected",
        "KeyResult.CheckedIn",
        "KeyResult.MilestoneReached",
        "Measurement.Recorded",
    } <= facts(house).keys()


def test_a_second_telling_changes_nothing(house: House) -> None:
    before = facts(house)
    house.shell(f"{OKR} demo")
    assert facts(house) == before


def test_a_second_house_in_the_same_place_is_refused(house: House) -> None:
    done = subprocess.run(
        [OKR, "up"], env=environment(), cwd=house.directory, capture_output=True, text=True, check=False, timeout=20
    )
    assert done.returncode == 1
    assert f"(process {house.process.pid})" in done.stderr
    assert set(house.pids()) == CHILDREN


def test_all_children_are_commands_of_their_own_in_the_same_session(house: House) -> None:
    for name, pid in house.pids().items():
        shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=True)
        assert re.search(rf"okr {name}( |$)", shown.stdout.strip())
        assert os.getsid(pid) == os.getsid(house.process.pid)
        assert os.getpgid(pid) == pid


@pytest.mark.parametrize("name", ["serve", "project", "feed", "trial-broker"])
def test_a_killed_child_is_back_within_a_second_and_nothing_is_lost(house: House, name: str) -> None:
    house.until(lambda: has_read_all(house))
    values, killed, epoch = fed_values(house), house.pids()[name], house.epoch()
    os.kill(killed, signal.SIGKILL)
    assert house.until(lambda: house.pids().get(name, killed) != killed) < 1.5  # a second, and the test's own pauses
    if name == "trial-broker":
        house.until(lambda: house.epoch() != epoch)
        house.until(lambda: has_read_all(house))
    assert fed_values(house) == values


def test_it_ends_in_order(house: House) -> None:
    house.values, house.facts, pids = fed_values(house), facts(house), house.pids()
    server = int((house.directory / "var/postgres/postmaster.pid").read_text().splitlines()[0])
    code, took, said = house.end(signal.SIGINT)
    assert code == 0, said
    assert took < 12
    assert said[-1].startswith("stopped. The data are in ")
    assert all(is_over(pid) for pid in (*pids.values(), server))
    assert sorted(path.name for path in (house.directory / "var/run").iterdir()) == ["children.lock", "up.lock"]


def test_it_goes_on_where_it_was(house: House) -> None:
    house.start()
    house.until(lambda: has_read_all(house))
    assert fed_values(house) == house.values
    assert facts(house) == house.facts
    assert (
        subprocess.run([OKR, "ledger", "verify"], env=environment(), cwd=house.directory, check=False).returncode == 0
    )


def test_a_killed_house_takes_its_children_with_it_and_can_be_built_again(house: House) -> None:
    pids = house.pids()
    house.process.kill()
    house.process.wait()
    house.until(lambda: all(is_over(pid) for pid in pids.values()), within=10)
    house.start()
    assert set(house.pids()) == CHILDREN


NO_BROKER = "127.0.0.1:1"


def test_an_interrupted_telling_goes_on_where_it_was(migrated_url: str) -> None:
    """On a database and a broker of somebody's own; the broker, which is away, gets no message."""
    with built("--no-demo", database_url=migrated_url, kafka=NO_BROKER) as house:
        own = environment(database_url=migrated_url, kafka=NO_BROKER)
        telling = subprocess.Popen([OKR, "demo"], env=own, cwd=house.directory, stdout=subprocess.DEVNULL)
        house.until(lambda: sum(facts(house).values()) > 40)
        telling.kill()
        telling.wait()
        assert 40 < sum(facts(house).values()) < 100
        again = subprocess.run([OKR, "demo"], env=own, cwd=house.directory, capture_output=True, text=True, check=True)
        assert "its topics get no messages" in again.stdout
        hearing = Hearing()
        story.tell(hearing, date(2026, 1, 1))
        told = Counter(path.rpartition("/")[2] for _, path, _ in hearing.steps)
        counted = facts(house)
        assert counted["KeyResult.ProgressRecorded"] == told["progress"]
        assert counted["KeyResult.CheckedIn"] == told["check-ins"]
        assert counted["KeyResult.Drafted"] == told["key-results"] + told["replacements"]
        assert counted["Team.Formed"] == told["teams"]
        assert counted["Cycle.Opened"] == 2
        assert counted["Feed.Defined"] == 3
        assert counted["Measurement.Recorded"] == 0
        assert not (house.directory / "var/postgres").exists()


def test_somebodys_own_goals_are_left_alone(okr: OkrLedger, migrated_url: str) -> None:
    day = today()
    okr.open_cycle(
        uuid4(),
        name="Our own",
        starts_on=day,
        ends_on=day + timedelta(days=90),
        time_zone="Europe/Berlin",
        by=Command(Actor("admin", is_admin=True), datetime.now(UTC)),
    )
    with built(database_url=migrated_url, kafka=NO_BROKER) as house:
        assert facts(house) == {"Cycle.Opened": 1}
        assert [cycle["name"] for cycle in house.api.items("/cycles")] == ["Our own"]
        assert "a demonstration to look at" in house.commands()
        assert "Our own" in house.shell(f"{OKR} tree")
