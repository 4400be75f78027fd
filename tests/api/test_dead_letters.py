"""Dead letters over HTTP: listed, counted by cause, looked at safely, tried again, discarded."""

from __future__ import annotations

import pytest

from api.services import services_of
from projections.dead_letters import dumped, safely
from tests.api.client import Client, Json, read, rules
from tests.workers.given import Reader, Record, Workplace, deal
from workers.feeds.retrying import retry_letters


class Office:
    """A feed with four dead letters, and a worker that can be let loose on them."""

    def __init__(self, client: Client, url: str) -> None:
        self.client = client
        self.okr = services_of(client.app).okr
        self.work = Workplace(self.okr, url)
        feed = self.work.feed()
        self.path = f"/v1/feeds/{feed}"
        self.reader = Reader.of(self.okr)
        self.reader.read(
            [
                deal(0, "a", "no number"),
                Record(1, b"{", key=b"\x00\x1b[31m", headers=[("trace", b"7"), ("bad", b"\xff")]),
                deal(2, "c", None),
                deal(3, "d", None),
            ]
        )

    def letters(self, query: str = "") -> list[Json]:
        items: list[Json] = self.client.state(f"{self.path}/dead-letters{query}")["items"]
        return items

    def mend(self) -> None:
        definition = self.client.state(self.path)["definition"]
        version = self.client.get(self.path).headers["ETag"]
        body = {**definition, "value": {"expr": "coalesce(amount, 7)"}}
        answer = self.client.post(f"{self.path}/revisions", body, headers={"If-Match": version})
        assert answer.status_code == 200, answer.text

    def work_on(self) -> None:
        self.reader.catalogue.refresh(self.okr)
        for _ in range(3):
            retry_letters(self.okr, self.reader.catalogue)


@pytest.fixture
def office(client: Client, api_url: str) -> Office:
    return Office(client, api_url)


def test_letters_are_looked_at_by_cause_and_one_by_one(office: Office) -> None:
    causes = office.client.state(f"{office.path}/dead-letters/causes")
    assert causes["open"] == 4
    first = causes["items"][0]
    assert (first["stage"], first["cause"], first["count"]) == ("value", "value: amount is null or missing", 2)
    assert [each["offset"] for each in office.letters("?cause=value: amount is null or missing")] == [3, 2]
    (broken,) = office.letters("?stage=decode")
    shown = office.client.state(f"{office.path}/dead-letters/{broken['number']}")
    assert (shown["value_shown"], shown["value_base64"]) == ("{", "ew==")
    assert shown["key_shown"] == f"00000000  00 1b 5b 33 31 6d{' ' * 30}  |..[31m|"
    assert shown["headers_shown"] == [{"name": "trace", "value": "7"}, {"name": "bad", "value": dumped(b"\xff")}]
    for nobody in (10**6, 10**30):
        assert office.client.get(f"{office.path}/dead-letters/{nobody}").status_code == 404
    assert rules(office.client.get(f"{office.path}/dead-letters?state=lost")) == {"state": "choice"}
    assert office.client.get(f"{office.path}/dead-letters/causes?limit=1").status_code == 400


def test_letters_are_tried_again_by_a_worker(office: Office) -> None:
    office.mend()
    path = f"{office.path}/dead-letters"
    asked = office.client.post(f"{path}/retries", {"cause": "value: amount is null or missing"}, role="feed-admin")
    assert asked.status_code == 202
    follow = asked.headers["Location"]
    assert (read(asked)["asked_by"], office.client.state(follow)["done_at"]) == ("feed-admin", None)
    office.work_on()
    done = office.client.state(follow)
    assert (done["matched"], done["dead"], done["done_at"] is not None) == (2, 0, True)
    assert [each["offset"] for each in office.letters()] == [1, 0]
    (newest, _) = office.letters("?state=retried")
    assert (newest["state"], newest["settled"]["by"], newest["settled"]["because"]) == ("retried", "feed-admin", None)
    everything = office.client.post(f"{path}/retries", None)
    office.work_on()
    assert office.client.state(everything.headers["Location"])["dead"] == 2
    assert [each["feed_revision"] for each in office.letters()] == [2, 2]
    assert office.client.get(f"{path}/retries/{10**6}").status_code == 404


def test_letters_are_discarded_with_who_and_why(office: Office) -> None:
    path = f"{office.path}/dead-letters"
    number = office.letters("?stage=decode")[0]["number"]
    assert rules(office.client.post(f"{path}/discards", {"number": number})) == {"reason": "required"}
    body = {"number": number, "reason": "A test order"}
    assert office.client.done(f"{path}/discards", body, role="feed-admin") == {"discarded": 1}
    assert office.client.done(f"{path}/discards", body) == {"discarded": 0}
    assert len(office.letters()) == 3
    (letter,) = office.letters("?state=discarded")
    assert (letter["settled"]["by"], letter["settled"]["because"]) == ("feed-admin", "A test order")
    rest = {"stage": "value", "reason": "All of them were tests"}
    assert office.client.done(f"{path}/discards", rest) == {"discarded": 3}
    assert office.client.state(f"{path}/causes") == {"open": 0, "items": []}


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (None, None),
        (b"", ""),
        ("Zürich\n\tOst 🚲".encode(), "Zürich\n\tOst 🚲"),
        (b"\x1b]0;title\x07", dumped(b"\x1b]0;title\x07")),
        ("abc\u202edef".encode(), dumped("abc\u202edef".encode())),
        (b"\xff", dumped(b"\xff")),
        (b"\r", dumped(b"\r")),
    ],
)
def test_what_a_terminal_might_obey_is_never_shown_as_text(raw: bytes | None, shown: str | None) -> None:
    assert safely(raw) == shown


def test_a_hex_dump_is_plain_and_bounded() -> None:
    dump = dumped(bytes(range(256)) * 100)
    assert all(character.isprintable() or character == "\n" for character in dump)
    assert dump.splitlines()[1] == "00000010  10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f  |................|"
    assert dump.endswith("… and 9216 bytes more")
