-- The first schema. `PRAGMA user_version` counts the migrations that a file has had.

-- The events of one connection and one wire form: the books of what waits and is dead, kept so that a start need not
-- count millions of rows. Rows name a lane by its number, since connection ids are long and would stand in every one.
CREATE TABLE lanes (
    lane_no INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL,
    wire_form TEXT NOT NULL,
    waiting INTEGER NOT NULL,
    waiting_bytes INTEGER NOT NULL,
    dead_letters INTEGER NOT NULL,
    dead_letter_bytes INTEGER NOT NULL,
    UNIQUE (connection_id, wire_form)
) STRICT;

-- Numbers that are never given twice, also after their rows are gone.
CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sequences (name, next) VALUES ('event_no', 1);

-- Events on their way. due_ms is 0 for fresh ones, which leave in the order of event_no; for those that come back it is
-- the time from which they may be leased, 1 meaning at once. The payload is part of the key's tree, so that a group is
-- read and deleted as one run of pages. No column tells of leases: taking one writes nothing.
CREATE TABLE waiting (
    lane_no INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    scheduled_at_ms INTEGER NOT NULL,
    connection_revision INTEGER NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at_ms INTEGER,
    unanswered_at_ms INTEGER,
    answer BLOB,
    subjects BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (lane_no, due_ms, event_no)
) STRICT, WITHOUT ROWID;
-- Only for events that come back: fresh ones, the many, cost no index.
CREATE INDEX returned_by_number ON waiting (lane_no, event_no) WHERE due_ms > 0;
CREATE INDEX returned_by_schedule ON waiting (lane_no, scheduled_at_ms) WHERE due_ms > 1;

CREATE TABLE dead_letters (
    event_no INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL,
    wire_form TEXT NOT NULL,
    reason TEXT NOT NULL,
    dead_lettered_at_ms INTEGER NOT NULL,
    connection_revision INTEGER NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at_ms INTEGER,
    answer BLOB,
    subjects BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
CREATE INDEX dead_letters_by_connection ON dead_letters (connection_id, event_no, reason, dead_lettered_at_ms);

-- The books, written with the events they count. For each connection:
-- accepted = waiting + delivered + dead_lettered + dropped + erased.
CREATE TABLE totals (
    connection_id TEXT NOT NULL,
    counter TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (connection_id, counter, reason)
) STRICT, WITHOUT ROWID;

-- What was taken within 48 hours, by a 128-bit hash of connection, event name and event id. Six tables take turns, so
-- that forgetting is emptying one as a whole; generation n is kept in table n modulo 6.
CREATE TABLE seen_generations (
    generation INTEGER PRIMARY KEY,
    started_at_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE seen_0 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen_1 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen_2 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen_3 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen_4 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE seen_5 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;

-- Connections, inputs and their like; document_no keeps the order of creation.
CREATE TABLE documents (
    document_no INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    UNIQUE (kind, id)
) STRICT;
CREATE TABLE document_history (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (kind, id, revision)
) STRICT, WITHOUT ROWID;
