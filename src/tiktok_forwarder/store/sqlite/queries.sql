-- Every statement of the SQLite store. `-- name:` begins one and its line says what it does. `{slot}` stands for each of
-- the six rotating tables.

-- name: lanes: every lane with its books
SELECT lane_no, connection_id, wire_form, waiting, waiting_bytes, dead_letters, dead_letter_bytes FROM lanes;

-- name: put_lane: the books of a lane as they stand now
INSERT INTO lanes (lane_no, connection_id, wire_form, waiting, waiting_bytes, dead_letters, dead_letter_bytes)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (lane_no) DO UPDATE SET waiting = excluded.waiting, waiting_bytes = excluded.waiting_bytes,
    dead_letters = excluded.dead_letters, dead_letter_bytes = excluded.dead_letter_bytes;

-- name: next_event_no: the number of the next event
SELECT next FROM sequences WHERE name = 'event_no';

-- name: set_next_event_no: numbers go on from here
UPDATE sequences SET next = ? WHERE name = 'event_no';

-- name: recounted_waiting: number and size of the events that wait in a lane
SELECT
    (SELECT count(*) FROM fresh WHERE row_no BETWEEN :first_row AND :last_row)
        + (SELECT count(*) FROM waiting WHERE lane_no = :lane_no),
    (SELECT coalesce(sum(length(payload)), 0) FROM fresh WHERE row_no BETWEEN :first_row AND :last_row)
        + (SELECT coalesce(sum(length(payload)), 0) FROM waiting WHERE lane_no = :lane_no);

-- name: recounted_dead: number and size of the dead letters of a lane
SELECT count(*), coalesce(sum(length(payload)), 0) FROM dead_letters WHERE connection_id = ? AND wire_form = ?;

-- name: add_to_total: a count grows, or shrinks, but never below zero
INSERT INTO totals (connection_id, counter, reason, count) VALUES (?, ?, ?, max(0, ?))
ON CONFLICT (connection_id, counter, reason) DO UPDATE SET count = max(0, count + ?);

-- name: totals: the books of all connections
SELECT connection_id, counter, reason, count FROM totals WHERE count > 0 ORDER BY connection_id, counter, reason;

-- name: add_event: a fresh event
INSERT INTO fresh (row_no, connection_revision, event_name, event_id, accepted_at_ms, subjects, payload)
VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: oldest_fresh: fresh events of some numbers, in order; with the columns of those that came back
SELECT NULL, row_no - :lane_row, connection_revision, event_name, event_id, payload, accepted_at_ms, 0, NULL, NULL,
    subjects
FROM fresh WHERE row_no BETWEEN :first_row AND :last_row ORDER BY row_no;

-- name: newest_fresh: the same, newest first
SELECT NULL, row_no - :lane_row, connection_revision, event_name, event_id, payload, accepted_at_ms, 0, NULL, NULL,
    subjects
FROM fresh WHERE row_no BETWEEN :first_row AND :last_row ORDER BY row_no DESC;

-- name: due_returned: events that came back and are due, from a key on, longest due first
SELECT due_ms, event_no, connection_revision, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting
WHERE lane_no = :lane_no AND (due_ms, event_no) >= (:from_ms, :from_no) AND due_ms <= :now_ms
ORDER BY due_ms, event_no;

-- name: due_by_clock_change: events that came back, scheduled by a clock that was set back since
SELECT due_ms, event_no, connection_revision, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting INDEXED BY returned_by_schedule
WHERE lane_no = :lane_no AND scheduled_at_ms > :latest_ms AND due_ms > 1 ORDER BY scheduled_at_ms;

-- name: fresh_times: numbers of fresh events, in order, and when they were accepted
SELECT row_no - :lane_row, accepted_at_ms FROM fresh WHERE row_no BETWEEN :first_row AND :last_row ORDER BY row_no;

-- name: returned_keys: keys of events that came back, from one on, next due first
SELECT due_ms, event_no FROM waiting
WHERE lane_no = :lane_no AND (due_ms, event_no) >= (:from_ms, :from_no) ORDER BY due_ms, event_no;

