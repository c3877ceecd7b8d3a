-- The first schema. `PRAGMA user_version` counts the migrations that a file has had.

-- Payloads lie apart, so that a search through the records reads few pages.
CREATE TABLE records (
    record_no INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    connection_id TEXT NOT NULL,
    outcome TEXT NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    facts BLOB NOT NULL,
    subjects BLOB NOT NULL
);
CREATE INDEX records_by_connection ON records (connection_id, record_no);
CREATE INDEX records_by_event ON records (event_id) WHERE event_id <> '';
CREATE TABLE payloads (
    record_no INTEGER PRIMARY KEY,
    payload BLOB NOT NULL
);
-- Counts by name, as JSON.
CREATE TABLE minutes (
    minute INTEGER NOT NULL,
    connection_id TEXT NOT NULL,
    figures BLOB NOT NULL,
    PRIMARY KEY (minute, connection_id)
) WITHOUT ROWID;
-- From when on which share of a connection's events was kept.
CREATE TABLE levels (
    level_no INTEGER PRIMARY KEY,
    connection_id TEXT NOT NULL,
    second INTEGER NOT NULL,
    level INTEGER NOT NULL
);
