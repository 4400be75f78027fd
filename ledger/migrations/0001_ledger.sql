-- The record, and what people must be able to erase beside it.

CREATE SCHEMA ledger;
CREATE SCHEMA people;

-- One line a fact. Nothing here is ever changed or taken away.
CREATE TABLE ledger.events (
    position       bigint      NOT NULL,
    stream_id      uuid        NOT NULL,
    stream_version integer     NOT NULL,
    type           text        NOT NULL COLLATE "C",
    recorded_at    timestamptz NOT NULL,
    line           text        NOT NULL COLLATE "C",
    leaf_hash      bytea       NOT NULL,
    CONSTRAINT events_position PRIMARY KEY (position),
    CONSTRAINT events_stream_version UNIQUE (stream_id, stream_version)
);
CREATE INDEX events_recorded_at ON ledger.events (recorded_at, position);
CREATE INDEX events_type ON ledger.events (type, position);

CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of ledger.% is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.events
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
-- ALWAYS: also for sessions that call themselves replicas.
ALTER TABLE ledger.events ENABLE ALWAYS TRIGGER append_only;

-- The one row that orders all appends: size, last time, and the Merkle frontier (32 bytes a complete subtree).
-- Updated by every append: a low fillfactor keeps the versions of the row on its page.
CREATE TABLE ledger.head (
    is_head     boolean     PRIMARY KEY DEFAULT true CHECK (is_head),
    size        bigint      NOT NULL DEFAULT 0,
    recorded_at timestamptz NOT NULL DEFAULT 'epoch',
    frontier    bytea       NOT NULL DEFAULT ''
) WITH (fillfactor = 10);
INSERT INTO ledger.head DEFAULT VALUES;

-- Which stream was begun under which: key results under their objective, objectives under their cycle,
-- feeds under their key result. Written with the first fact of a stream.
CREATE TABLE ledger.streams (
    stream_id uuid   PRIMARY KEY,
    kind      text   NOT NULL,
    parent_id uuid,
    name      text,
    begun     bigint GENERATED ALWAYS AS IDENTITY
);
CREATE INDEX streams_parent ON ledger.streams (parent_id, begun) WHERE parent_id IS NOT NULL;
CREATE UNIQUE INDEX streams_name ON ledger.streams (kind, name) WHERE name IS NOT NULL;

-- Held (ledger.hold_cycle, ledger.append) shared by every command and batch, exclusively by what opens and closes a
-- cycle.
CREATE TABLE ledger.cycle_states (
    cycle_id  uuid PRIMARY KEY,
    state     text NOT NULL,
    starts_on date NOT NULL,
    ends_on   date NOT NULL,
    time_zone text NOT NULL
);

-- The terms of a cycle, kept as they are until the transaction ends. An advisory lock and not FOR SHARE: row locks
-- let later readers pass a waiting writer for ever, so that a busy cycle could not be closed. VOLATILE, in
-- plpgsql: the row is read by a snapshot of its own, taken after the lock was granted.
CREATE FUNCTION ledger.gate_of(cycle uuid) RETURNS bigint LANGUAGE sql IMMUTABLE
RETURN hashtextextended('cycle ' || cycle::text, 0);

CREATE FUNCTION ledger.hold_cycle(held uuid, exclusively boolean) RETURNS SETOF ledger.cycle_states
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    IF exclusively THEN
        PERFORM pg_advisory_xact_lock(ledger.gate_of(held));
    ELSE
        PERFORM pg_advisory_xact_lock_shared(ledger.gate_of(held));
    END IF;
    RETURN QUERY SELECT * FROM ledger.cycle_states WHERE cycle_id = held;
END $$;

-- Free text of people: the words and the salt of their commitment, erasable together.
CREATE TABLE people.texts (
    position bigint NOT NULL,
    field    text   NOT NULL,
    text     text   NOT NULL,
    salt     bytea  NOT NULL,
    PRIMARY KEY (position, field)
);

-- Appends lines and what lies beside them, in one call, so that the head's lock is not held while messages travel.
-- Position and time are known only under that lock: a line arrives in two parts, around its time, and without its
-- opening and position. Hashes and frontier are those of RFC 6962 (ledger/merkle.py says the same).
--   drafts: five lines of text for each fact: stream id, version, type, middle, tail
--   texts:  four lines for each text of people: the number of its fact from 1, field, salt in hex, words as JSON
--   held, state: the cycle that the facts belong to, if any, and the state in which it was when they were decided
-- Two texts and no arrays: psycopg takes longer over nine arrays than the server over the whole append.
CREATE FUNCTION ledger.append(
    opening text, drafts text, texts text, held uuid, held_state text, OUT first_position bigint)
LANGUAGE plpgsql AS $$
DECLARE
    part     text[] := string_to_array(drafts, E'\n');
    total    bigint;
    subtrees bytea;
    last     timestamptz;
    moment   timestamptz;
    stamp    text;
    lines    text[] := '{}';
    leaves   bytea[] := '{}';
    node     bytea;
    carry    bigint;
