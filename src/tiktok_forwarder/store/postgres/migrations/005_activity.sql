-- What happened to recent events, for people: records of all nodes, and figures by the minute. The tables are the
-- activity's (its statements are there too), and are created with the others, so that there is one order of versions.
--
-- Texts are bytes, since they come from events.

CREATE TABLE forwarder.activity_records (
    record_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms bigint NOT NULL,
    bytes integer NOT NULL,
    connection_id bytea NOT NULL,
    outcome bytea NOT NULL,
    event_name bytea NOT NULL,
    event_id bytea NOT NULL,
    reason bytea NOT NULL,
    facts bytea NOT NULL,
    subjects bigint[] NOT NULL,
    payload bytea NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX activity_records_by_connection ON forwarder.activity_records (connection_id, record_no);
CREATE INDEX activity_records_by_event ON forwarder.activity_records (event_id) WHERE event_id <> '';

-- How many bytes the records take up.
CREATE TABLE forwarder.activity_size (
    bytes bigint NOT NULL
) WITH (fillfactor = 20);
INSERT INTO forwarder.activity_size (bytes) VALUES (0);

CREATE TABLE forwarder.activity_figures (
    minute integer NOT NULL,
    connection_id bytea NOT NULL,
    name bytea NOT NULL,
    count bigint NOT NULL,
    PRIMARY KEY (minute, connection_id, name)
) WITH (fillfactor = 70);

-- From when on which share of a connection's events a node keeps.
CREATE TABLE forwarder.activity_levels (
    level_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node uuid NOT NULL,
    connection_id bytea NOT NULL,
    second bigint NOT NULL,
    level smallint NOT NULL
);

-- The number of each node's last write, for the case that the answer is lost.
CREATE TABLE forwarder.activity_nodes (
    node uuid PRIMARY KEY,
    write_no bigint NOT NULL
) WITH (fillfactor = 20);

-- Of whom nothing may be kept for a while: a node may still have to write what happened before the erasure.
CREATE TABLE forwarder.activity_erasures (
    subject bigint PRIMARY KEY,
    until_ms bigint NOT NULL
);