-- name: oldest_accepted: when the oldest events of a lane were accepted: fresh, of an earlier version, come back
SELECT
    (SELECT accepted_at_ms FROM fresh WHERE row_no BETWEEN :first_row AND :last_row ORDER BY row_no LIMIT 1),
    (SELECT accepted_at_ms FROM waiting WHERE lane_no = :lane_no AND due_ms = 0 ORDER BY event_no LIMIT 1),
    (SELECT accepted_at_ms FROM waiting INDEXED BY returned_by_number
        WHERE lane_no = :lane_no AND due_ms > 0 ORDER BY event_no LIMIT 1);

-- name: delete_fresh: fresh events leave the queue, from one row to another
DELETE FROM fresh WHERE row_no BETWEEN ? AND ?;

-- name: delete_returned: an event that came back leaves the queue
DELETE FROM waiting WHERE lane_no = ? AND due_ms = ? AND event_no = ?;

-- name: retry_fresh: a fresh event comes back (its fresh row is deleted after)
INSERT INTO waiting (
    lane_no, due_ms, event_no, scheduled_at_ms, connection_revision, event_name, event_id, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, answer, subjects, payload
) SELECT :lane_no, :next_due_ms, :event_no, :now_ms, connection_revision, event_name, event_id, accepted_at_ms,
    :is_attempt, iif(:is_attempt, :now_ms, NULL), iif(:is_unanswered, :now_ms, NULL), :answer, subjects, payload
FROM fresh WHERE row_no = :row_no;

-- name: retry_returned: an event comes back again
UPDATE waiting SET
    due_ms = :next_due_ms,
    scheduled_at_ms = :now_ms,
    attempts = attempts + :is_attempt,
    first_attempt_at_ms = iif(:is_attempt, coalesce(first_attempt_at_ms, :now_ms), first_attempt_at_ms),
    unanswered_at_ms = iif(:is_unanswered, coalesce(unanswered_at_ms, :now_ms), unanswered_at_ms),
    answer = coalesce(:answer, answer)
WHERE lane_no = :lane_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: keys_of_fresh: keys and sizes of fresh events of some numbers, some at a time
SELECT NULL, row_no - :lane_row, length(payload) FROM fresh
WHERE row_no BETWEEN :first_row AND :last_row LIMIT :limit;

-- name: keys_of_returned: keys and sizes of a lane's events that came back, below a number, some at a time
SELECT due_ms, event_no, length(payload) FROM waiting
WHERE lane_no = :lane_no AND event_no < :before_no LIMIT :limit;

-- name: key_of_event: key and size of one event, wherever it waits now
SELECT NULL, row_no - :lane_row, length(payload) FROM fresh WHERE row_no = :first_row
UNION ALL
SELECT due_ms, event_no, length(payload) FROM waiting
WHERE lane_no = :lane_no AND due_ms = 0 AND event_no = :event_no
UNION ALL
SELECT due_ms, event_no, length(payload) FROM waiting INDEXED BY returned_by_number
WHERE lane_no = :lane_no AND due_ms > 0 AND event_no = :event_no;

-- name: fresh_about: rows of the fresh events about any of these subjects
SELECT row_no FROM fresh WHERE EXISTS (SELECT 1 FROM carray(:subjects) WHERE instr(fresh.subjects, value) > 0);

-- name: returned_about: lane and number of the events that came back about any of these subjects
SELECT lane_no, event_no FROM waiting
WHERE EXISTS (SELECT 1 FROM carray(:subjects) WHERE instr(waiting.subjects, value) > 0);

-- name: bury_fresh: a fresh event becomes a dead letter (its fresh row is deleted after)
INSERT INTO dead_letters (
    event_no, connection_id, wire_form, reason, dead_lettered_at_ms, connection_revision, event_name, event_id,
    accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects, payload
) SELECT :event_no, :connection_id, :wire_form, :reason, :now_ms, connection_revision, event_name, event_id,
    accepted_at_ms, :is_attempt, iif(:is_attempt, :now_ms, NULL), :answer, subjects, payload
FROM fresh WHERE row_no = :row_no;

-- name: bury_returned: an event that came back becomes a dead letter (its row is deleted after)
INSERT INTO dead_letters (
    event_no, connection_id, wire_form, reason, dead_lettered_at_ms, connection_revision, event_name, event_id,
    accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects, payload
) SELECT event_no, :connection_id, :wire_form, :reason, :now_ms, connection_revision, event_name, event_id,
    accepted_at_ms, attempts + :is_attempt,
    iif(:is_attempt, coalesce(first_attempt_at_ms, :now_ms), first_attempt_at_ms), coalesce(:answer, answer),
    subjects, payload
