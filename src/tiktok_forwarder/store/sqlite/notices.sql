-- The statements of incidents and notices.

-- name: incidents: the open incidents, oldest first
SELECT kind, subject, opened_at_ms, body, away_since_ms FROM incidents ORDER BY opened_at_ms, kind, subject;

-- name: incident: whether an incident is open
SELECT 1 FROM incidents WHERE kind = ? AND subject = ?;

-- name: open_incident: an incident is open from now on
INSERT INTO incidents (kind, subject, opened_at_ms, body, away_since_ms) VALUES (?, ?, ?, ?, ?);

-- name: mark_incident: since when an incident has been away; NULL if it was found again
UPDATE incidents SET away_since_ms = ? WHERE kind = ? AND subject = ?;

-- name: close_incident: an incident is over
DELETE FROM incidents WHERE kind = ? AND subject = ?;

-- name: add_notice: a new notice; one that is stored already stays
INSERT INTO notices (id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING;

-- name: notices: the newest notices
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM notices
ORDER BY notice_no DESC LIMIT ?;

-- name: notice: one notice
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM notices WHERE id = ?;

-- name: due_notices: waiting notices whose time has come, oldest first
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM notices
WHERE state = 'waiting' AND due_ms <= ? ORDER BY notice_no;

-- name: settle_notice: the outcome of an attempt
UPDATE notices SET state = ?, due_ms = ?, attempts = ?, reason = ?, settled_at_ms = ? WHERE id = ?;

-- name: any_old_notice: whether a notice was created before this time
SELECT 1 FROM notices WHERE created_at_ms < ? LIMIT 1;

-- name: old_waiting_notices: notices created before this time that were never sent
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM notices
WHERE created_at_ms < ? AND state = 'waiting' ORDER BY notice_no;

-- name: delete_old_notices: notices created before this time are gone
DELETE FROM notices WHERE created_at_ms < ?;

-- name: delete_surplus_notices: of more notices than are kept, the oldest are gone, those that are not waiting first
DELETE FROM notices WHERE notice_no IN (
    SELECT notice_no FROM notices ORDER BY state = 'waiting' DESC, notice_no DESC LIMIT -1 OFFSET ?
);
