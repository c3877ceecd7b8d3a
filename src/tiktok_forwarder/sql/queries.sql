-- Every statement of the SQLite store. `-- name:` begins one and its line says what it does. `{slot}` stands for each of
-- the six rotating tables.

-- name: queues: all queues
SELECT queue_no, connection_id FROM queues;

-- name: add_queue: a number for a connection
INSERT INTO queues (connection_id) VALUES (:connection_id) RETURNING queue_no;

-- name: next_number: the next number of a sequence
SELECT next FROM sequences WHERE name = :name;

-- name: set_next_number: the sequence goes on from here
UPDATE sequences SET next = :next WHERE name = :name;

-- name: add_event: a new event, never tried
INSERT INTO waiting (
    queue_no, due_ms, event_no, scheduled_at_ms, connection_revision, wire_form, event_name, event_id, payload, subjects,
    accepted_at_ms, attempts
) VALUES (?, 0, ?, 0, ?, ?, ?, ?, ?, ?, ?, 0);

-- name: fresh_events: events never tried, oldest first, after a number
SELECT due_ms, event_no, connection_revision, wire_form, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting WHERE queue_no = :queue_no AND due_ms = 0 AND event_no > :after ORDER BY event_no;

-- name: newest_events: events never tried, newest first
SELECT due_ms, event_no, connection_revision, wire_form, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting WHERE queue_no = :queue_no AND due_ms = 0 ORDER BY event_no DESC;

-- name: due_retries: events whose next attempt is due, longest due first
SELECT due_ms, event_no, connection_revision, wire_form, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting WHERE queue_no = :queue_no AND due_ms BETWEEN 1 AND :now_ms ORDER BY due_ms, event_no;

-- name: one_event: an event by its key
SELECT due_ms, event_no, connection_revision, wire_form, event_name, event_id, payload, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, subjects
FROM waiting WHERE queue_no = :queue_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: retry_keys: keys of events to be tried again, next due first
SELECT due_ms, event_no FROM waiting WHERE queue_no = :queue_no AND due_ms > 0 ORDER BY due_ms, event_no;

-- name: fresh_keys: numbers of events never tried, after a number
SELECT event_no FROM waiting WHERE queue_no = :queue_no AND due_ms = 0 AND event_no > :after ORDER BY event_no;

-- name: mend_schedule: retries scheduled by a clock that has since been set back are due at once
UPDATE waiting SET due_ms = 1 WHERE queue_no = :queue_no AND due_ms > 1 AND scheduled_at_ms > :now_ms;

-- name: delete_event: an event leaves the queue
DELETE FROM waiting WHERE queue_no = :queue_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: delete_fresh_run: a run of events never tried leaves the queue
DELETE FROM waiting WHERE queue_no = :queue_no AND due_ms = 0 AND event_no BETWEEN :first AND :last;

-- name: retry_event: an event is to be tried again
UPDATE waiting SET
    due_ms = max(1, :next_due_ms),
    scheduled_at_ms = :now_ms,
    attempts = attempts + :counts,
    first_attempt_at_ms = CASE WHEN :counts THEN coalesce(first_attempt_at_ms, :now_ms) ELSE first_attempt_at_ms END,
    unanswered_at_ms = CASE WHEN :unanswered THEN coalesce(unanswered_at_ms, :now_ms) ELSE unanswered_at_ms END,
    answer = coalesce(:answer, answer)
WHERE queue_no = :queue_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: dead_letter_event: an event becomes a dead letter (its row in the queue is deleted after)
INSERT INTO dead_letters (
    event_no, queue_no, connection_revision, wire_form, event_name, event_id, payload, subjects, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, answer, reason, dead_lettered_at_ms
) SELECT event_no, queue_no, connection_revision, wire_form, event_name, event_id, payload, subjects, accepted_at_ms,
    attempts + :counts, CASE WHEN :counts THEN coalesce(first_attempt_at_ms, :now_ms) ELSE first_attempt_at_ms END,
    unanswered_at_ms, coalesce(:answer, answer), :reason, :now_ms
FROM waiting WHERE queue_no = :queue_no AND due_ms = :due_ms AND event_no = :event_no;

-- name: dead_letter_queue: every event of a queue becomes a dead letter
INSERT INTO dead_letters (
    event_no, queue_no, connection_revision, wire_form, event_name, event_id, payload, subjects, accepted_at_ms, attempts,
    first_attempt_at_ms, unanswered_at_ms, answer, reason, dead_lettered_at_ms
) SELECT event_no, queue_no, connection_revision, wire_form, event_name, event_id, payload, subjects, accepted_at_ms,
    attempts, first_attempt_at_ms, unanswered_at_ms, answer, :reason, :now_ms
FROM waiting WHERE queue_no = :queue_no;

