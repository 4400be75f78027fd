-- What feeds have read, and what they count.
--
-- A fact of a measurement is named here by its version in the measurement's stream: that is known before the fact
-- is appended, so nothing is written to contributions once its position is.

CREATE SCHEMA feeds;

-- The lives of a topic in the order in which feeds met them; `epoch` is the broker's id of the topic.
CREATE TABLE feeds.lives (
    id     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic  text    NOT NULL COLLATE "C",
    epoch  text    NOT NULL COLLATE "C",
    number integer NOT NULL,
    UNIQUE (topic, epoch),
    UNIQUE (topic, number)
);

-- Where each feed reads on. Moved in the transaction that writes what was read.
CREATE TABLE feeds.offsets (
    feed_id     uuid    NOT NULL,
    topic       text    NOT NULL COLLATE "C",
    epoch       text    NOT NULL COLLATE "C",
    partition   integer NOT NULL,
    next_offset bigint  NOT NULL,
    PRIMARY KEY (feed_id, topic, epoch, partition)
) WITH (fillfactor = 50);

-- The newest contribution of each entity, also where it is in no fact yet: `valid_from` is the version of the fact
-- that takes it in, the one after the measurement's last while there is none. `value` is null where it retracts.
-- Without `version` nothing is known of the entity but the tombstones: [topic, epoch, partition, offset] of the
-- last in each partition. `first_fact` is the first fact that took a contribution of the entity in.
--
-- Most updates change no indexed column, and so touch no index: `timed_at`, the time of a contribution that counts, is
-- filled only for feeds whose aggregate looks at time, and `valid_from` is in no index.
CREATE TABLE feeds.contributions (
    feed_id        uuid    NOT NULL,
    part           text    NOT NULL COLLATE "C",
    entity         text    NOT NULL COLLATE "C",
    value          numeric,
    version        text    COLLATE "C",
    effective_at   timestamptz,
    is_arrival     boolean,
    life_id        integer,
    partition      integer,
    message_offset bigint,
    timestamp_ms   bigint,
    message_sha256 bytea,
    tombstones     jsonb,
    valid_from     integer NOT NULL,
    first_fact     integer,
    timed_at       timestamptz,
    PRIMARY KEY (feed_id, part, entity)
) WITH (fillfactor = 70);
CREATE INDEX contributions_timed_at ON feeds.contributions (feed_id, part, timed_at) WHERE timed_at IS NOT NULL;
CREATE INDEX contributions_first_fact ON feeds.contributions (feed_id, first_fact);
CREATE INDEX contributions_buried ON feeds.contributions (feed_id) WHERE tombstones IS NOT NULL;

-- Contributions as they stood in the facts from `valid_from` up to, not including, `valid_to`.
CREATE TABLE feeds.past_contributions (
    feed_id        uuid        NOT NULL,
    part           text        NOT NULL COLLATE "C",
    entity         text        NOT NULL COLLATE "C",
    value          numeric,
    version        text        NOT NULL COLLATE "C",
    effective_at   timestamptz NOT NULL,
    is_arrival     boolean     NOT NULL,
    life_id        integer     NOT NULL,
    partition      integer     NOT NULL,
    message_offset bigint      NOT NULL,
    timestamp_ms   bigint,
    message_sha256 bytea       NOT NULL,
    valid_from     integer     NOT NULL,
    valid_to       integer     NOT NULL CHECK (valid_to > valid_from),
    PRIMARY KEY (feed_id, part, entity, valid_from)
);
CREATE INDEX past_contributions_valid_to ON feeds.past_contributions (feed_id, valid_to);

-- One row for each key result that a feed measures: locked before its contributions are read or written.
CREATE TABLE feeds.totals (
    key_result_id  uuid        PRIMARY KEY,
    feed_id        uuid        NOT NULL UNIQUE,
    takes_progress boolean     NOT NULL DEFAULT true,
    -- The measurement's stream as its last fact left it.
    version        integer     NOT NULL DEFAULT 0,
    value          numeric,
    effective_at   timestamptz,
    effective_by   text,
    -- A rolling window ends at this midnight; the timekeeper moves it.
    midnight       timestamptz NOT NULL,
    -- What the contributions in the window make, as of the feed's revision that counted them: {part: [count, sum]}.
    -- Null where they must be counted anew.
    revision       integer,
    window_start   timestamptz,
    window_end     timestamptz,
    tallies        jsonb,
    -- What was read since the last fact: ranges [topic, epoch, partition, first, last, next], messages by outcome,
    -- and the business times of the changes.
    ranges         jsonb       NOT NULL DEFAULT '[]',
    matched        bigint      NOT NULL DEFAULT 0,
    ignored        bigint      NOT NULL DEFAULT 0,
    dead           bigint      NOT NULL DEFAULT 0,
    event_from     timestamptz,
    event_to       timestamptz,
    counted_to     timestamptz,
    counted_by     text,
    -- When messages last made a fact, and when the change that waits for the next one is due.
    recorded_at    timestamptz,
    due_at         timestamptz
) WITH (fillfactor = 50);

-- The window in which contributions counted in the facts from `valid_from` on.
CREATE TABLE feeds.windows (
    feed_id      uuid        NOT NULL,
    valid_from   integer     NOT NULL,
    window_start timestamptz NOT NULL,
    window_end   timestamptz NOT NULL,
    PRIMARY KEY (feed_id, valid_from)
);

-- Messages that a feed could not take, byte for byte.
CREATE TABLE feeds.dead_letters (
    topic          text        NOT NULL COLLATE "C",
    epoch          text        NOT NULL COLLATE "C",
    partition      integer     NOT NULL,
    message_offset bigint      NOT NULL,
    feed_id        uuid        NOT NULL,
    feed_revision  integer     NOT NULL,
    key            bytea,
    value          bytea,
    header_names   bytea[]     NOT NULL,
    header_values  bytea[]     NOT NULL,
    timestamp_ms   bigint,
    stage          text        NOT NULL,
    reason         text        NOT NULL,
    at             timestamptz NOT NULL DEFAULT now(),
    id             bigint      GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (topic, epoch, partition, message_offset, feed_id)
);
CREATE INDEX dead_letters_of_feed ON feeds.dead_letters (feed_id, id);

GRANT USAGE ON SCHEMA feeds TO okr_app;
GRANT SELECT, INSERT ON feeds.lives TO okr_app;
GRANT SELECT, INSERT, UPDATE ON feeds.offsets, feeds.totals TO okr_app;
GRANT SELECT, INSERT, UPDATE ON feeds.contributions, feeds.windows TO okr_app;
GRANT SELECT, INSERT ON feeds.past_contributions, feeds.dead_letters TO okr_app;
