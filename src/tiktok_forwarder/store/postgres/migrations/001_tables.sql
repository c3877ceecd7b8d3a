-- The first schema. The table forwarder.versions counts the migrations that a database has had.
--
-- Everything that several nodes must share is here, leases included. Texts that come from events are bytes, since a
-- PostgreSQL text cannot contain every character; other texts compare by their bytes, whatever the locale.

-- The processes that use the database. A process takes a number that no other has used for an hour, so that counts can
-- be kept by number: else every process would wait for the commits of all others at the same rows. The last group of
-- requests that a process has stored is kept with its admissions, for the case that the answer is lost and the call
-- repeated.
CREATE TABLE forwarder.nodes (
    node_no integer PRIMARY KEY,
    process uuid NOT NULL,
    group_no bigint NOT NULL,
    admissions text NOT NULL,
    seen_at timestamptz NOT NULL,
    key_ids text[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 20);

-- A lane is the queue of one connection and one wire form. Rows name it by its number.
CREATE TABLE forwarder.lanes (
    lane_no integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    connection_id text COLLATE "C" NOT NULL,
    wire_form text COLLATE "C" NOT NULL,
    UNIQUE (connection_id, wire_form)
);

-- What waits and is dead in a lane, added up over the shares. Each node has two shares of its own, one for new events
-- and one for all other changes, so that an append and a settlement do not wait for each other's commit.
CREATE TABLE forwarder.lane_counts (
    lane_no integer NOT NULL,
    share integer NOT NULL,
    waiting bigint NOT NULL,
    waiting_bytes bigint NOT NULL,
    dead_letters bigint NOT NULL,
    dead_letter_bytes bigint NOT NULL,
    PRIMARY KEY (lane_no, share)
) WITH (fillfactor = 20);

-- The totals, written with the events they count; added up over the shares. For each connection:
-- accepted = waiting + delivered + dead_lettered + dropped + erased.
CREATE TABLE forwarder.totals (
    connection_id text COLLATE "C" NOT NULL,
    counter text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    share integer NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (connection_id, counter, reason, share)
) WITH (fillfactor = 20);

CREATE SEQUENCE forwarder.event_no AS bigint;

-- Events that have not come back, in the order of their numbers. A row is written once and deleted once: a lease is a
-- row of its own, since a column here would rewrite every event to lease it.
CREATE TABLE forwarder.fresh (
    event_no bigint NOT NULL,
    accepted_at_ms bigint NOT NULL,
    lane_no integer NOT NULL,
    connection_revision integer NOT NULL,
    event_name bytea NOT NULL,
    event_id bytea NOT NULL,
    subjects bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (lane_no, event_no)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);

-- Events that came back: due_ms is the time from which they may be leased, 1 meaning immediately.
CREATE TABLE forwarder.returned (
    event_no bigint NOT NULL,
    due_ms bigint NOT NULL,
    scheduled_at_ms bigint NOT NULL,
    accepted_at_ms bigint NOT NULL,
    first_attempt_at_ms bigint,
    unanswered_at_ms bigint,
    lane_no integer NOT NULL,
    connection_revision integer NOT NULL,
    attempts integer NOT NULL,
    event_name bytea NOT NULL,
    event_id bytea NOT NULL,
    answer bytea,
    subjects bytea NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (lane_no, event_no)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
CREATE INDEX returned_by_due_time ON forwarder.returned (lane_no, due_ms, event_no);
CREATE INDEX returned_by_schedule ON forwarder.returned (lane_no, scheduled_at_ms) WHERE due_ms > 1;

-- Who holds which events, by number, until when (seconds since 1970). `places` are the unsettled events that are still
-- in the queue; `unsettled` has in addition those that have left it in the meantime.
CREATE TABLE forwarder.leases (
    token bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    expires_at double precision NOT NULL,
    lane_no integer NOT NULL,
    process uuid NOT NULL,
    places int8multirange NOT NULL,
    unsettled int8multirange NOT NULL
) WITH (fillfactor = 50);
ALTER TABLE forwarder.leases ALTER COLUMN places SET STORAGE EXTERNAL, ALTER COLUMN unsettled SET STORAGE EXTERNAL;
CREATE INDEX leases_by_lane ON forwarder.leases (lane_no);

CREATE TABLE forwarder.dead_letters (
    event_no bigint PRIMARY KEY,
    dead_lettered_at_ms bigint NOT NULL,
    accepted_at_ms bigint NOT NULL,
    first_attempt_at_ms bigint,
    lane_no integer NOT NULL,
    connection_revision integer NOT NULL,
    attempts integer NOT NULL,
    connection_id text COLLATE "C" NOT NULL,
    reason text COLLATE "C" NOT NULL,
    event_name bytea NOT NULL,
    event_id bytea NOT NULL,
    answer bytea,
    subjects bytea NOT NULL,
    payload bytea NOT NULL
);
CREATE INDEX dead_letters_by_connection
    ON forwarder.dead_letters (connection_id, event_no, reason, dead_lettered_at_ms);

-- Claims: what one process at a time does, by topic; and until when the claims of each process last. Rows with an end, not
-- locks of sessions: behind a transaction pooler, a process has no session of its own.
CREATE TABLE forwarder.claimers (
    topic text COLLATE "C" NOT NULL,
    process uuid NOT NULL,
    ends_at double precision NOT NULL,
    PRIMARY KEY (topic, process)
) WITH (fillfactor = 20);
CREATE TABLE forwarder.claims (
    topic text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    process uuid NOT NULL,
    PRIMARY KEY (topic, name)
);

-- De-duplication keys. Three tables take turns, so that forgetting keys is emptying one as a whole; turn n is kept in
-- table n modulo 3.
CREATE TABLE forwarder.seen_turns (
    turn bigint PRIMARY KEY,
    started_at_ms bigint NOT NULL
);
CREATE TABLE forwarder.seen (
    accepted_at_ms bigint NOT NULL,
    slot smallint NOT NULL,
    key bytea NOT NULL,
    PRIMARY KEY (key, slot)
) PARTITION BY LIST (slot);
CREATE TABLE forwarder.seen_0 PARTITION OF forwarder.seen FOR VALUES IN (0);
CREATE TABLE forwarder.seen_1 PARTITION OF forwarder.seen FOR VALUES IN (1);
CREATE TABLE forwarder.seen_2 PARTITION OF forwarder.seen FOR VALUES IN (2);

-- Connections, inputs and others; document_no keeps the order of creation.
CREATE TABLE forwarder.documents (
    document_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    body bytea NOT NULL,
    changed_at_ms bigint NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    UNIQUE (kind, id)
);

-- change_no counts the changes in the order of their commits: one process at a time changes documents. Processes keep
-- documents in memory, and read again what has a higher number than the last that they have seen. Audit entries, which
-- no process keeps, have none.
CREATE TABLE forwarder.document_history (
    change_no bigint,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    revision integer NOT NULL,
    body bytea NOT NULL,
    changed_at_ms bigint NOT NULL,
    changed_by text COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, id, revision)
);
CREATE INDEX document_history_by_change ON forwarder.document_history (change_no) WHERE change_no IS NOT NULL;

-- Documents that expire: sessions, login links, failed logins, replays. Without history.
CREATE TABLE forwarder.expiring_documents (
    expires_at_ms bigint NOT NULL,
    revision integer NOT NULL,
    kind text COLLATE "C" NOT NULL,
    id text COLLATE "C" NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (kind, id)
);
CREATE INDEX expiring_documents_by_time ON forwarder.expiring_documents (kind, expires_at_ms);

-- The move of this store's contents to another store or from one, if there was one: its only row. `state` and what it
-- means: store/moving.py. While contents arrive, `part` and `position` are the place up to which they have.
CREATE TABLE forwarder.move (
    row_no integer PRIMARY KEY DEFAULT 1 CHECK (row_no = 1),
    move_id text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    other_store text COLLATE "C" NOT NULL,
    part text COLLATE "C" NOT NULL,
    position bytea NOT NULL
);
