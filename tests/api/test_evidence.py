"""Which messages make a number, and which could not be taken, over HTTP."""

from __future__ import annotations

from api.services import services_of
from tests.api.client import Client, read
from tests.workers.given import TOPIC, Reader, Workplace, deal


def test_the_contributions_behind_a_number(client: Client, api_url: str) -> None:
    okr = services_of(client.app).okr
    work = Workplace(okr, api_url)
    key_result = work.key_result()
    feed = work.feed(key_result)
    reader = Reader.of(okr)
    reader.read([deal(0, "a", "10.50"), deal(1, "b", 20)])
    reader.read([deal(2, "a", 11, rev=2), deal(3, "c", 5)])
    first, second = (line.position for line in work.lines("Measurement."))

    assert client.state(f"/v1/key-results/{key_result}")["value"] == "36"
    for path in (f"/v1/key-results/{key_result}/evidence", f"/v1/feeds/{feed}/evidence"):
        now = client.state(path)
        assert (now["value"], now["count"], now["recorded_in"]) == ("36", 3, second)
        assert {item["entity"]: item["value"] for item in now["items"]} == {"a": "11", "b": "20", "c": "5"}
        assert now["items"][0]["topic"] == TOPIC
        assert "next" not in now
        then = client.state(f"{path}?as_of_position={first}")
        assert {item["entity"]: item["value"] for item in then["items"]} == {"a": "10.5", "b": "20"}
        seen, link = [], f"{path}?limit=1&as_of_position={second}"
        while link:
            answer = client.get(link)
            seen += [item["entity"] for item in read(answer)["items"]]
            link = answer.headers.get("Link", "").partition(";")[0].strip("<>")
        assert seen == ["a", "b", "c"]
        for cursor in ("nobody", "WyIiLCJcdTAwMDAiXQ"):  # the second is ["", NUL]
            assert client.get(f"{path}?cursor={cursor}").status_code == 400


def test_nothing_is_behind_a_number_that_people_record(client: Client) -> None:
    id = client.key_result()
    assert client.state(f"/v1/key-results/{id}/evidence") == {
        "value": None,
        "count": 0,
        "recorded_in": None,
        "items": [],
    }


def test_messages_that_could_not_be_taken(client: Client, api_url: str) -> None:
    okr = services_of(client.app).okr
    work = Workplace(okr, api_url)
    feed = work.feed()
    Reader.of(okr).read([deal(0, "a", "no number"), deal(1, "b", 20), deal(2, "c", "none either")])
    page = client.get(f"/v1/feeds/{feed}/dead-letters?limit=1", role="auditor")
    (letter,) = read(page)["items"]
    assert (letter["offset"], letter["stage"]) == (2, "value")
    assert "none either" in letter["value"]
    following = client.state(page.headers["Link"].partition(";")[0].strip("<>"))
    assert [each["offset"] for each in following["items"]] == [0]
    assert client.get(f"/v1/feeds/{feed}/dead-letters", role="viewer").status_code == 403
    assert client.get(f"/v1/feeds/{feed}/dead-letters?as_of_position=1").status_code == 400