BEGIN
    IF held IS NOT NULL THEN
        PERFORM pg_advisory_xact_lock_shared(ledger.gate_of(held));
        PERFORM FROM ledger.cycle_states WHERE cycle_id = held AND state = held_state;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the cycle % is not % any more', held, held_state USING ERRCODE = 'OKR02';
        END IF;
    END IF;
    SELECT size, recorded_at, frontier INTO STRICT total, last, subtrees FROM ledger.head FOR UPDATE;
    moment := clock_timestamp();
    IF last - moment > interval '5 seconds' THEN
        RAISE EXCEPTION 'the ledger''s last time % lies in the future of the database''s clock %', last, moment
            USING ERRCODE = 'OKR01';
    END IF;
    moment := greatest(last, moment);
    stamp := to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    first_position := total + 1;
    FOR i IN 1 .. cardinality(part) / 5 LOOP
        lines[i] := opening || (total + 1) || part[5 * i - 1] || stamp || part[5 * i];
        leaves[i] := sha256('\x00'::bytea || convert_to(lines[i], 'UTF8'));
        node := leaves[i];
        carry := total;
        WHILE carry & 1 = 1 LOOP
            node := sha256('\x01'::bytea || substr(subtrees, length(subtrees) - 31) || node);
            subtrees := substr(subtrees, 1, length(subtrees) - 32);
            carry := carry >> 1;
        END LOOP;
        subtrees := subtrees || node;
        total := total + 1;
    END LOOP;
    INSERT INTO ledger.events (position, stream_id, stream_version, type, recorded_at, line, leaf_hash)
    SELECT first_position + i - 1, part[5 * i - 4]::uuid, part[5 * i - 3]::integer, part[5 * i - 2], moment, line, leaf
      FROM unnest(lines, leaves) WITH ORDINALITY AS made (line, leaf, i);
    IF texts <> '' THEN
        part := string_to_array(texts, E'\n');
        INSERT INTO people.texts (position, field, salt, text)
        SELECT first_position + part[4 * i - 3]::integer - 1, part[4 * i - 2], decode(part[4 * i - 1], 'hex'),
               part[4 * i]::json #>> '{}'
          FROM generate_series(1, cardinality(part) / 4) AS i;
    END IF;
    UPDATE ledger.head SET size = total, recorded_at = moment, frontier = subtrees;
    NOTIFY okr_ledger;
END $$;

-- The same as a transaction of its own, which lets go of the head before the disk has it: writers who wait for one
-- another wait for one flush together. Whoever called hears of it when the disk has it, as after any commit. Others
-- may see the facts a moment earlier: whoever tells the world of them waits for the disk (ledger.durable).
CREATE PROCEDURE ledger.append_alone(
    opening text, drafts text, texts text, held uuid, held_state text, INOUT first_position bigint)
LANGUAGE plpgsql AS $$
BEGIN
    SET LOCAL synchronous_commit = off;
    first_position := ledger.append(opening, drafts, texts, held, held_state);
    COMMIT;
    -- The smallest commit that is flushed, and with it all before it. An assigned transaction id alone is not.
    PERFORM pg_logical_emit_message(true, 'okr', '');
END $$;

-- API tokens: only their SHA-256.
CREATE TABLE people.tokens (
    id           uuid        PRIMARY KEY,
    token_hash   bytea       NOT NULL UNIQUE,
    actor_id     text        NOT NULL,
    role         text        NOT NULL,
    name         text,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    last_used_at timestamptz
);

-- What a command answered, so that the same request again gets the same answer and happens once.
CREATE TABLE people.idempotency_keys (
    actor_id     text        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    status       smallint    NOT NULL,
    headers      jsonb       NOT NULL,
    answer       jsonb       NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (actor_id, key)
);
CREATE INDEX idempotency_keys_created_at ON people.idempotency_keys (created_at);

-- Who read texts or exported the audit trail.
CREATE TABLE people.access_log (
    id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at       timestamptz NOT NULL DEFAULT now(),
    actor_id text        NOT NULL,
    action   text        NOT NULL,
    subject  text        NOT NULL
);

GRANT USAGE ON SCHEMA ledger, people TO okr_app;
GRANT SELECT, INSERT ON ledger.events TO okr_app;
GRANT SELECT, UPDATE (size, recorded_at, frontier) ON ledger.head TO okr_app;
GRANT SELECT, INSERT ON ledger.streams TO okr_app;
GRANT SELECT, INSERT, UPDATE ON ledger.cycle_states TO okr_app;
GRANT SELECT, INSERT, DELETE ON people.texts TO okr_app;
GRANT SELECT, INSERT, UPDATE ON people.tokens TO okr_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON people.idempotency_keys TO okr_app;
GRANT SELECT, INSERT ON people.access_log TO okr_app;