FROM waiting WHERE lane_no = :lane_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: found_dead_letters: what a change needs to know of dead letters that fulfil every condition given
SELECT event_no, connection_id, wire_form, length(payload) FROM dead_letters
WHERE event_no > :after_no
    AND (:reason IS NULL OR reason = :reason)
    AND (:from_ms IS NULL OR dead_lettered_at_ms >= :from_ms)
    AND (:until_ms IS NULL OR dead_lettered_at_ms < :until_ms)
ORDER BY event_no LIMIT :limit;

-- name: found_dead_letters_of_connection: the same of one connection
SELECT event_no, connection_id, wire_form, length(payload)
FROM dead_letters INDEXED BY dead_letters_by_connection
WHERE connection_id = :connection_id AND event_no > :after_no
    AND (:reason IS NULL OR reason = :reason)
    AND (:from_ms IS NULL OR dead_lettered_at_ms >= :from_ms)
    AND (:until_ms IS NULL OR dead_lettered_at_ms < :until_ms)
ORDER BY event_no LIMIT :limit;

-- name: found_dead_letters_by_number: the same of chosen numbers
SELECT event_no, connection_id, wire_form, length(payload) FROM dead_letters
WHERE event_no IN (SELECT value FROM json_each(:event_nos)) AND event_no > :after_no
    AND (:connection_id IS NULL OR connection_id = :connection_id)
    AND (:reason IS NULL OR reason = :reason)
    AND (:from_ms IS NULL OR dead_lettered_at_ms >= :from_ms)
    AND (:until_ms IS NULL OR dead_lettered_at_ms < :until_ms)
ORDER BY event_no LIMIT :limit;

-- name: dead_letters_before: numbers of some that became dead letters before a time; from the index alone
SELECT event_no FROM dead_letters INDEXED BY dead_letters_by_connection
WHERE dead_lettered_at_ms < :before_ms LIMIT :limit;

-- name: found_dead_letter: the same of one number
SELECT event_no, connection_id, wire_form, length(payload) FROM dead_letters WHERE event_no = ?;

-- name: dead_letters_about: lane and number of the dead letters about any of these subjects
SELECT connection_id, wire_form, event_no FROM dead_letters
WHERE EXISTS (SELECT 1 FROM carray(:subjects) WHERE instr(dead_letters.subjects, value) > 0);

-- name: dead_letter_counts: how many there are by connection and reason, and since when; from the index alone
SELECT connection_id, reason, count(*), min(dead_lettered_at_ms), max(dead_lettered_at_ms)
FROM dead_letters INDEXED BY dead_letters_by_connection
GROUP BY connection_id, reason ORDER BY connection_id, reason;

-- name: dead_letter: one dead letter, whole
SELECT event_no, connection_id, connection_revision, wire_form, event_name, event_id, payload, reason, answer, attempts,
    accepted_at_ms, first_attempt_at_ms, dead_lettered_at_ms
FROM dead_letters WHERE event_no = ?;

-- name: replay_dead_letter: an event waits again, as if never tried but for its attempts (then its dead row is deleted)
INSERT INTO waiting (
    lane_no, due_ms, event_no, scheduled_at_ms, connection_revision, event_name, event_id, accepted_at_ms, attempts,
    answer, subjects, payload
) SELECT :lane_no, :due_ms, event_no, :now_ms, connection_revision, event_name, event_id, accepted_at_ms, attempts,
    answer, subjects, payload
FROM dead_letters WHERE event_no = :event_no;

-- name: replayed_waiting: how many of these replayed events of a connection wait
SELECT count(*) FROM json_each(:event_nos)
CROSS JOIN lanes ON lanes.connection_id = :connection_id
CROSS JOIN waiting INDEXED BY returned_by_number
    ON waiting.lane_no = lanes.lane_no AND waiting.event_no = json_each.value AND waiting.due_ms > 0;

-- name: replayed_dead: how many of these events are dead letters
SELECT count(*) FROM dead_letters WHERE event_no IN (SELECT value FROM json_each(:event_nos));

-- name: delete_dead_letter: a dead letter is gone
DELETE FROM dead_letters WHERE event_no = ?;

