-- Every statement of the activity's file. `-- name:` begins one and its line says what it does.

-- name: last_record: the highest number
SELECT coalesce(max(record_no), 0) FROM records;

-- name: add_record: a record
INSERT INTO records (
    record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: add_payload: a record's payload
INSERT INTO payloads (record_no, payload) VALUES (?, ?);

-- name: recent: newest records that fulfil every condition given
-- The bounds are of a form in which the key's order serves them: what came after a number is found without a search.
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records LEFT JOIN payloads USING (record_no)
WHERE (:connection_id IS NULL OR connection_id = :connection_id) AND (:event_name IS NULL OR event_name = :event_name)
    AND (:outcome IS NULL OR outcome = :outcome) AND (:reason IS NULL OR reason = :reason)
    AND (:since_ms IS NULL OR at_ms >= :since_ms)
    AND record_no > coalesce(:after_record_no, -1) AND record_no < coalesce(:before_record_no, 9223372036854775807)
ORDER BY record_no DESC LIMIT :limit;

-- name: recent_of_connection: as recent, of one connection
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records INDEXED BY records_by_connection LEFT JOIN payloads USING (record_no)
WHERE connection_id = :connection_id AND (:event_name IS NULL OR event_name = :event_name)
    AND (:outcome IS NULL OR outcome = :outcome) AND (:reason IS NULL OR reason = :reason)
    AND (:since_ms IS NULL OR at_ms >= :since_ms)
    AND record_no > coalesce(:after_record_no, -1) AND record_no < coalesce(:before_record_no, 9223372036854775807)
ORDER BY record_no DESC LIMIT :limit;

-- name: recent_of_event: as recent, of one event id
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records INDEXED BY records_by_event LEFT JOIN payloads USING (record_no)
WHERE event_id = :event_id AND event_id <> ''
    AND (:connection_id IS NULL OR connection_id = :connection_id) AND (:event_name IS NULL OR event_name = :event_name)
    AND (:outcome IS NULL OR outcome = :outcome) AND (:reason IS NULL OR reason = :reason)
    AND (:since_ms IS NULL OR at_ms >= :since_ms) AND (:source_name IS NULL OR source_name = :source_name)
    AND (:order_id IS NULL OR order_id = :order_id OR event_id = :order_id)
    AND record_no > coalesce(:after_record_no, -1) AND record_no < coalesce(:before_record_no, 9223372036854775807)
ORDER BY record_no DESC LIMIT :limit;

-- name: recent_of_name: as recent, of one name in mParticle's words
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records INDEXED BY records_by_name LEFT JOIN payloads USING (record_no)
WHERE source_name = :source_name AND source_name <> ''
    AND (:connection_id IS NULL OR connection_id = :connection_id) AND (:event_name IS NULL OR event_name = :event_name)
    AND (:outcome IS NULL OR outcome = :outcome) AND (:reason IS NULL OR reason = :reason)
    AND (:since_ms IS NULL OR at_ms >= :since_ms)
    AND record_no > coalesce(:after_record_no, -1) AND record_no < coalesce(:before_record_no, 9223372036854775807)
ORDER BY record_no DESC LIMIT :limit;

-- name: recent_of_order: as recent, of one order number, which some connections send as event ID
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records LEFT JOIN payloads USING (record_no)
WHERE ((order_id = :order_id AND order_id <> '') OR (event_id = :order_id AND event_id <> ''))
    AND (:connection_id IS NULL OR connection_id = :connection_id) AND (:event_name IS NULL OR event_name = :event_name)
    AND (:outcome IS NULL OR outcome = :outcome) AND (:reason IS NULL OR reason = :reason)
    AND (:since_ms IS NULL OR at_ms >= :since_ms) AND (:source_name IS NULL OR source_name = :source_name)
    AND record_no > coalesce(:after_record_no, -1) AND record_no < coalesce(:before_record_no, 9223372036854775807)
ORDER BY record_no DESC LIMIT :limit;

-- name: record: one record
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records LEFT JOIN payloads USING (record_no)
WHERE record_no = :record_no;

-- name: way: all records of one event
SELECT record_no, at_ms, connection_id, outcome, event_name, event_id, reason, facts, subjects, source_name, order_id, payload
FROM records LEFT JOIN payloads USING (record_no)
WHERE event_id = :event_id AND event_id <> '' AND event_name = :event_name AND connection_id = :connection_id
ORDER BY at_ms, record_no;

-- name: subjects: whom each record is about
SELECT record_no, subjects FROM records WHERE subjects <> x'';

-- name: delete_record: a record is gone
DELETE FROM records WHERE record_no = ?;

-- name: delete_payload: a record's payload is gone
DELETE FROM payloads WHERE record_no = ?;

-- name: delete_requests: the records of whole requests are gone
DELETE FROM records WHERE outcome = 'attempted' AND event_id = '';

-- name: oldest_records: where the oldest records end, so many of them
SELECT max(record_no) FROM (SELECT record_no FROM records ORDER BY record_no LIMIT :count);

-- name: records_before: some records of before a time, in any order of numbers: a clock may have been wrong
SELECT record_no FROM records WHERE at_ms < :before_ms LIMIT :count;

-- name: delete_minutes_before: minutes before one are gone
DELETE FROM minutes WHERE minute < :minute;

-- name: delete_hours_before: hours before one are gone
DELETE FROM hours WHERE hour < :hour;

-- name: delete_names_before: names not seen since are gone
DELETE FROM names WHERE last_ms < :before_ms;

-- name: delete_records_to: the oldest records are gone
DELETE FROM records WHERE record_no <= :last;

-- name: delete_payloads_to: their payloads are gone
DELETE FROM payloads WHERE record_no <= :last;

-- name: minute: a connection's minute
SELECT figures FROM minutes WHERE minute = :minute AND connection_id = :connection_id;

-- name: set_minute: a connection's minute as it adds up now
INSERT OR REPLACE INTO minutes (minute, connection_id, figures) VALUES (:minute, :connection_id, :figures);

-- name: minutes: minutes of a time, of one connection or all
SELECT minute, connection_id, figures FROM minutes
WHERE minute >= :from_minute AND minute < :until_minute
    AND (:connection_id IS NULL OR connection_id = :connection_id)
ORDER BY minute, connection_id;

-- name: delete_minutes: all but the newest minutes are gone
DELETE FROM minutes WHERE minute <= (SELECT minute FROM minutes ORDER BY minute DESC LIMIT 1 OFFSET :keep);

-- name: hour: an event's hour
SELECT figures FROM hours WHERE hour = :hour AND connection_id = :connection_id AND event_name = :event_name;

-- name: set_hour: an event's hour as it adds up now
INSERT OR REPLACE INTO hours (hour, connection_id, event_name, figures)
VALUES (:hour, :connection_id, :event_name, :figures);

-- name: hours: hours of a time, of one connection or all
SELECT hour, connection_id, event_name, figures FROM hours
WHERE hour >= :from_hour AND hour < :until_hour AND (:connection_id IS NULL OR connection_id = :connection_id)
ORDER BY hour, connection_id, event_name;

-- name: delete_hours: hours this long before the last one are gone, and all but the newest
DELETE FROM hours WHERE hour <= (SELECT max(hour) FROM hours) - :kept_hours
    OR hour <= (SELECT hour FROM hours ORDER BY hour DESC LIMIT 1 OFFSET :keep);

-- name: name: whether a connection's name is known
SELECT 1 FROM names
WHERE connection_id = :connection_id AND event_type = :event_type AND event_name = :event_name;

-- name: count_name: events of a name are added to those before
INSERT INTO names (
    connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason
)
VALUES (
    :connection_id, :event_type, :event_name, :first_ms, :last_ms, :mapped, :unmapped, :dropped, :last_reason
)
ON CONFLICT (connection_id, event_type, event_name) DO UPDATE SET
    mapped = mapped + excluded.mapped, unmapped = unmapped + excluded.unmapped, dropped = dropped + excluded.dropped,
    last_reason = CASE excluded.last_reason WHEN '' THEN last_reason ELSE excluded.last_reason END,
    first_ms = min(first_ms, excluded.first_ms), last_ms = max(last_ms, excluded.last_ms);

-- name: names: the names of one connection or all that were seen since
SELECT connection_id, event_type, event_name, first_ms, last_ms, mapped, unmapped, dropped, last_reason FROM names
WHERE last_ms >= :since_ms AND (:connection_id IS NULL OR connection_id = :connection_id)
ORDER BY connection_id, event_type, event_name;

-- name: delete_names: all but a connection's names seen last are gone
DELETE FROM names WHERE connection_id = :connection_id AND (event_type, event_name) IN (
    SELECT event_type, event_name FROM names WHERE connection_id = :connection_id
    ORDER BY last_ms DESC, event_type, event_name LIMIT -1 OFFSET :keep
);

-- name: delete_old_names: names seen this long before the last one are gone
DELETE FROM names WHERE last_ms <= (SELECT max(last_ms) FROM names) - :kept_ms;

-- name: add_level: a connection's events are sampled differently from now on
INSERT INTO levels (connection_id, second, level) VALUES (?, ?, ?);

-- name: levels: every change, oldest first
SELECT connection_id, second, level FROM levels ORDER BY level_no;

-- name: delete_levels: all but a connection's newest changes are gone
DELETE FROM levels WHERE level_no IN (
    SELECT level_no FROM (
        SELECT level_no, row_number() OVER (PARTITION BY connection_id ORDER BY level_no DESC) AS age FROM levels
    ) WHERE age > :keep
);
