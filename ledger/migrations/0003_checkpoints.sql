-- What the sealer signs, and the tiles of the Merkle tree from which proofs are made.

-- Signed checkpoints, in the order in which they were signed. Never changed, never taken away.
CREATE TABLE ledger.checkpoints (
    number    bigint      NOT NULL,
    size      bigint      NOT NULL CHECK (size > 0),
    root      bytea       NOT NULL CHECK (length(root) = 32),
    note      text        NOT NULL COLLATE "C",
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT checkpoints_number PRIMARY KEY (number)
);
CREATE INDEX checkpoints_size ON ledger.checkpoints (size, number);

-- The keys that have signed, each with its first checkpoint: the log of keys.
CREATE TABLE ledger.sealing_keys (
    number           integer NOT NULL PRIMARY KEY,
    verifier_key     text    NOT NULL UNIQUE,
    first_checkpoint bigint  NOT NULL REFERENCES ledger.checkpoints (number)
);

CREATE FUNCTION ledger.refuse_fork() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last ledger.checkpoints;
BEGIN
    SELECT * INTO last FROM ledger.checkpoints ORDER BY number DESC LIMIT 1;
    IF NEW.number <> coalesce(last.number, 0) + 1 OR NEW.size < last.size
       OR (NEW.size = last.size AND NEW.root <> last.root) THEN
        RAISE EXCEPTION 'checkpoint % of % lines does not follow checkpoint % of % lines',
            NEW.number, NEW.size, last.number, last.size USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse_fork BEFORE INSERT ON ledger.checkpoints
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_fork();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.sealing_keys
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();
ALTER TABLE ledger.checkpoints ENABLE ALWAYS TRIGGER refuse_fork;
ALTER TABLE ledger.checkpoints ENABLE ALWAYS TRIGGER append_only;
ALTER TABLE ledger.sealing_keys ENABLE ALWAYS TRIGGER append_only;

-- Tile n of level k: the roots of up to 256 subtrees of 256^k lines each, 32 bytes a root, the last tile of a level
-- not full. The sealer hashes the lines itself, so these are also what it remembers of them. Can be made anew.
CREATE TABLE ledger.tiles (
    level  smallint NOT NULL,
    number bigint   NOT NULL,
    hashes bytea    NOT NULL CHECK (length(hashes) BETWEEN 32 AND 8192 AND length(hashes) % 32 = 0),
    PRIMARY KEY (level, number)
);
-- Hashes do not compress.
ALTER TABLE ledger.tiles ALTER hashes SET STORAGE EXTERNAL;

-- How far each place outside of the database has been told.
CREATE TABLE ledger.sinks (
    name       text        NOT NULL PRIMARY KEY,
    checkpoint bigint      NOT NULL DEFAULT 0,
    told_at    timestamptz,
    failures   integer     NOT NULL DEFAULT 0,
    last_error text
);

GRANT USAGE ON SCHEMA ledger TO okr_sealer;
GRANT SELECT ON ledger.events, ledger.head TO okr_sealer;
GRANT SELECT, INSERT ON ledger.checkpoints, ledger.sealing_keys TO okr_sealer;
GRANT SELECT, INSERT, UPDATE, DELETE ON ledger.tiles TO okr_sealer;
GRANT SELECT, INSERT, UPDATE ON ledger.sinks TO okr_sealer;
GRANT SELECT ON ledger.checkpoints, ledger.sealing_keys, ledger.tiles, ledger.sinks TO okr_app;
