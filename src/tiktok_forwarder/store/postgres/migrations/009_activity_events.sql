-- oldest program: 7
--
-- Figures by TikTok event and hour, the names of received events, and records that are found by name and order number.
--
-- The version before writes and reads records without the new columns, whose contents are empty then.

-- In lower case.
ALTER TABLE forwarder.activity_records ADD COLUMN source_name bytea NOT NULL DEFAULT '';
ALTER TABLE forwarder.activity_records ADD COLUMN order_id bytea NOT NULL DEFAULT '';
CREATE INDEX activity_records_by_name ON forwarder.activity_records (source_name, record_no) WHERE source_name <> '';
CREATE INDEX activity_records_by_order ON forwarder.activity_records (order_id) WHERE order_id <> '';

CREATE TABLE forwarder.activity_hours (
    hour integer NOT NULL,
    connection_id bytea NOT NULL,
    event_name bytea NOT NULL,
    name bytea NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (hour, connection_id, event_name, name)
) WITH (fillfactor = 70);

-- Events in mParticle's words, and what became of them.
CREATE TABLE forwarder.activity_names (
    connection_id bytea NOT NULL,
    event_type bytea NOT NULL,
    event_name bytea NOT NULL,
    first_ms bigint NOT NULL,
    last_ms bigint NOT NULL,
    mapped bigint NOT NULL,
    unmapped bigint NOT NULL,
    dropped bigint NOT NULL,
    last_reason bytea NOT NULL,
    PRIMARY KEY (connection_id, event_type, event_name)
) WITH (fillfactor = 70);
