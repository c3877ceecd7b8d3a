-- The statements of incidents and notices.

-- name: incidents: the open incidents, oldest first
SELECT kind, subject, opened_at_ms, body, away_since_ms FROM forwarder.incidents
ORDER BY opened_at_ms, kind, subject;

-- name: open_incident: an incident is open from now on, unless it is already
INSERT INTO forwarder.incidents (kind, subject, opened_at_ms, body) VALUES ($1, $2, $3, $4)
ON CONFLICT (kind, subject) DO NOTHING RETURNING kind;

-- name: mark_incident: since when an incident has been away; NULL if it was found again
UPDATE forwarder.incidents SET away_since_ms = $3 WHERE kind = $1 AND subject = $2;

-- name: close_incident: an incident is over
DELETE FROM forwarder.incidents WHERE kind = $1 AND subject = $2 RETURNING kind;

-- name: add_notice: a new notice; one that is stored already stays
INSERT INTO forwarder.notices (id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING;

-- name: notices: the newest notices
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM forwarder.notices
ORDER BY notice_no DESC LIMIT $1;

-- name: notice: one notice
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM forwarder.notices
WHERE id = $1;

-- name: due_notices: waiting notices whose time has come, oldest first
SELECT id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms FROM forwarder.notices
WHERE state = 'waiting' AND due_ms <= $1 ORDER BY notice_no;

-- name: settle_notice: the outcome of an attempt
UPDATE forwarder.notices SET state = $2, due_ms = $3, attempts = $4, reason = $5, settled_at_ms = $6 WHERE id = $1;

-- name: delete_old_notices: notices created before this time are gone
DELETE FROM forwarder.notices WHERE created_at_ms < $1
RETURNING id, recipient_id, created_at_ms, body, state, due_ms, attempts, reason, settled_at_ms;

-- name: delete_surplus_notices: of more notices than are kept, the oldest are gone, those that are not waiting first
DELETE FROM forwarder.notices WHERE notice_no IN (
    SELECT notice_no FROM forwarder.notices ORDER BY (state = 'waiting') DESC, notice_no DESC OFFSET $1
);
