-- Every statement of the activity in PostgreSQL. `-- name:` begins one and its line says what it does. The tables:
-- store/postgres/migrations/005_activity.sql and 009_activity_events.sql.

-- name: begin_write: one node at a time writes, so that a higher record number is never visible before a lower one
SELECT pg_advisory_xact_lock(1414809175, 6);

-- name: last_write: the number of a node's last write
SELECT write_no FROM forwarder.activity_nodes WHERE node = $1;

-- name: begin_write_of_node: a node writes
INSERT INTO forwarder.activity_nodes (node, write_no) VALUES ($1, $2)
ON CONFLICT (node) DO UPDATE SET write_no = excluded.write_no;

-- name: erased_subjects: of whom nothing may be kept at this time
SELECT subject FROM forwarder.activity_erasures WHERE until_ms > $1;

-- name: add_records: records in the order in which they are given
INSERT INTO forwarder.activity_records
    (at_ms, bytes, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload)
SELECT at_ms, bytes, connection_id, outcome, event_name, event_id, reason, facts, subjects::bigint[], source_name, order_id,
    payload
FROM unnest($1::bigint[], $2::integer[], $3::bytea[], $4::bytea[], $5::bytea[], $6::bytea[], $7::bytea[], $8::bytea[],
    $9::text[], $10::bytea[], $11::bytea[], $12::bytea[]) WITH ORDINALITY AS given
    (at_ms, bytes, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload,
    place)
ORDER BY place;

-- name: grow: the records take up more bytes, or fewer; how many now
UPDATE forwarder.activity_size SET bytes = bytes + $1 RETURNING bytes;

-- name: delete_oldest: the oldest records are gone; how many bytes they had
WITH deleted AS (
    DELETE FROM forwarder.activity_records WHERE record_no <= (
        SELECT max(record_no) FROM (SELECT record_no FROM forwarder.activity_records ORDER BY record_no LIMIT $1) AS oldest
    ) RETURNING bytes
)
SELECT coalesce(sum(bytes), 0)::bigint FROM deleted;

-- name: delete_before: some records of before a time are gone; how many, and their bytes
WITH deleted AS (
    DELETE FROM forwarder.activity_records WHERE record_no IN (
        SELECT record_no FROM forwarder.activity_records WHERE at_ms < $1 LIMIT $2
    ) RETURNING bytes
)
SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM deleted;

-- name: delete_figures_before: minutes before one are gone
DELETE FROM forwarder.activity_figures WHERE minute < $1;

-- name: delete_hours_before: hours before one are gone
DELETE FROM forwarder.activity_hours WHERE hour < $1;

-- name: delete_names_before: names not seen since are gone
DELETE FROM forwarder.activity_names WHERE last_ms < $1;

-- name: add_figures: figures are added to those of their minutes
INSERT INTO forwarder.activity_figures (minute, connection_id, name, count)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bigint[]) AS given (minute, connection_id, name, count)
ORDER BY minute, connection_id, name
ON CONFLICT (minute, connection_id, name) DO UPDATE SET count = activity_figures.count + excluded.count;

-- name: delete_figures: minutes beyond the newest figures are gone
DELETE FROM forwarder.activity_figures WHERE minute <= (
    SELECT minute FROM forwarder.activity_figures ORDER BY minute DESC, connection_id DESC, name DESC OFFSET $1 LIMIT 1
);

-- name: delete_erasures: those that are over
DELETE FROM forwarder.activity_erasures WHERE until_ms <= $1;

-- name: add_levels: a node keeps other shares from now on
INSERT INTO forwarder.activity_levels (node, connection_id, second, level)
SELECT $1, connection_id, second, level FROM unnest($2::bytea[], $3::bigint[], $4::smallint[]) AS given
    (connection_id, second, level);

-- name: delete_levels: changes before this second are gone, except the last of a node and connection
DELETE FROM forwarder.activity_levels AS older WHERE second < $1 AND EXISTS (
    SELECT FROM forwarder.activity_levels AS newer
    WHERE newer.node = older.node AND newer.connection_id = older.connection_id AND newer.level_no > older.level_no
);

-- name: levels: changes after a number, oldest first
SELECT level_no, node::text, connection_id, second, level FROM forwarder.activity_levels
WHERE level_no > $1 ORDER BY level_no;

-- name: newest: the highest number of a record
SELECT coalesce(max(record_no), 0) FROM forwarder.activity_records;

-- name: recent: newest records that meet every condition given
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records
WHERE record_no > $1 AND record_no < $2 AND ($3::bytea IS NULL OR connection_id = $3)
    AND ($4::bytea IS NULL OR event_name = $4) AND ($5::bytea IS NULL OR outcome = $5)
    AND ($6::bytea IS NULL OR reason = $6) AND ($7::bigint IS NULL OR at_ms >= $7)
ORDER BY record_no DESC LIMIT $8;

-- name: recent_of_event: the same of one event ID
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records
WHERE event_id = $10 AND event_id <> '' AND ($11::bytea IS NULL OR order_id = $11 OR event_id = $11)
    AND record_no > $1 AND record_no < $2
    AND ($3::bytea IS NULL OR connection_id = $3) AND ($4::bytea IS NULL OR event_name = $4)
    AND ($5::bytea IS NULL OR outcome = $5) AND ($6::bytea IS NULL OR reason = $6)
    AND ($7::bigint IS NULL OR at_ms >= $7) AND ($9::bytea IS NULL OR source_name = $9)
ORDER BY record_no DESC LIMIT $8;

-- name: recent_of_name: the same of one name in mParticle's words
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records
WHERE source_name = $9 AND source_name <> ''
    AND record_no > $1 AND record_no < $2
    AND ($3::bytea IS NULL OR connection_id = $3) AND ($4::bytea IS NULL OR event_name = $4)
    AND ($5::bytea IS NULL OR outcome = $5) AND ($6::bytea IS NULL OR reason = $6)
    AND ($7::bigint IS NULL OR at_ms >= $7)
