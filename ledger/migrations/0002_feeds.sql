-- What feeds have read, and what they count.

CREATE SCHEMA feeds;

-- One row for each key result that a feed measures: locked before its contributions are read.
-- `version` and `value` are the measurement's stream as its last fact left it.
CREATE TABLE feeds.totals (
    key_result_id  uuid    PRIMARY KEY,
    feed_id        uuid    NOT NULL,
    takes_progress boolean NOT NULL DEFAULT true,
    version        integer NOT NULL DEFAULT 0,
    value          numeric
);

GRANT USAGE ON SCHEMA feeds TO okr_app;
GRANT SELECT, INSERT, UPDATE ON feeds.totals TO okr_app;
