"""What `okr up` brings along, so that nobody has to install anything to try the program.

`postgres` runs a real PostgreSQL out of a wheel, `broker` an in-memory Kafka broker. Both come with the
extra `trial`; production points OKR_DATABASE_URL and the feeds to servers of its own.
"""


class TrialError(Exception):
    """A trial server cannot run here. The text is one sentence for the person at the terminal."""
