-- The activity's file as schema version 1 wrote it, with one of everything in it.
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

INSERT INTO records (record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects) VALUES (
    41, 5, 'c', 'dead_letter', 'PlaceAnOrder', 'm1', 'refused',
    CAST('{"detail":"detail","warnings":["w1"],"answer":{"status":200,"code":40002,"message":"wrong","request_id":"r"}}' AS BLOB),
    x'0000000000000001ffffffffffffffff'
);
INSERT INTO payloads (record_no, payload) VALUES (41, CAST('{"event":"PlaceAnOrder"}' AS BLOB));
INSERT INTO minutes (minute, connection_id, figures) VALUES (7, 'c', CAST('{"accepted":10}' AS BLOB));
INSERT INTO levels (level_no, connection_id, second, level) VALUES (1, 'c', 100, 2);
PRAGMA user_version = 1;
