"""What a feed worker tells Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from workers.feeds.batch import Applied


class Metrics:
    """Counters of one worker, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.messages = Counter(
            "okr_feed_messages",
            "Messages read by outcome: matched, ignored, dead",
            ["outcome"],
            registry=self.registry,
        )
        self.facts = Counter("okr_feed_facts", "Facts written", registry=self.registry)
        self.fences = Counter(
            "okr_feed_fences", "Batches dropped because another worker had moved the offsets", registry=self.registry
        )
        self.rebalances = Counter(
            "okr_feed_rebalances", "Times that the group gave this worker other partitions", registry=self.registry
        )
        self.gaps = Counter("okr_feed_gaps", "Gaps found: messages that will never be read", registry=self.registry)
        self.restarts = Counter(
            "okr_feed_restarts", "Times that the worker started over", ["because"], registry=self.registry
        )
        self.batch_seconds = Histogram(
            "okr_feed_batch_seconds",
            "Seconds from a polled batch to its commit",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
            registry=self.registry,
        )
        self.lag = Gauge(
            "okr_feed_lag_messages",
            "Messages in the broker that the database has not taken yet",
            ["feed", "topic", "partition"],
            registry=self.registry,
        )
        self.seconds_behind = Gauge(
            "okr_feed_seconds_behind",
            "Age of the last message read where more wait, by the broker's timestamps; 0 where none wait",
            ["feed", "topic", "partition"],
            registry=self.registry,
        )

    def count(self, applied: Applied, seconds: float) -> None:
        """Take in what became of a batch, and how long it took."""
        self.messages.labels("matched").inc(applied.matched)
        self.messages.labels("ignored").inc(applied.ignored)
        self.messages.labels("dead").inc(applied.dead)
        self.facts.inc(applied.facts)
        self.batch_seconds.observe(seconds)
