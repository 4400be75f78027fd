"""What the database knows of feeds, for Prometheus. How far they lag only their workers know.

The reasons of dead letters quote messages, so they are no labels: the stage is, and `…/dead-letters/causes` tells more.
"""

from __future__ import annotations

from psycopg import Connection
from psycopg.rows import DictRow

from domain.feeds.contribution import Stage

FEEDS = """
    SELECT f.name, f.is_paused, f.gaps, extract(epoch FROM t.recorded_at)::float8 AS recorded_at,
           coalesce((SELECT sum((part.value->>0)::bigint) FROM jsonb_each(t.tallies) AS part), 0)::bigint
             AS contributions,
           (SELECT count(*) FROM feeds.retries r WHERE r.feed_id = f.id AND r.done_at IS NULL) AS retries,
           coalesce(d.letters, '{}') AS letters
      FROM (SELECT DISTINCT ON (id) id, name, is_paused, gaps FROM feeds ORDER BY id, from_position DESC) AS f
      LEFT JOIN feeds.totals t ON t.feed_id = f.id
      LEFT JOIN (
        SELECT feed_id, jsonb_object_agg(stage, count) AS letters
          FROM (SELECT feed_id, stage, count(*) FROM feeds.dead_letters
                 WHERE settled_at IS NULL GROUP BY feed_id, stage) AS by_stage
         GROUP BY feed_id
      ) AS d ON d.feed_id = f.id
     ORDER BY f.name
"""

_HELP = {
    "okr_feed_is_paused": "1 where somebody paused the feed",
    "okr_feed_contributions": "Entities that count in the feed's number",
    "okr_feed_dead_letters": "Messages that the feed could not take and that nobody has settled, by stage",
    "okr_feed_retries_waiting": "Retries of dead letters that were asked for and are not done",
    "okr_feed_gaps_found": "Gaps: ranges of messages that the feed will never read",
    "okr_feed_last_fact_timestamp_seconds": "When messages last made a fact; absent where they never did",
}


def feed_figures(connection: Connection[DictRow]) -> str:
    """The figures in Prometheus' text format, one sample for each feed (names are slugs)."""
    samples: dict[str, list[str]] = {name: [] for name in _HELP}

    def sample(name: str, feed: str, value: float, more: str = "") -> None:
        samples[name].append(f'{name}{{feed="{feed}"{more}}} {value}\n')

    for row in connection.execute(FEEDS):
        feed = row["name"]
        sample("okr_feed_is_paused", feed, int(row["is_paused"]))
        sample("okr_feed_contributions", feed, row["contributions"])
        for stage in Stage:
            sample("okr_feed_dead_letters", feed, row["letters"].get(stage, 0), f',stage="{stage}"')
        sample("okr_feed_retries_waiting", feed, row["retries"])
        sample("okr_feed_gaps_found", feed, row["gaps"])
        if row["recorded_at"] is not None:
            sample("okr_feed_last_fact_timestamp_seconds", feed, row["recorded_at"])
    return "".join(
        f"# HELP {name} {_HELP[name]}\n# TYPE {name} gauge\n{''.join(lines)}" for name, lines in samples.items()
    )