-- name: delete_queue_events: every event of a queue leaves it
DELETE FROM waiting WHERE queue_no = :queue_no;

-- name: dead_letters: dead letters that fulfil every condition given
SELECT event_no, queue_no, connection_revision, wire_form, event_name, event_id, payload, reason, answer, attempts,
    accepted_at_ms, first_attempt_at_ms, dead_lettered_at_ms
FROM dead_letters
WHERE event_no > :after AND (:queue_no IS NULL OR queue_no = :queue_no) AND (:reason IS NULL OR reason = :reason)
    AND (:from_ms IS NULL OR dead_lettered_at_ms >= :from_ms)
    AND (:until_ms IS NULL OR dead_lettered_at_ms < :until_ms)
    AND (:event_nos IS NULL OR event_no IN (SELECT value FROM json_each(:event_nos)))
ORDER BY event_no LIMIT :limit;

-- name: replay_dead_letter: a dead letter waits again (its row among the dead is deleted after)
INSERT INTO waiting (
    queue_no, due_ms, event_no, scheduled_at_ms, connection_revision, wire_form, event_name, event_id, payload, subjects,
    accepted_at_ms, attempts, first_attempt_at_ms, unanswered_at_ms, answer
) SELECT queue_no, 1, event_no, 0, connection_revision, wire_form, event_name, event_id, payload, subjects,
    accepted_at_ms, attempts, NULL, NULL, answer
FROM dead_letters WHERE event_no = :event_no;

-- name: delete_dead_letter: a dead letter is gone
DELETE FROM dead_letters WHERE event_no = :event_no;

-- name: waiting_subjects: whom each waiting event is about
SELECT queue_no, due_ms, event_no, length(payload), subjects FROM waiting WHERE subjects <> x'';

-- name: dead_subjects: whom each dead letter is about
SELECT queue_no, event_no, subjects FROM dead_letters WHERE subjects <> x'';

-- name: waiting_counts: events and bytes by queue
SELECT queue_no, count(*), sum(length(payload)) FROM waiting GROUP BY queue_no;

-- name: dead_counts: dead letters by queue
SELECT queue_no, count(*) FROM dead_letters GROUP BY queue_no;

-- name: oldest_fresh: when the oldest event never tried was accepted
SELECT accepted_at_ms FROM waiting WHERE queue_no = :queue_no AND due_ms = 0 ORDER BY event_no LIMIT 1;

-- name: oldest_retry: when the oldest event to be tried again was accepted
SELECT min(accepted_at_ms) FROM waiting INDEXED BY waiting_retries_by_age WHERE queue_no = :queue_no AND due_ms > 0;

-- name: add_to_total: a count grows
INSERT INTO totals (connection_id, counter, reason, count) VALUES (?, ?, ?, ?)
ON CONFLICT (connection_id, counter, reason) DO UPDATE SET count = count + excluded.count;

-- name: totals: the books
SELECT connection_id, counter, reason, count FROM totals WHERE count <> 0;

-- name: seen_periods: which period each rotating table holds
SELECT slot, period FROM seen_periods;

-- name: set_seen_period: a rotating table begins a period
INSERT INTO seen_periods (slot, period) VALUES (:slot, :period) ON CONFLICT (slot) DO UPDATE SET period = :period;

-- name: empty_seen_{slot}: forget what a rotating table holds
DELETE FROM seen_{slot};

-- name: seen_at_{slot}: when a key was seen
SELECT accepted_at_ms FROM seen_{slot} WHERE key = ?;

-- name: note_seen_{slot}: a key was seen
INSERT INTO seen_{slot} (key, accepted_at_ms) VALUES (?, ?) ON CONFLICT (key) DO NOTHING;

-- name: documents: documents of a kind, in order of creation
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM documents WHERE kind = :kind ORDER BY document_no;

-- name: document: one document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM documents WHERE kind = :kind AND id = :id;

-- name: put_document: a document is made or changed
INSERT INTO documents (kind, id, revision, body, changed_at_ms, changed_by)
VALUES (:kind, :id, :revision, :body, :changed_at_ms, :changed_by)
ON CONFLICT (kind, id) DO UPDATE SET revision = :revision, body = :body, changed_at_ms = :changed_at_ms,
    changed_by = :changed_by;

-- name: delete_document: a document is gone
DELETE FROM documents WHERE kind = :kind AND id = :id;

-- name: add_history: a revision is kept
INSERT INTO document_history (kind, id, revision, body, changed_at_ms, changed_by)
VALUES (:kind, :id, :revision, :body, :changed_at_ms, :changed_by);

-- name: last_revision: the latest revision of a document, also of one that is gone
SELECT max(revision) FROM document_history WHERE kind = :kind AND id = :id;

-- name: history: every revision of a document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM document_history
WHERE kind = :kind AND id = :id ORDER BY revision;