-- name: seen_generations: which generations are kept, and since when
SELECT generation, started_at_ms FROM seen_generations ORDER BY generation;

-- name: begin_generation: a table's turn begins
INSERT INTO seen_generations (generation, started_at_ms) VALUES (?, ?);

-- name: end_generation: a table's turn is over and forgotten
DELETE FROM seen_generations WHERE generation = ?;

-- name: empty_seen_{slot}: forget what a table holds
DELETE FROM seen_{slot};

-- name: seen_in_{slot}: when keys were taken
SELECT key, accepted_at_ms FROM carray(?) CROSS JOIN seen_{slot} ON key = value;

-- name: remember_in_{slot}: keys are merged
INSERT OR REPLACE INTO seen_{slot} (key, accepted_at_ms) VALUES (?, ?);

-- name: key_log: logged keys in order
SELECT merged_slices, keys FROM key_log ORDER BY first_event_no;

-- name: merged_slices: how many slices of the keys have been merged
SELECT merged_slices FROM key_log ORDER BY first_event_no DESC LIMIT 1;

-- name: log_keys: keys are taken
INSERT INTO key_log (first_event_no, merged_slices, keys) VALUES (?, ?, ?);

-- name: forget_merged_keys: rows that were written when no more slices than these had been merged are not needed
DELETE FROM key_log WHERE first_event_no < (
    SELECT first_event_no FROM key_log WHERE merged_slices > ? ORDER BY first_event_no LIMIT 1
);

-- name: documents: documents of a kind, in order of creation
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM documents WHERE kind = ? ORDER BY document_no;

-- name: document: one document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM documents WHERE kind = ? AND id = ?;

-- name: latest_revision: the last revision of a document, a removed one too
SELECT max(revision) FROM document_history WHERE kind = ? AND id = ?;

-- name: put_document: a document is made or changed
INSERT INTO documents (kind, id, revision, body, changed_at_ms, changed_by) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body,
    changed_at_ms = excluded.changed_at_ms, changed_by = excluded.changed_by;

-- name: remove_document: a document is gone
DELETE FROM documents WHERE kind = ? AND id = ?;

-- name: add_to_history: a revision is kept
INSERT INTO document_history (kind, id, revision, body, changed_at_ms, changed_by) VALUES (?, ?, ?, ?, ?, ?);

-- name: document_history: every revision of a document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM document_history
WHERE kind = ? AND id = ? ORDER BY revision;

-- name: history_of_kind: every revision of every document of a kind
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM document_history WHERE kind = ?;

-- name: rewrite_document: a document says the same in other bytes
UPDATE documents SET body = ? WHERE kind = ? AND id = ?;

-- name: rewrite_history: so does a revision of it
UPDATE document_history SET body = ? WHERE kind = ? AND id = ? AND revision = ?;

-- name: expiring_documents: documents of a kind that have not expired, next to expire first
SELECT kind, id, revision, body, expires_at_ms FROM expiring_documents
WHERE kind = ? AND expires_at_ms >= ? ORDER BY expires_at_ms;

-- name: expiring_document: one document, unless it has expired
SELECT kind, id, revision, body, expires_at_ms FROM expiring_documents
WHERE kind = ? AND id = ? AND expires_at_ms >= ?;

-- name: put_expiring: a document that expires is made or changed
INSERT INTO expiring_documents (kind, id, revision, body, expires_at_ms) VALUES (?, ?, 1, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET revision = revision + 1, body = excluded.body,
    expires_at_ms = excluded.expires_at_ms;

-- name: remove_expiring: a document that expires is gone
DELETE FROM expiring_documents WHERE kind = ? AND id = ? RETURNING id;

-- name: delete_expired: documents of a kind that have expired are deleted
DELETE FROM expiring_documents WHERE kind = ? AND expires_at_ms < ?;

-- name: delete_surplus: of more documents of a kind than are kept, those that expire first are deleted
DELETE FROM expiring_documents WHERE kind = :kind AND id IN (
    SELECT id FROM expiring_documents WHERE kind = :kind ORDER BY expires_at_ms DESC LIMIT -1 OFFSET :max
);

-- name: any_expiring: whether there is a document that expires
SELECT 1 FROM expiring_documents LIMIT 1;

-- name: delete_all_expiring: every document that expires is deleted
DELETE FROM expiring_documents;
