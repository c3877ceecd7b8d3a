-- Every statement of the PostgreSQL store that is not a function of the migrations. `-- name:` begins one and its line
-- describes it. Functions, and why they are functions: migrations/002_append.sql.

-- name: begin_migration: one node at a time brings the schema up to date
SELECT pg_advisory_xact_lock(1414809175, 0);

-- name: has_schema: whether the schema is there
SELECT to_regclass('forwarder.versions') IS NOT NULL;

-- name: create_schema: the schema, which the first node creates
DO $$ BEGIN IF to_regnamespace('forwarder') IS NULL THEN CREATE SCHEMA forwarder; END IF; END $$;

-- name: create_versions: the table of the migrations
CREATE TABLE IF NOT EXISTS forwarder.versions (
    version integer PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    oldest_program integer
);

-- name: version: how many migrations the schema has had
SELECT coalesce(max(version), 0) FROM forwarder.versions;

-- name: set_version: a migration was applied
INSERT INTO forwarder.versions (version) VALUES ($1);

-- name: set_oldest_program: the oldest program that may use the database after a migration
UPDATE forwarder.versions SET oldest_program = $2 WHERE version = $1;

-- name: oldest_program: the oldest that may use the database after the migrations beyond a number
SELECT max(coalesce(oldest_program, version)) FROM forwarder.versions WHERE version > $1;

-- name: server_version: the version of the server as a number, 150003 for 15.3
SELECT current_setting('server_version_num')::integer;

-- name: claim_node: the number of this process
SELECT forwarder.claim_node($1);

-- name: leave_node: another process may use the number from now on
UPDATE forwarder.nodes SET seen_at = '-infinity' WHERE process = $1;

-- name: lanes: all lanes
SELECT lane_no, connection_id, wire_form FROM forwarder.lanes;

-- name: add_lanes: lanes that are not there yet
INSERT INTO forwarder.lanes (connection_id, wire_form) SELECT * FROM unnest($1::text[], $2::text[])
ON CONFLICT (connection_id, wire_form) DO NOTHING;

-- name: append_group: a group of requests for which there is room
SELECT state, admissions FROM forwarder.append_group(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25
);

-- name: begin_turn: new keys go to the next table
SELECT forwarder.begin_turn($1, $2, $3);

-- name: lock_space: one node at a time assigns the last space
SELECT pg_advisory_xact_lock(1414809175, 3);

-- name: find_group: the admissions of a group that is stored already
SELECT forwarder.find_group($1, $2, $3);

-- name: current_slot: the table of the new keys, held until the end of the transaction
SELECT forwarder.current_slot($1, $2, $3);

-- name: add_keys: the places of the events whose keys are new
SELECT forwarder.add_keys($1, $2, $3, $4);

-- name: forget_keys: keys of events that were not stored
DELETE FROM forwarder.seen WHERE slot = $1 AND key = ANY ($2);

-- name: held_bytes: how much some connections take up, and all connections together
SELECT connection_id, bytes FROM forwarder.held_bytes($1, $2);

-- name: add_events: events are stored and counted
SELECT forwarder.add_events($1, $2, $3, $4, $5, $6, $7, $8, $9);

-- name: add_to_totals: counts of a share grow or shrink
SELECT forwarder.add_to_totals($1, $2, $3, $4, $5);

-- name: keep_group: the admissions of the group that was stored last
SELECT forwarder.keep_group($1, $2, $3);

-- name: notify: other processes are woken; the change needs no sync, since it changes nothing that is kept
SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, $2);

-- name: notify_with_change: other processes are woken when the change is committed
SELECT pg_notify($1, '');

-- name: lanes_of_connection: a connection's lanes with events that are not leased, and how many
SELECT lane_no, wire_form, waiting - leased AS unleased
FROM (
    SELECT lane_no, wire_form,
        (SELECT coalesce(sum(waiting), 0)::bigint FROM forwarder.lane_counts AS counted
            WHERE counted.lane_no = lanes.lane_no) AS waiting,
        forwarder.number_of(forwarder.leased_places(lane_no, forwarder.seconds_now($2))) AS leased
    FROM forwarder.lanes WHERE connection_id = $1
) AS lane
WHERE waiting > leased;

-- name: lease_events: the next group of a lane, leased
SELECT * FROM forwarder.lease_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: find_work: what is due in the lanes of a connection
SELECT wire_form, due, since_ms, next_ms
FROM forwarder.lanes
JOIN unnest($2::text[], $3::integer[]) AS most (wire_form, events) USING (wire_form),
LATERAL forwarder.find_work(lane_no, events, $4, $5, $6)
WHERE connection_id = $1;

-- name: renew_lease: a lease that is held lasts longer
UPDATE forwarder.leases SET expires_at = forwarder.seconds_now($3) + $2
WHERE token = $1 AND expires_at > forwarder.seconds_now($3) RETURNING token;

