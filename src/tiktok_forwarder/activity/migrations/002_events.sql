-- Figures by TikTok event and hour, the names of received events, and records that are found by name and order number.

-- In lower case.
ALTER TABLE records ADD COLUMN source_name TEXT NOT NULL DEFAULT '';
ALTER TABLE records ADD COLUMN order_id TEXT NOT NULL DEFAULT '';
CREATE INDEX records_by_name ON records (source_name) WHERE source_name <> '';
CREATE INDEX records_by_order ON records (order_id) WHERE order_id <> '';
-- Counts and sums by name, as JSON.
CREATE TABLE hours (
    hour INTEGER NOT NULL,
    connection_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    figures BLOB NOT NULL,
    PRIMARY KEY (hour, connection_id, event_name)
) WITHOUT ROWID;
-- Events in mParticle's words, and what became of them.
CREATE TABLE names (
    connection_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    event_name TEXT NOT NULL,
    first_ms INTEGER NOT NULL,
    last_ms INTEGER NOT NULL,
    mapped INTEGER NOT NULL,
    unmapped INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    last_reason TEXT NOT NULL,
    PRIMARY KEY (connection_id, event_type, event_name)
) WITHOUT ROWID;
