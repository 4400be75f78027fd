-- What becomes of dead letters: tried again by a feed worker because somebody asked, or discarded with a reason.

-- A letter that is settled stays, with who did it, when and why. `tried_in` is the last retry that read it.
ALTER TABLE feeds.dead_letters
    ADD tried_in        bigint,
    ADD settled_as      text CHECK (settled_as IN ('retried', 'discarded')),
    ADD settled_at      timestamptz,
    ADD settled_by      text,
    ADD settled_because text,
    ADD CHECK ((settled_as IS NULL) = (settled_at IS NULL) AND (settled_as IS NULL) = (settled_by IS NULL));
CREATE INDEX dead_letters_open ON feeds.dead_letters (feed_id, id) WHERE settled_at IS NULL;

-- Retries that were asked for: of one letter, of those that died of the same cause, or of all that a feed had then.
-- The API writes the row, a feed worker does it and counts.
CREATE TABLE feeds.retries (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    feed_id   uuid        NOT NULL,
    letter_id bigint,
    stage     text,
    reason    text,
    up_to     bigint      NOT NULL,
    asked_by  text        NOT NULL,
    asked_at  timestamptz NOT NULL DEFAULT now(),
    done_at   timestamptz,
    matched   integer     NOT NULL DEFAULT 0,
    ignored   integer     NOT NULL DEFAULT 0,
    dead      integer     NOT NULL DEFAULT 0
);
CREATE INDEX retries_open ON feeds.retries (id) WHERE done_at IS NULL;

GRANT UPDATE (feed_revision, stage, reason, tried_in, settled_as, settled_at, settled_by, settled_because)
   ON feeds.dead_letters TO okr_app;
GRANT SELECT, INSERT, UPDATE ON feeds.retries TO okr_app;