-- name: release_lease: a lease ends
DELETE FROM forwarder.leases WHERE token = $1;

-- name: release_all: the leases of a process end
DELETE FROM forwarder.leases WHERE process = $1;

-- name: renew_claims: a process's claims last longer, and others that are free become its own
SELECT names, surplus FROM forwarder.renew_claims($1, $2, $3, $4, $5);

-- name: give_back_claims: other processes may take these claims
DELETE FROM forwarder.claims WHERE topic = $1 AND process = $2 AND name = ANY ($3);

-- name: leave_claims: a process has no claims, and does not count among those that share them
WITH given_back AS (DELETE FROM forwarder.claims WHERE process = $1)
DELETE FROM forwarder.claimers WHERE process = $1;

-- name: settle_events: outcomes of a lease's events
SELECT forwarder.settle_events($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- name: totals: the totals of all connections
SELECT connection_id, counter, reason, sum(count)::bigint FROM forwarder.totals
GROUP BY connection_id, counter, reason HAVING sum(count) > 0 ORDER BY connection_id, counter, reason;

-- name: counts: what each lane holds, and when the oldest fresh and the oldest returned event were accepted
SELECT connection_id, waiting, waiting_bytes, dead_letters, dead_letter_bytes,
    forwarder.number_of(forwarder.leased_places(lane_no, forwarder.seconds_now($1))) AS leased,
    least(
        (SELECT accepted_at_ms FROM forwarder.fresh WHERE fresh.lane_no = lanes.lane_no ORDER BY event_no LIMIT 1),
        (SELECT accepted_at_ms FROM forwarder.returned WHERE returned.lane_no = lanes.lane_no ORDER BY event_no LIMIT 1)
    ) AS oldest_accepted_at_ms
FROM forwarder.lanes
JOIN (
    SELECT lane_no, sum(waiting)::bigint AS waiting, sum(waiting_bytes)::bigint AS waiting_bytes,
        sum(dead_letters)::bigint AS dead_letters, sum(dead_letter_bytes)::bigint AS dead_letter_bytes
    FROM forwarder.lane_counts GROUP BY lane_no
) AS counted USING (lane_no)
WHERE waiting > 0 OR dead_letters > 0;

-- name: used_bytes: how much all lanes take up; fails on a server that cannot write
SELECT bytes FROM forwarder.held_bytes('{}', $1) WHERE connection_id IS NULL;

-- name: touch_node: a process is there, with encryption keys of these IDs; proof that the server can write
UPDATE forwarder.nodes SET seen_at = clock_timestamp(), key_ids = $2 WHERE process = $1;

-- name: nodes_without_key: how many other processes do not have a key, of those that were seen in the last seconds
SELECT count(*) FROM forwarder.nodes
WHERE process <> $1 AND seen_at > clock_timestamp() - interval '10 seconds' AND NOT key_ids @> ARRAY[$2::text];

-- name: last_event_no: no stored event has a higher number
SELECT last_value FROM forwarder.event_no;

-- name: dead_letter_some: a step of moving a lane's events to the dead letters
SELECT forwarder.dead_letter_some($1, $2, $3, $4, $5, $6);

-- name: found_dead_letters: numbers of dead letters that meet every condition given
SELECT event_no FROM forwarder.dead_letters
WHERE event_no > $1 AND ($3::text IS NULL OR reason = $3) AND ($4::bigint IS NULL OR dead_lettered_at_ms >= $4)
    AND ($5::bigint IS NULL OR dead_lettered_at_ms < $5)
ORDER BY event_no LIMIT $2;

-- name: found_dead_letters_of_connection: the same of one connection
SELECT event_no FROM forwarder.dead_letters
WHERE connection_id = $6 AND event_no > $1 AND ($3::text IS NULL OR reason = $3)
    AND ($4::bigint IS NULL OR dead_lettered_at_ms >= $4) AND ($5::bigint IS NULL OR dead_lettered_at_ms < $5)
ORDER BY event_no LIMIT $2;

-- name: found_dead_letters_by_number: the same of chosen numbers
SELECT event_no FROM forwarder.dead_letters
WHERE event_no = ANY ($7::bigint[]) AND ($6::text IS NULL OR connection_id = $6)
    AND event_no > $1 AND ($3::text IS NULL OR reason = $3)
    AND ($4::bigint IS NULL OR dead_lettered_at_ms >= $4) AND ($5::bigint IS NULL OR dead_lettered_at_ms < $5)
ORDER BY event_no LIMIT $2;

-- name: dead_letters: whole dead letters of some numbers
SELECT event_no, dead_letters.connection_id, connection_revision, wire_form, event_name, event_id, payload, reason,
    answer, attempts, accepted_at_ms, first_attempt_at_ms, dead_lettered_at_ms
FROM forwarder.dead_letters JOIN forwarder.lanes USING (lane_no)
WHERE event_no = ANY ($1::bigint[]) ORDER BY event_no;

-- name: dead_letter_counts: how many there are by connection and reason, and since when
SELECT connection_id, reason, count(*), min(dead_lettered_at_ms), max(dead_lettered_at_ms)
FROM forwarder.dead_letters GROUP BY connection_id, reason ORDER BY connection_id, reason;

-- name: count_by_state: how many of these replayed events of a connection wait, and how many are dead letters
SELECT
    (SELECT count(*) FROM forwarder.returned
        WHERE lane_no IN (SELECT lane_no FROM forwarder.lanes WHERE connection_id = $1)
            AND event_no = ANY ($2::bigint[])),
    (SELECT count(*) FROM forwarder.dead_letters WHERE event_no = ANY ($2::bigint[]));

-- name: replay_events: dead letters wait again
SELECT forwarder.replay_events($1, $2, $3);

-- name: discard_events: dead letters are deleted
SELECT forwarder.remove_dead_letters($1, 'discarded', $2);

-- name: dead_letters_before: numbers of some that became dead letters before a time
SELECT event_no FROM forwarder.dead_letters WHERE dead_lettered_at_ms < $1 LIMIT $2;

-- name: expire_events: those of them that are still there are deleted; how many, by connection
SELECT connection_id, events FROM forwarder.expire_dead_letters($1, $2, $3);

-- name: events_about: lane and number of all events about any of these subjects; reads every row
SELECT lane_no, event_no FROM (
    SELECT lane_no, event_no, subjects FROM forwarder.fresh
    UNION ALL SELECT lane_no, event_no, subjects FROM forwarder.returned
    UNION ALL SELECT lane_no, event_no, subjects FROM forwarder.dead_letters
) AS event
WHERE EXISTS (SELECT 1 FROM unnest($1::bytea[]) AS wanted (subject) WHERE position(subject IN subjects) > 0);

-- name: erase_events: events are erased wherever they are by now
SELECT forwarder.erase_events($1, $2, $3);

-- name: vacuum_events: the space of what was deleted is used again
VACUUM forwarder.fresh, forwarder.returned, forwarder.dead_letters;

-- name: vacuum_documents: the space of what was replaced is used again
VACUUM forwarder.documents, forwarder.document_history;

-- name: lock_documents: one node at a time changes documents
SELECT pg_advisory_xact_lock(1414809175, 4);

-- name: documents: documents of a kind, in order of creation
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM forwarder.documents
WHERE kind = $1 ORDER BY document_no;

-- name: document: one document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM forwarder.documents WHERE kind = $1 AND id = $2;

-- name: revisions: the stored revision of each document (0: none), and the last one of its history
SELECT
    coalesce((SELECT revision FROM forwarder.documents AS current
        WHERE current.kind = wanted.kind AND current.id = wanted.id), 0),
    coalesce((SELECT max(revision) FROM forwarder.document_history AS past
        WHERE past.kind = wanted.kind AND past.id = wanted.id), 0)
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (kind, id, place) ORDER BY place;

-- name: put_document: a document is made or changed
INSERT INTO forwarder.documents (kind, id, revision, body, changed_at_ms, changed_by) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (kind, id) DO UPDATE SET revision = excluded.revision, body = excluded.body,
    changed_at_ms = excluded.changed_at_ms, changed_by = excluded.changed_by;

-- name: remove_document: a document is gone
DELETE FROM forwarder.documents WHERE kind = $1 AND id = $2 RETURNING revision;

-- name: add_to_history: a revision is kept
INSERT INTO forwarder.document_history (kind, id, revision, body, changed_at_ms, changed_by, change_no)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: last_change: the number of the last change of documents, and what distinguishes this server from others
SELECT coalesce(max(change_no), 0), pg_postmaster_start_time()::text FROM forwarder.document_history;

-- name: changed_documents: what has changed after the change of a number, in the order of the changes
SELECT kind, id, max(change_no) AS last FROM forwarder.document_history WHERE change_no > $1
GROUP BY kind, id ORDER BY last;

-- name: has_changed: whether a document of some kinds was changed after the change of a number
SELECT EXISTS (SELECT FROM forwarder.document_history WHERE change_no > $1 AND kind = ANY ($2::text[]));

-- name: document_history: every revision of a document
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM forwarder.document_history
WHERE kind = $1 AND id = $2 ORDER BY revision;

-- name: history_of_kind: every revision of every document of a kind
SELECT kind, id, revision, body, changed_at_ms, changed_by FROM forwarder.document_history WHERE kind = $1;

-- name: rewrite_document: a document is stored in other bytes
UPDATE forwarder.documents SET body = $1 WHERE kind = $2 AND id = $3;

-- name: rewrite_history: so does a revision of it
UPDATE forwarder.document_history SET body = $1, change_no = $5 WHERE kind = $2 AND id = $3 AND revision = $4;

-- name: expiring_documents: documents of a kind that have not expired, next to expire first
SELECT kind, id, revision, body, expires_at_ms FROM forwarder.expiring_documents
WHERE kind = $1 AND expires_at_ms >= $2 ORDER BY expires_at_ms;

-- name: expiring_document: one document, unless it has expired
SELECT kind, id, revision, body, expires_at_ms FROM forwarder.expiring_documents
WHERE kind = $1 AND id = $2 AND expires_at_ms >= $3;

-- name: put_expiring: a document that expires is made or changed
INSERT INTO forwarder.expiring_documents AS stored (kind, id, revision, body, expires_at_ms)
VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (kind, id) DO UPDATE SET revision = stored.revision + 1, body = excluded.body,
    expires_at_ms = excluded.expires_at_ms
RETURNING revision;

-- name: add_expiring: a document that expires is made, unless it is there
INSERT INTO forwarder.expiring_documents (kind, id, revision, body, expires_at_ms) VALUES ($1, $2, 1, $3, $4)
ON CONFLICT (kind, id) DO NOTHING RETURNING revision;

-- name: change_expiring: a document that expires is changed, if it is of this revision
UPDATE forwarder.expiring_documents SET revision = revision + 1, body = $3, expires_at_ms = $4
WHERE kind = $1 AND id = $2 AND revision = $5 RETURNING revision;

-- name: remove_expiring: documents that expire are gone
DELETE FROM forwarder.expiring_documents WHERE kind = $1 AND id = ANY ($2::text[]) RETURNING id;

-- name: delete_expired: documents of a kind that have expired are deleted
DELETE FROM forwarder.expiring_documents WHERE kind = $1 AND expires_at_ms < $2;

-- name: delete_surplus: of more documents of a kind than are kept, those that expire first are deleted
DELETE FROM forwarder.expiring_documents WHERE kind = $1 AND id IN (
    SELECT id FROM forwarder.expiring_documents WHERE kind = $1 ORDER BY expires_at_ms DESC OFFSET $2
);

-- name: durability: what the server does before it confirms a change; the state of a standby is hidden from some roles
SELECT current_setting('fsync'), current_setting('synchronous_commit'),
    current_setting('synchronous_standby_names') <> '',
    EXISTS (SELECT FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum') OR sync_state IS NULL);

-- name: listen_for_questions: a node answers questions for the next seconds
INSERT INTO forwarder.listening_nodes (process, seen_at) VALUES ($1, clock_timestamp())
ON CONFLICT (process) DO UPDATE SET seen_at = clock_timestamp();

-- name: stop_listening: a node answers nothing any more
DELETE FROM forwarder.listening_nodes WHERE process = $1;

-- name: delete_old_questions: what nodes that have ended left behind
WITH ended AS (
    DELETE FROM forwarder.listening_nodes WHERE seen_at < clock_timestamp() - interval '1 minute'
)
DELETE FROM forwarder.questions WHERE asked_at < clock_timestamp() - interval '1 minute';

-- name: delete_late_answers: those that came after the others were taken
DELETE FROM forwarder.answers
WHERE NOT EXISTS (SELECT FROM forwarder.questions WHERE questions.question_no = answers.question_no);

-- name: other_listening_nodes: how many nodes may answer this one
SELECT count(*) FROM forwarder.listening_nodes
WHERE process <> $1 AND seen_at > clock_timestamp() - make_interval(secs => $2);

-- name: ask: a question; its number
INSERT INTO forwarder.questions (process, topic, body) VALUES ($1, $2, $3) RETURNING question_no;

-- name: unanswered_questions: recent questions of other nodes that this one has not answered
SELECT question_no, topic, body FROM forwarder.questions
WHERE process <> $1 AND asked_at > clock_timestamp() - make_interval(secs => $2) AND NOT EXISTS (
    SELECT FROM forwarder.answers WHERE answers.question_no = questions.question_no AND answers.process = $1
)
ORDER BY question_no;

-- name: answer: an answer, unless the question was deleted
INSERT INTO forwarder.answers (question_no, process, body)
SELECT question_no, $2, $3 FROM forwarder.questions WHERE question_no = $1 FOR KEY SHARE
ON CONFLICT (question_no, process) DO NOTHING;

-- name: count_answers: how many there are
SELECT count(*) FROM forwarder.answers WHERE question_no = $1;

-- name: take_answers: the answers to a question, which is gone with them
WITH asked AS (DELETE FROM forwarder.questions WHERE question_no = $1)
DELETE FROM forwarder.answers WHERE question_no = $1 RETURNING body;
