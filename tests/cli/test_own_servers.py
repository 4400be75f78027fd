"""`okr up` with a database and a broker of somebody's own: it runs neither, and plays nobody's messages."""

import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from cli.demo import story
from cli.demo.loader import today
from domain.application import OkrLedger
from domain.command import Actor, Command
from domain.measures import Direction
from domain.objective import Level, Wording
from domain.terms import Terms
from ledger.migrate import migrate
from tests.cli.command import OKR, environment
from tests.cli.house import House, built, facts
from tests.cli.test_demo import Hearing
from tests.support.postgres_server import TestPostgres

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

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


def set_goals(url: str) -> None:
    """A cycle with one committed key result, which nobody of the demonstration knows."""
    cycle, goal, day = uuid4(), uuid4(), today()
    by = Command(Actor("admin", is_admin=True), datetime.now(UTC))
    last = day + timedelta(days=90)
    terms = Terms(
        title="10,000 registered users",
        owner_id="u-1",
        direction=Direction.INCREASE,
        target=Decimal(10_000),
        deadline=last,
    )
    with OkrLedger(env={"PERSISTENCE_MODULE": "ledger", "OKR_DATABASE_URL": url}) as okr:
        okr.open_cycle(cycle, name="Our own", starts_on=day, ends_on=last, time_zone="Europe/Berlin", by=by)
        okr.draft_objective(goal, cycle, Wording(title="Grow", owner_id="u-1", level=Level.COMPANY), by)
        okr.draft_key_result(uuid4(), goal, terms, by)
        okr.commit_objective(goal, by)


@pytest.fixture(scope="module")
def own_house(postgres: TestPostgres) -> Iterator[House]:
    url = postgres.new_database()
    migrate(url)
    set_goals(url)
    with built(database_url=url, kafka=NO_BROKER) as house:
        yield house
    postgres.drop_database(url)


def test_somebodys_own_goals_are_left_alone(own_house: House) -> None:
    assert facts(own_house)["Cycle.Opened"] == 1
    assert [cycle["name"] for cycle in own_house.api.items("/cycles")] == ["Our own"]
    assert "a demonstration to look at" in own_house.commands()
    assert "10,000 registered users" in own_house.shell(f"{OKR} tree")


FEED = """
name: signups
key_result: registered users
source: {topic: crm.users, format: json}
entity: id
aggregate: {fn: count, window: P28D}
"""


def test_feeds_are_defined_from_files(own_house: House) -> None:
    def apply(text: str) -> "subprocess.CompletedProcess[str]":
        (own_house.directory / "signups.yaml").write_text(text)
        return own_house.run(f"{OKR} feeds apply signups.yaml --yes")

    assert "defined signups (revision 1).\n" in apply(FEED).stdout
    assert "Nothing changes.\n" in apply(FEED).stdout
    assert "revised signups (revision 2).\n" in apply(FEED.replace("P28D", "P7D")).stdout
    assert "window: P7D" in own_house.shell(f"{OKR} feeds show signups")
    assert "10,000 registered users" in own_house.shell(f"{OKR} feeds list")
