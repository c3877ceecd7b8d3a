-- The first schema. `PRAGMA user_version` counts the migrations that a file has had.

-- Connection ids are long and stand in every row, so rows name a queue by a small number.
CREATE TABLE queues (
    queue_no INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL UNIQUE
);

-- Numbers that must never be given twice, also after their rows are gone.
CREATE TABLE sequences (
    name TEXT PRIMARY KEY,
    next INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO sequences (name, next) VALUES ('event_no', 1);

-- Waiting events. due_ms is 0 for events never tried, which leave in the order of event_no; 1 for replayed ones; else
-- the time of the next attempt. Payloads lie in the key's tree, so that a group is read and deleted as one run of pages.
CREATE TABLE waiting (
    queue_no INTEGER NOT NULL,
    due_ms INTEGER NOT NULL,
    event_no INTEGER NOT NULL,
    scheduled_at_ms INTEGER NOT NULL,
    connection_revision INTEGER NOT NULL,
    wire_form TEXT NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    payload BLOB NOT NULL,
    subjects BLOB NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at_ms INTEGER,
    unanswered_at_ms INTEGER,
    answer BLOB,
    PRIMARY KEY (queue_no, due_ms, event_no)
) WITHOUT ROWID;
CREATE INDEX waiting_retries_by_age ON waiting (queue_no, accepted_at_ms) WHERE due_ms > 0;

CREATE TABLE dead_letters (
    event_no INTEGER PRIMARY KEY,
    queue_no INTEGER NOT NULL,
    connection_revision INTEGER NOT NULL,
    wire_form TEXT NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    payload BLOB NOT NULL,
    subjects BLOB NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    first_attempt_at_ms INTEGER,
    unanswered_at_ms INTEGER,
    answer BLOB,
    reason TEXT NOT NULL,
    dead_lettered_at_ms INTEGER NOT NULL
);
CREATE INDEX dead_letters_by_queue ON dead_letters (queue_no, event_no);

-- The books. For each connection: accepted = waiting + delivered + dead_lettered + dropped + erased.
CREATE TABLE totals (
    connection_id TEXT NOT NULL,
    counter TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (connection_id, counter, reason)
) WITHOUT ROWID;

-- What was accepted within 48 hours, by a 128-bit hash of connection, event name and event id. Each table holds one
-- period of 12 hours; the table of a period long gone is emptied as a whole when its turn comes.
CREATE TABLE seen_periods (
    slot INTEGER PRIMARY KEY,
    period INTEGER NOT NULL
);
CREATE TABLE seen_0 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen_1 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen_2 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen_3 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen_4 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE seen_5 (key BLOB PRIMARY KEY, accepted_at_ms INTEGER NOT NULL) WITHOUT ROWID;

-- Connections, inputs and their like. document_no keeps the order of creation.
CREATE TABLE documents (
    document_no INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    UNIQUE (kind, id)
);
CREATE TABLE document_history (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    changed_at_ms INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (kind, id, revision)
) WITHOUT ROWID;
