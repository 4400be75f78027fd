"""What /metrics says of feeds."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from api.services import services_of
from tests.api.client import Client
from tests.workers.given import Reader, Record, Workplace, deal

Labels = tuple[tuple[str, str], ...]


def figures(client: Client) -> dict[tuple[str, Labels], float]:
    text = client.get("/metrics", role=None).text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_feed_has_its_figures(client: Client, api_url: str) -> None:
    okr = services_of(client.app).okr
    work = Workplace(okr, api_url)
    feed, idle = work.feed(name="deals"), work.feed(name="idle")
    Reader.of(okr).read([deal(0, "a", 10), deal(1, "b", 20), deal(2, "c", "none"), Record(3, b"{")])
    client.done(f"/v1/feeds/{idle}/pause")
    client.post(f"/v1/feeds/{feed}/dead-letters/retries", {"stage": "decode"})
    client.done(f"/v1/feeds/{feed}/dead-letters/discards", {"stage": "decode", "reason": "Not ours"})
    found = figures(client)
    deals = ("feed", "deals")
    # The idle feed reads the same topic.
    assert found["okr_feed_contributions", (deals,)] == 2
    assert found["okr_feed_dead_letters", (deals, ("stage", "value"))] == 1
    assert found["okr_feed_dead_letters", (deals, ("stage", "decode"))] == 0
    assert (found["okr_feed_is_paused", (deals,)], found["okr_feed_is_paused", (("feed", "idle"),)]) == (0, 1)
    assert found["okr_feed_retries_waiting", (deals,)] == 1
    assert found["okr_feed_gaps_found", (deals,)] == 0
    (at,) = work.rows("SELECT extract(epoch FROM recorded_at)::float8 AS at FROM feeds.totals WHERE feed_id = %s", feed)
    assert abs(found["okr_feed_last_fact_timestamp_seconds", (deals,)] - at["at"]) < 1e-3