ORDER BY record_no DESC LIMIT $8;

-- name: recent_of_order: the same of one order number, which some connections send as event ID
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records
WHERE ((order_id = $10 AND order_id <> '') OR (event_id = $10 AND event_id <> ''))
    AND record_no > $1 AND record_no < $2
    AND ($3::bytea IS NULL OR connection_id = $3) AND ($4::bytea IS NULL OR event_name = $4)
    AND ($5::bytea IS NULL OR outcome = $5) AND ($6::bytea IS NULL OR reason = $6)
    AND ($7::bigint IS NULL OR at_ms >= $7) AND ($9::bytea IS NULL OR source_name = $9)
ORDER BY record_no DESC LIMIT $8;

-- name: record: one record
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records WHERE record_no = $1;

-- name: way: all records of one event
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM forwarder.activity_records
WHERE event_id = $3 AND event_id <> '' AND event_name = $2 AND connection_id = $1
ORDER BY at_ms, record_no;

-- name: figures: minutes of a time, of one connection or all
SELECT minute, connection_id, array_agg(name), array_agg(count) FROM forwarder.activity_figures
WHERE minute >= $1 AND minute < $2 AND ($3::bytea IS NULL OR connection_id = $3)
GROUP BY minute, connection_id ORDER BY minute, connection_id;

-- name: add_hours: figures are added to those of their hours; sums that no shop reaches stop at the bound
INSERT INTO forwarder.activity_hours (hour, connection_id, event_name, name, amount)
SELECT * FROM unnest($1::integer[], $2::bytea[], $3::bytea[], $4::bytea[], $5::bigint[]) AS given
    (hour, connection_id, event_name, name, amount)
ORDER BY hour, connection_id, event_name, name
ON CONFLICT (hour, connection_id, event_name, name) DO UPDATE
SET amount = least(activity_hours.amount::numeric + excluded.amount, 9000000000000000000)::bigint;

-- name: delete_hours: hours this long before the last one are gone, and those beyond the newest figures
DELETE FROM forwarder.activity_hours WHERE hour <= (SELECT max(hour) FROM forwarder.activity_hours) - $1::integer
    OR hour <= (
        SELECT hour FROM forwarder.activity_hours
        ORDER BY hour DESC, connection_id DESC, event_name DESC, name DESC OFFSET $2 LIMIT 1
    );

-- name: hours: hours of a time, of one connection or all
SELECT hour, connection_id, event_name, array_agg(name), array_agg(amount) FROM forwarder.activity_hours
WHERE hour >= $1 AND hour < $2 AND ($3::bytea IS NULL OR connection_id = $3)
GROUP BY hour, connection_id, event_name ORDER BY hour, connection_id, event_name;

-- name: count_names: events of names are added to those before; how many names are new
WITH counted AS (
    INSERT INTO forwarder.activity_names
        (connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason)
    SELECT connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
        $8::bigint[], $9::bytea[]) AS given
        (connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason)
    ORDER BY connection_id, event_type, event_name
    ON CONFLICT (connection_id, event_type, event_name) DO UPDATE SET
        mapped = activity_names.mapped + excluded.mapped,
        unmapped = activity_names.unmapped + excluded.unmapped,
        dropped = activity_names.dropped + excluded.dropped,
        last_reason = CASE excluded.last_reason WHEN '' THEN activity_names.last_reason ELSE excluded.last_reason END,
        first_ms = least(activity_names.first_ms, excluded.first_ms),
        last_ms = greatest(activity_names.last_ms, excluded.last_ms)
    RETURNING xmax = 0 AS is_new
)
SELECT count(*) FILTER (WHERE is_new) FROM counted;

-- name: delete_names: all but a connection's names seen last are gone
DELETE FROM forwarder.activity_names USING (
    SELECT connection_id, event_type, event_name, row_number() OVER (
        PARTITION BY connection_id ORDER BY last_ms DESC, event_type, event_name
    ) AS place
    FROM forwarder.activity_names
) AS aged
WHERE aged.place > $1 AND activity_names.connection_id = aged.connection_id
    AND activity_names.event_type = aged.event_type AND activity_names.event_name = aged.event_name;

-- name: delete_old_names: names seen this long before the last one are gone
DELETE FROM forwarder.activity_names WHERE last_ms <= (SELECT max(last_ms) FROM forwarder.activity_names) - $1::bigint;

-- name: names: the names of one connection or all that were seen since
SELECT connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason
FROM forwarder.activity_names
WHERE last_ms >= $1 AND ($2::bytea IS NULL OR connection_id = $2) ORDER BY connection_id, event_type, event_name;

-- name: add_erasures: nothing is kept of these until then
INSERT INTO forwarder.activity_erasures (subject, until_ms) SELECT unnest($1::bigint[]), $2
ON CONFLICT (subject) DO UPDATE SET until_ms = excluded.until_ms;

-- name: erase: the records of these are gone; how many, and their bytes
WITH deleted AS (DELETE FROM forwarder.activity_records WHERE subjects && $1::bigint[] RETURNING bytes)
SELECT count(*), coalesce(sum(bytes), 0)::bigint FROM deleted;

-- name: erase_requests: the records of whole requests are gone; their bytes
WITH deleted AS (
    DELETE FROM forwarder.activity_records WHERE outcome = 'attempted' AND event_id = '' RETURNING bytes
)
SELECT coalesce(sum(bytes), 0)::bigint FROM deleted;

-- name: vacuum_records: the space of what was erased is free for new records
VACUUM forwarder.activity_records;
