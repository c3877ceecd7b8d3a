-- Statements of moves: store/moving.py describes the columns. What reads a part has the key of the row in its first
-- columns, after which the next batch begins, and returns rows until they are many ($1) or large ($2).

-- name: find_move: the record of a move; waits for a change of a process that was killed just now
SELECT move_id, state, other_store, part, position FROM forwarder.move FOR SHARE;

-- name: record_move: a move begins, or has a new state
INSERT INTO forwarder.move (move_id, state, other_store, part, position) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (row_no) DO UPDATE SET move_id = excluded.move_id, state = excluded.state,
    other_store = excluded.other_store, part = excluded.part, position = excluded.position;

-- name: forget_move: a move is undone
DELETE FROM forwarder.move;

-- name: delete_all_expiring: every document that expires is deleted
DELETE FROM forwarder.expiring_documents;

-- name: advance_move: a batch arrives that follows the last one
UPDATE forwarder.move SET part = $1, position = $2 WHERE state = 'arriving' AND part = $3 AND position = $4
RETURNING true;

-- name: finish_move: the contents have arrived
UPDATE forwarder.move SET state = 'arrived' WHERE state = 'arriving';

-- name: lock_nodes: no process gets a node number until the end of the transaction
SELECT pg_advisory_xact_lock(1414809175, 1);

-- name: count_nodes: how many processes have used the database within some seconds
SELECT count(*) FROM forwarder.nodes WHERE seen_at > clock_timestamp() - make_interval(secs => $1);

-- name: end_nodes: a process that stood still for long cannot append any more
DELETE FROM forwarder.nodes;

-- name: end_leases: nor settle
DELETE FROM forwarder.leases;

-- name: count_parts: how many rows each part has
SELECT
    (SELECT count(*) FROM forwarder.documents),
    (SELECT count(*) FROM forwarder.document_history),
    (SELECT count(*) FROM forwarder.seen),
    (SELECT count(*) FROM forwarder.dead_letters),
    (SELECT count(*) FROM forwarder.returned),
    (SELECT count(*) FROM forwarder.fresh);

-- name: next_event_no: the number that the next event gets
SELECT last_value + is_called::integer FROM forwarder.event_no;

-- name: set_next_event_no: numbers go on from here
SELECT setval('forwarder.event_no', $1, false);

-- name: read_documents: in order of creation
SELECT document_no, kind, id, revision, changed_at_ms, changed_by, body
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY document_no) - octet_length(body) AS bytes_before
    FROM (SELECT * FROM forwarder.documents WHERE document_no > $3 ORDER BY document_no LIMIT $1) AS following
) AS summed
WHERE bytes_before < $2::bigint ORDER BY document_no;

-- name: read_history: every revision
SELECT kind, id, revision, kind, id, revision, changed_at_ms, changed_by, body
FROM (
    SELECT *, sum(octet_length(body)) OVER (ORDER BY kind, id, revision) - octet_length(body) AS bytes_before
    FROM (
        SELECT * FROM forwarder.document_history WHERE (kind, id, revision) > ($3, $4, $5)
        ORDER BY kind, id, revision LIMIT $1
    ) AS following
) AS summed
WHERE bytes_before < $2::bigint ORDER BY kind, id, revision;

-- name: read_keys: keys of all tables; one may be in several
SELECT key, slot, accepted_at_ms, key FROM forwarder.seen WHERE (key, slot) > ($3, $4::smallint) AND $2::bigint > 0
ORDER BY key, slot LIMIT $1;

-- name: read_dead_letters: by number
SELECT event_no, summed.connection_id, wire_form, event_no, reason, dead_lettered_at_ms, connection_revision,
    event_name, event_id, accepted_at_ms, attempts, first_attempt_at_ms, answer, subjects, payload
FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY event_no) - octet_length(payload) AS bytes_before
    FROM (SELECT * FROM forwarder.dead_letters WHERE event_no > $3 ORDER BY event_no LIMIT $1) AS following
) AS summed JOIN forwarder.lanes USING (lane_no)
WHERE bytes_before < $2::bigint ORDER BY event_no;

-- name: read_returned: events that came back, by lane and number
SELECT lane_no, event_no, connection_id, wire_form, event_no, due_ms, scheduled_at_ms, connection_revision, event_name,
    event_id, accepted_at_ms, attempts, first_attempt_at_ms, unanswered_at_ms, answer, subjects, payload
FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY lane_no, event_no) - octet_length(payload) AS bytes_before
    FROM (
        SELECT * FROM forwarder.returned WHERE (lane_no, event_no) > ($3, $4) ORDER BY lane_no, event_no LIMIT $1
    ) AS following
) AS summed JOIN forwarder.lanes USING (lane_no)
WHERE bytes_before < $2::bigint ORDER BY lane_no, event_no;

-- name: read_fresh: fresh events, by lane and number
SELECT lane_no, event_no, connection_id, wire_form, event_no, connection_revision, event_name, event_id, accepted_at_ms,
    subjects, payload
FROM (
    SELECT *, sum(octet_length(payload)) OVER (ORDER BY lane_no, event_no) - octet_length(payload) AS bytes_before
    FROM (
        SELECT * FROM forwarder.fresh WHERE (lane_no, event_no) > ($3, $4) ORDER BY lane_no, event_no LIMIT $1
    ) AS following
) AS summed JOIN forwarder.lanes USING (lane_no)
WHERE bytes_before < $2::bigint ORDER BY lane_no, event_no;

-- name: write_keys: keys; of one that is there, the later time counts
INSERT INTO forwarder.seen AS stored (slot, key, accepted_at_ms)
SELECT 0, key, max(accepted_at_ms) FROM unnest($1::bigint[], $2::bytea[]) AS moved (accepted_at_ms, key)
GROUP BY key ORDER BY key
ON CONFLICT (key, slot) DO UPDATE SET accepted_at_ms = greatest(stored.accepted_at_ms, excluded.accepted_at_ms);

-- name: forget_turns: the turns of the keys begin anew
DELETE FROM forwarder.seen_turns;

-- name: end_first_turn: the keys of slot 0 are those of a turn that is over
INSERT INTO forwarder.seen_turns (turn, started_at_ms) VALUES (0, 0);

-- name: add_to_lane_counts: events of lanes arrive
SELECT forwarder.add_to_lane_counts($1, $2, $3, $4, $5, $6);
