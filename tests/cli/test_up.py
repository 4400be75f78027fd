"""`okr up` as a person meets it: from nothing to five commands, through kills, to a second start on the same data.

One house for the whole file; the tests stand in the order in which a person would do these things.
"""

import json
import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest

from cli.demo import story
from cli.demo.loader import today
from cli.demo.messages import Sent, messages
from cli.demo.narrator import TIME_ZONE
from domain.calendar import start_of_day
from tests.cli.command import OKR, environment, is_over
from tests.cli.house import House, built, facts
from tests.cli.test_demo import won_deals

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CHILDREN = {"serve", "project", "feed", "seal", "trial-broker"}


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


@pytest.mark.parametrize(
    "word", ["computing power", "算力", "COMPUTING", story.COMPUTING_POWER, story.COMPUTING_POWER[-8:]]
)
def test_a_goal_is_named_by_a_part_of_its_title_or_id(house: House, word: str) -> None:
    assert f"id          {story.COMPUTING_POWER}" in house.shell(f"{OKR} show '{word}'")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("show e", "'e' may mean "),
        ("show nonsense", "there is no objective or key result 'nonsense': `okr tree` shows them with their ids."),
        ("goalposts 'Global market share'", "'Global market share' is an objective: name one of its key results"),
        ("tree 1999", "there is no cycle '1999': `okr tree` shows what there is."),
        ("tree --as-of 2020-01-01T00:00:00Z", "it did not exist yet at that moment."),
        ("tree --as-of yesterday", "as_of"),
        ("feeds show nonsense", "there is no feed 'nonsense': `okr feeds list` shows what there is."),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(house: House, command: str, sentence: str) -> None:
    done = house.run(f"{OKR} {command}")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert sentence in done.stderr


def test_the_past_can_be_looked_at(house: House) -> None:
    first = house.query("SELECT min(recorded_at) FROM ledger.events WHERE type = 'KeyResult.TargetAdjusted'")[0][0]
    before = (first - timedelta(microseconds=1)).isoformat()
    assert json.loads(house.shell(f"{OKR} show {story.COMPUTING_POWER} --as-of {before} --json"))["target"] == "40"
    assert json.loads(house.shell(f"{OKR} show {story.COMPUTING_POWER} --json"))["target"] == "30"


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


@pytest.mark.parametrize("name", ["serve", "project", "feed", "seal", "trial-broker"])
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
    server = house.server()
    code, took, said = house.end(signal.SIGINT)
    assert code == 0, said
    assert took < 12
    assert said[-1].startswith("stopped. The data are in ")
    assert all(is_over(pid) for pid in (*pids.values(), server))
    assert sorted(path.name for path in (house.directory / "var/run").iterdir()) == ["children.lock", "up.lock"]


def test_it_goes_on_where_it_was(house: House) -> None:
    house.start()
    house.until(lambda: has_read_all(house))
    assert not [line for line in house.screen if "WARNING" in line or "ERROR" in line]
    assert fed_values(house) == house.values
    assert facts(house) == house.facts
    assert (
        subprocess.run([OKR, "ledger", "verify"], env=environment(), cwd=house.directory, check=False).returncode == 0
    )


def test_a_killed_house_takes_its_children_with_it_and_can_be_built_again(house: House) -> None:
    pids = house.pids()
    (token,) = [
        each for each in json.loads(house.shell(f"{OKR} token list --json")) if each["name"] == "made by okr up"
    ]
    house.shell(f"{OKR} token revoke {token['id']}")
    assert "unknown, expired or revoked" in house.run(f"{OKR} tree").stderr
    house.process.kill()
    house.process.wait()
    house.until(lambda: all(is_over(pid) for pid in pids.values()), within=10)
    house.start()
    assert set(house.pids()) == CHILDREN
    house.shell(f"{OKR} tree")  # with a new token, for the old one was revoked


def test_a_terminal_that_has_gone_does_not_keep_it_from_ending_in_order(house: House) -> None:
    house.end(signal.SIGTERM)
    command = f"OKR_PORT={house.port} {OKR} up --no-demo | sed '/Ctrl-C ends/q'"
    with subprocess.Popen(
        command, shell=True, env=environment(), cwd=house.directory, stdout=subprocess.PIPE, text=True
    ) as shell:
        assert shell.stdout is not None
        assert any("Ctrl-C ends" in line for line in shell.stdout)  # the last that anybody reads
        pids, server = house.pids(), house.server()
        os.kill(pids["project"], signal.SIGKILL)  # so that there is something to say
        house.until(lambda: house.pids().get("project", pids["project"]) != pids["project"])
        pids = house.pids()
        os.kill(int((house.directory / "var/run/up.pid").read_text()), signal.SIGHUP)
        assert shell.wait(15) == 0
    assert all(is_over(pid) for pid in (*pids.values(), server))
