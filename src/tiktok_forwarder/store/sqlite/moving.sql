-- Statements of moves: store/moving.py describes the columns. The first columns of what reads a part are the key of the
-- row, after which the next batch begins.

-- name: find_move: the record of a move
SELECT move_id, state, other_store, part, position FROM move;

-- name: record_move: a move begins, or has a new state
INSERT INTO move (row_no, move_id, state, other_store, part, position) VALUES (1, ?, ?, ?, ?, ?)
ON CONFLICT (row_no) DO UPDATE SET move_id = excluded.move_id, state = excluded.state,
    other_store = excluded.other_store, part = excluded.part, position = excluded.position;

-- name: forget_move: a move is undone
DELETE FROM move;

-- name: advance_move: a batch arrives that follows the last one
UPDATE move SET part = ?, position = ? WHERE state = 'arriving' AND part = ? AND position = ?;

-- name: finish_move: the contents have arrived
UPDATE move SET state = 'arrived' WHERE state = 'arriving';

-- name: count_parts: how many rows each part has
SELECT
    (SELECT count(*) FROM documents),
    (SELECT count(*) FROM document_history),
    (SELECT count(*) FROM seen_0) + (SELECT count(*) FROM seen_1) + (SELECT count(*) FROM seen_2)
        + (SELECT count(*) FROM seen_3) + (SELECT count(*) FROM seen_4) + (SELECT count(*) FROM seen_5)
        + (SELECT coalesce(sum(length(keys)), 0) / :entry_bytes FROM key_log),
    (SELECT count(*) FROM dead_letters),
    (SELECT count(*) FROM waiting WHERE due_ms > 0),
    (SELECT count(*) FROM fresh) + (SELECT count(*) FROM waiting) - (SELECT count(*) FROM waiting WHERE due_ms > 0);

-- name: read_documents: in order of creation
SELECT document_no, kind, id, revision, changed_at_ms, changed_by, body
FROM documents WHERE document_no > :key_0 ORDER BY document_no LIMIT :most;

-- name: read_history: every revision
SELECT kind, id, revision, kind, id, revision, changed_at_ms, changed_by, body
FROM document_history WHERE (kind, id, revision) > (:key_0, :key_1, :key_2) ORDER BY kind, id, revision LIMIT :most;

-- name: read_seen_{slot}: keys of a table
SELECT key, accepted_at_ms, key FROM seen_{slot} WHERE key > :key_0 ORDER BY key LIMIT :most;

-- name: read_key_log: rows of the log, each with the keys of a commit
SELECT first_event_no, keys FROM key_log WHERE first_event_no > :key_0 ORDER BY first_event_no LIMIT :most;

-- name: read_dead_letters: by number
SELECT event_no, connection_id, wire_form, event_no, reason, dead_lettered_at_ms, connection_revision,
    CAST(event_name AS BLOB), CAST(event_id AS BLOB), accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects,
    payload
FROM dead_letters WHERE event_no > :key_0 ORDER BY event_no LIMIT :most;

-- name: read_returned: events that came back, by lane and number
SELECT lane_no, event_no, connection_id, wire_form, event_no, due_ms, scheduled_at_ms, connection_revision,
    CAST(event_name AS BLOB), CAST(event_id AS BLOB), accepted_at_ms, attempts, first_attempt_at_ms, unanswered_at_ms,
    answer, subjects, payload
FROM waiting INDEXED BY returned_by_number CROSS JOIN lanes USING (lane_no)
WHERE due_ms > 0 AND (lane_no, event_no) > (:key_0, :key_1) ORDER BY lane_no, event_no LIMIT :most;

-- name: read_fresh: fresh events by lane and number
SELECT row_no, connection_id, wire_form, row_no % :lane_rows, connection_revision, CAST(event_name AS BLOB),
    CAST(event_id AS BLOB), accepted_at_ms, subjects, payload
FROM fresh CROSS JOIN lanes ON lane_no = row_no / :lane_rows
WHERE row_no > :key_0 ORDER BY row_no LIMIT :most;

-- name: read_early_fresh: fresh events that an earlier version left among those that came back
SELECT lane_no, event_no, connection_id, wire_form, event_no, connection_revision, CAST(event_name AS BLOB),
    CAST(event_id AS BLOB), accepted_at_ms, subjects, payload
FROM waiting CROSS JOIN lanes USING (lane_no)
WHERE (lane_no, due_ms, event_no) > (:key_0, 0, :key_1) AND due_ms < 1 ORDER BY lane_no, due_ms, event_no LIMIT :most;

-- name: write_documents: a document
INSERT INTO documents (kind, id, revision, changed_at_ms, changed_by, body) VALUES (?, ?, ?, ?, ?, ?);

-- name: write_history: a revision
INSERT INTO document_history (kind, id, revision, changed_at_ms, changed_by, body) VALUES (?, ?, ?, ?, ?, ?);

-- name: forget_generations: the turns of the tables begin anew
DELETE FROM seen_generations;

-- name: write_key: a key; of one that is there, the later time counts
INSERT INTO seen_0 (accepted_at_ms, key) VALUES (?, ?)
ON CONFLICT (key) DO UPDATE SET accepted_at_ms = max(accepted_at_ms, excluded.accepted_at_ms);

-- name: write_dead_letter: a dead letter
INSERT INTO dead_letters (
    connection_id, wire_form, event_no, reason, dead_lettered_at_ms, connection_revision, event_name, event_id,
    accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects, payload
) VALUES (?, ?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?);

-- name: write_returned: an event that came back
INSERT INTO waiting (
    lane_no, event_no, due_ms, scheduled_at_ms, connection_revision, event_name, event_id, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, answer, subjects, payload
) VALUES (?, ?, ?, ?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?, ?, ?, ?, ?);

-- name: write_fresh: a fresh event
INSERT INTO fresh (row_no, connection_revision, event_name, event_id, accepted_at_ms, subjects, payload)
VALUES (?, ?, CAST(? AS TEXT), CAST(? AS TEXT), ?, ?, ?);

-- name: add_lane: a lane that is not there yet, empty
INSERT INTO lanes (connection_id, wire_form, waiting, waiting_bytes, dead_letters, dead_letter_bytes)
VALUES (?, ?, 0, 0, 0, 0) ON CONFLICT (connection_id, wire_form) DO NOTHING;

-- name: add_to_lane: events of a lane arrive
UPDATE lanes SET waiting = waiting + ?, waiting_bytes = waiting_bytes + ?, dead_letters = dead_letters + ?,
    dead_letter_bytes = dead_letter_bytes + ?
WHERE connection_id = ? AND wire_form = ?;
