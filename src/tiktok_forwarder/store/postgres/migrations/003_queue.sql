-- Functions that lease and settle events. Every function that adds a lease to a lane, or takes events out of leases of
-- others, has the lane's advisory lock; it is taken before any row.

-- The events of a lane that are leased now, and how many they are. `_now_seconds` is null unless a test sets the clock.
CREATE FUNCTION forwarder.seconds_now(_now_seconds double precision) RETURNS double precision
LANGUAGE plpgsql AS $$
BEGIN
    RETURN coalesce(_now_seconds, extract(epoch FROM clock_timestamp()));
END;
$$;

CREATE FUNCTION forwarder.leased_places(_lane_no integer, _now_seconds double precision) RETURNS int8multirange
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT coalesce(range_agg(places), '{}') FROM forwarder.leases
        WHERE lane_no = _lane_no AND expires_at > _now_seconds
    );
END;
$$;

CREATE FUNCTION forwarder.places_of(_event_nos bigint[]) RETURNS int8multirange
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(range_agg(int8range(no, no, '[]')), '{}') FROM unnest(_event_nos) AS event (no));
END;
$$;

CREATE FUNCTION forwarder.number_of(_places int8multirange) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(upper(run) - lower(run)), 0) FROM unnest(_places) AS part (run));
END;
$$;

-- Leases the next group of a lane, if any event is due: first some events that came back, then some of the newest fresh
-- ones, then the oldest, then more that came back. One event is always allowed, whatever its size.
CREATE FUNCTION forwarder.lease_events(
    _process uuid, _lane_no integer, _most integer, _most_returned integer, _most_newest integer, _most_bytes bigint,
    _now_ms bigint, _latest_ms bigint, _lease_seconds double precision, _now_seconds double precision
) RETURNS TABLE (
    lease_token bigint, event_no bigint, connection_revision integer, event_name bytea, event_id bytea, payload bytea,
    accepted_at_ms bigint, attempts integer, first_attempt_at_ms bigint, unanswered_at_ms bigint, subjects bytea
)
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
#variable_conflict use_column
DECLARE
    _seconds double precision;
    _leased int8multirange;
    _fresh bigint[];
    _returned bigint[];
    _places int8multirange;
    _token bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809176, _lane_no);
    -- A process that stood still while the contents were moved.
    IF forwarder.is_moved() THEN
        RETURN;
    END IF;
    -- A lease that a crash of the server forgets is a lease that has ended.
    PERFORM set_config('synchronous_commit', 'off', true);
    _seconds := forwarder.seconds_now(_now_seconds);
    DELETE FROM forwarder.leases WHERE lane_no = _lane_no AND expires_at <= _seconds;
    _leased := forwarder.leased_places(_lane_no, _seconds);
    WITH due AS (
        (
            SELECT event_no, octet_length(payload) AS size, 0 AS kind, due_ms FROM forwarder.returned
            WHERE lane_no = _lane_no AND due_ms <= _now_ms AND NOT _leased @> event_no
            ORDER BY due_ms, event_no LIMIT _most
        ) UNION ALL (
            -- Scheduled by a clock that was set back since.
            SELECT event_no, octet_length(payload), 1, scheduled_at_ms FROM forwarder.returned
            WHERE lane_no = _lane_no AND scheduled_at_ms > _latest_ms AND due_ms > 1 AND due_ms > _now_ms
                AND NOT _leased @> event_no
            ORDER BY scheduled_at_ms LIMIT _most
        )
    ), ranked AS (
        SELECT event_no, size, row_number() OVER (ORDER BY kind, due_ms, event_no) AS rank, true AS is_returned FROM due
    ), newest AS (
        SELECT event_no, octet_length(payload) AS size FROM forwarder.fresh
        WHERE lane_no = _lane_no AND NOT _leased @> event_no
        ORDER BY event_no DESC LIMIT _most_newest
    ), oldest AS (
        SELECT event_no, octet_length(payload) AS size FROM forwarder.fresh
        WHERE lane_no = _lane_no AND NOT _leased @> event_no
        ORDER BY event_no LIMIT _most
    ), candidate AS (
        SELECT event_no, size, is_returned, CASE WHEN rank <= _most_returned THEN 1 ELSE 4 END AS step, rank FROM ranked
        UNION ALL SELECT event_no, size, false, 2, -event_no FROM newest
        UNION ALL SELECT event_no, size, false, 3, event_no FROM oldest
    ), distinct_candidate AS (
        SELECT DISTINCT ON (event_no) * FROM candidate ORDER BY event_no, step
    ), counted AS (
        SELECT event_no, is_returned, row_number() OVER taking AS number, sum(size) OVER taking AS bytes
        FROM distinct_candidate WINDOW taking AS (ORDER BY step, rank)
    )
    SELECT array_agg(event_no) FILTER (WHERE NOT is_returned), array_agg(event_no) FILTER (WHERE is_returned)
    INTO _fresh, _returned
    FROM counted WHERE number = 1 OR number <= _most AND bytes <= _most_bytes;
    IF _fresh IS NULL AND _returned IS NULL THEN
        RETURN;
    END IF;
    _places := forwarder.places_of(_fresh || _returned);
    INSERT INTO forwarder.leases (expires_at, lane_no, process, places, unsettled)
    VALUES (_seconds + _lease_seconds, _lane_no, _process, _places, _places)
    RETURNING token INTO _token;
    RETURN QUERY
        SELECT _token, event_no, connection_revision, event_name, event_id, payload, accepted_at_ms, 0, NULL::bigint,
            NULL::bigint, subjects
        FROM forwarder.fresh WHERE lane_no = _lane_no AND event_no = ANY (_fresh);
    IF _returned IS NOT NULL THEN
        RETURN QUERY
            SELECT _token, event_no, connection_revision, event_name, event_id, payload, accepted_at_ms, attempts,
                first_attempt_at_ms, unanswered_at_ms, subjects
            FROM forwarder.returned WHERE lane_no = _lane_no AND event_no = ANY (_returned);
    END IF;
END;
$$;

-- What is due in a lane and not leased: how many events, counted up to `_most`; since when the first of them waits; and
-- when the next returned event is due.
CREATE FUNCTION forwarder.find_work(
    _lane_no integer, _most integer, _now_ms bigint, _latest_ms bigint, _now_seconds double precision
) RETURNS TABLE (due bigint, since_ms bigint, next_ms bigint)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    _leased int8multirange := forwarder.leased_places(_lane_no, forwarder.seconds_now(_now_seconds));
BEGIN
    due := (SELECT coalesce(sum(waiting), 0) FROM forwarder.lane_counts WHERE lane_no = _lane_no)
        - forwarder.number_of(_leased);
    IF due <= 0 THEN
        RETURN;
    END IF;
    next_ms := (
        SELECT due_ms FROM forwarder.returned
        WHERE lane_no = _lane_no AND NOT _leased @> event_no ORDER BY due_ms, event_no LIMIT 1
    );
    since_ms := least(
        (SELECT accepted_at_ms FROM forwarder.fresh
            WHERE lane_no = _lane_no AND NOT _leased @> event_no ORDER BY event_no LIMIT 1),
        CASE WHEN next_ms <= _now_ms THEN next_ms END,
        -- Scheduled by a clock that was set back since: due immediately.
        (SELECT 1 FROM forwarder.returned
            WHERE lane_no = _lane_no AND scheduled_at_ms > _latest_ms AND due_ms > 1 AND NOT _leased @> event_no
            LIMIT 1)
    );
    -- Fewer than a group need not be counted exactly.
    IF due >= _most THEN
        due := (
            SELECT count(*) FROM (
                SELECT FROM forwarder.fresh WHERE lane_no = _lane_no AND NOT _leased @> event_no LIMIT _most
            ) AS event
        ) + (
            SELECT count(*) FROM (
                SELECT FROM forwarder.returned
                WHERE lane_no = _lane_no AND due_ms <= _now_ms AND NOT _leased @> event_no LIMIT _most
            ) AS event
        );
    END IF;
    RETURN NEXT;
END;
$$;

-- Takes events out of every lease of a lane: they are about to leave the queue. Needs the lane's lock.
CREATE FUNCTION forwarder.drop_places(_lane_no integer, _event_nos bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    _places int8multirange := forwarder.places_of(_event_nos);
BEGIN
    UPDATE forwarder.leases SET places = places - _places WHERE lane_no = _lane_no AND places && _places;
END;
$$;

-- Moves events of a lane to the dead letters, and returns the sizes of those that were there. An answer is an attempt.
CREATE FUNCTION forwarder.move_to_dead_letters(
    _lane_no integer, _event_nos bigint[], _reasons text[], _answers bytea[], _now_ms bigint
) RETURNS TABLE (size integer)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH verdict AS MATERIALIZED (
        SELECT * FROM unnest(_event_nos, _reasons, _answers) AS v (event_no, reason, answer)
    ), left_fresh AS (
        DELETE FROM forwarder.fresh WHERE lane_no = _lane_no AND event_no = ANY (_event_nos) RETURNING *
    ), left_returned AS (
        DELETE FROM forwarder.returned WHERE lane_no = _lane_no AND event_no = ANY (_event_nos) RETURNING *
    ), gone AS (
        SELECT event_no, accepted_at_ms, NULL::bigint AS first_attempt_at_ms, connection_revision, 0 AS attempts,
            event_name, event_id, NULL::bytea AS answer, subjects, payload
        FROM left_fresh
        UNION ALL
        SELECT event_no, accepted_at_ms, first_attempt_at_ms, connection_revision, attempts, event_name, event_id,
            answer, subjects, payload
        FROM left_returned
    ), added AS (
        INSERT INTO forwarder.dead_letters (
            event_no, dead_lettered_at_ms, accepted_at_ms, first_attempt_at_ms, lane_no, connection_revision, attempts,
            connection_id, reason, event_name, event_id, answer, subjects, payload
        )
        SELECT gone.event_no, _now_ms, accepted_at_ms,
            CASE WHEN verdict.answer IS NULL THEN first_attempt_at_ms ELSE coalesce(first_attempt_at_ms, _now_ms) END,
            _lane_no, connection_revision, attempts + (verdict.answer IS NOT NULL)::integer,
            (SELECT connection_id FROM forwarder.lanes WHERE lane_no = _lane_no), verdict.reason, event_name, event_id,
            coalesce(verdict.answer, gone.answer), subjects, payload
        FROM gone JOIN verdict ON verdict.event_no = gone.event_no
        RETURNING octet_length(payload) AS size
    )
    SELECT size FROM added;
END;
$$;

-- Lets events come back at a time of their own. An event that the queue does not have is left out.
CREATE FUNCTION forwarder.requeue(
    _lane_no integer, _event_nos bigint[], _dues_ms bigint[], _are_attempts boolean[], _are_unanswered boolean[],
    _answers bytea[], _now_ms bigint
) RETURNS void
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
BEGIN
    UPDATE forwarder.returned AS event SET
        due_ms = retry.due_ms,
        scheduled_at_ms = _now_ms,
        attempts = event.attempts + retry.is_attempt::integer,
        first_attempt_at_ms = CASE WHEN retry.is_attempt THEN coalesce(event.first_attempt_at_ms, _now_ms)
            ELSE event.first_attempt_at_ms END,
        unanswered_at_ms = CASE WHEN retry.is_unanswered THEN coalesce(event.unanswered_at_ms, _now_ms)
            ELSE event.unanswered_at_ms END,
        answer = coalesce(retry.answer, event.answer)
    FROM unnest(_event_nos, _dues_ms, _are_attempts, _are_unanswered, _answers)
        AS retry (event_no, due_ms, is_attempt, is_unanswered, answer)
    WHERE event.lane_no = _lane_no AND event.event_no = ANY (_event_nos) AND event.event_no = retry.event_no;

    WITH left_fresh AS (
        DELETE FROM forwarder.fresh WHERE lane_no = _lane_no AND event_no = ANY (_event_nos) RETURNING *
    )
    INSERT INTO forwarder.returned (
        event_no, due_ms, scheduled_at_ms, accepted_at_ms, first_attempt_at_ms, unanswered_at_ms, lane_no,
        connection_revision, attempts, event_name, event_id, answer, subjects, payload
    )
    SELECT event.event_no, retry.due_ms, _now_ms, accepted_at_ms, CASE WHEN retry.is_attempt THEN _now_ms END,
        CASE WHEN retry.is_unanswered THEN _now_ms END, lane_no, connection_revision, retry.is_attempt::integer,
        event_name, event_id, retry.answer, subjects, payload
    FROM left_fresh AS event
    JOIN unnest(_event_nos, _dues_ms, _are_attempts, _are_unanswered, _answers)
        AS retry (event_no, due_ms, is_attempt, is_unanswered, answer) ON retry.event_no = event.event_no;
END;
$$;

-- Removes events from the queue of a lane, and returns the sizes of those that were there.
CREATE FUNCTION forwarder.remove_events(_lane_no integer, _event_nos bigint[]) RETURNS TABLE (size integer)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    _removed bigint;
BEGIN
    RETURN QUERY
        DELETE FROM forwarder.fresh WHERE lane_no = _lane_no AND event_no = ANY (_event_nos)
        RETURNING octet_length(payload);
    GET DIAGNOSTICS _removed = ROW_COUNT;
    IF _removed < cardinality(_event_nos) THEN
        RETURN QUERY
            DELETE FROM forwarder.returned WHERE lane_no = _lane_no AND event_no = ANY (_event_nos)
            RETURNING octet_length(payload);
    END IF;
END;
$$;

-- Settles events of a lease, with their totals; returns false, and changes nothing, if the lease has expired or ended.
CREATE FUNCTION forwarder.settle_events(
    _token bigint, _now_ms bigint, _share integer, _now_seconds double precision, _delivered bigint[],
    _retried bigint[], _dues_ms bigint[], _are_attempts boolean[], _are_unanswered boolean[], _retry_answers bytea[],
    _dead bigint[], _reasons text[], _dead_answers bytea[]
) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    _seconds double precision := forwarder.seconds_now(_now_seconds);
    _lease record;
    _places int8multirange;
    _settled int8multirange;
    _delivered_sum record;
    _dead_sum record;
BEGIN
    SELECT * INTO _lease FROM forwarder.leases WHERE token = _token AND expires_at > _seconds FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    -- With nothing added: a value in memory, since the column's would be unpacked for each event.
    _places := _lease.places + '{}';
    _settled := forwarder.places_of(_delivered || _retried || _dead);
    SELECT count(*) AS events, coalesce(sum(size), 0)::bigint AS bytes INTO _delivered_sum
    FROM forwarder.remove_events(
        _lease.lane_no, ARRAY(SELECT no FROM unnest(_delivered) AS event (no) WHERE _places @> no)
    );
    IF cardinality(_retried) > 0 THEN
        PERFORM forwarder.requeue(
            _lease.lane_no, array_agg(no), array_agg(due_ms), array_agg(is_attempt), array_agg(is_unanswered),
            array_agg(answer), _now_ms
        )
        FROM unnest(_retried, _dues_ms, _are_attempts, _are_unanswered, _retry_answers)
            AS retry (no, due_ms, is_attempt, is_unanswered, answer)
        WHERE _places @> no;
    END IF;
    SELECT 0::bigint AS events, 0::bigint AS bytes INTO _dead_sum;
    IF cardinality(_dead) > 0 THEN
        SELECT count(*) AS events, coalesce(sum(moved.size), 0)::bigint AS bytes INTO _dead_sum
        FROM (
            SELECT array_agg(no) AS nos, array_agg(reason) AS reasons, array_agg(answer) AS answers
            FROM unnest(_dead, _reasons, _dead_answers) AS verdict (no, reason, answer) WHERE _places @> no
        ) AS held,
        LATERAL forwarder.move_to_dead_letters(_lease.lane_no, held.nos, held.reasons, held.answers, _now_ms) AS moved;
    END IF;
    IF _lease.unsettled <@ _settled THEN
        DELETE FROM forwarder.leases WHERE token = _token;
    ELSE
        UPDATE forwarder.leases SET places = places - _settled, unsettled = unsettled - _settled WHERE token = _token;
    END IF;
    IF _delivered_sum.events + _dead_sum.events > 0 THEN
        PERFORM forwarder.add_to_lane_counts(
            _share, ARRAY[_lease.lane_no], ARRAY[-_delivered_sum.events - _dead_sum.events],
            ARRAY[-_delivered_sum.bytes - _dead_sum.bytes], ARRAY[_dead_sum.events], ARRAY[_dead_sum.bytes]
        );
        PERFORM forwarder.count_by_lane(_share, 'delivered', ARRAY[_lease.lane_no], ARRAY[_delivered_sum.events]);
        PERFORM forwarder.count_by_lane(_share, 'dead_lettered', ARRAY[_lease.lane_no], ARRAY[_dead_sum.events]);
    END IF;
    RETURN true;
END;
$$;

-- Renews the claims of a process, gives back what it does not want, and takes what is free, up to its share. Returns what
-- it holds, and how much of that is more than its share.
CREATE FUNCTION forwarder.renew_claims(
    _topic text, _process uuid, _wanted text[], _claim_seconds double precision, _now_seconds double precision
) RETURNS TABLE (names text[], surplus integer)
LANGUAGE plpgsql AS $$
DECLARE
    _seconds double precision;
    _gone uuid[];
    _share integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809175, 5);
    -- A renewal that a crash of the server forgets is made again before the claim ends.
    PERFORM set_config('synchronous_commit', 'off', true);
    _seconds := forwarder.seconds_now(_now_seconds);
    -- A process that comes too late and finds its own claims has not been missed: no process could reach the server. The
    -- others get the same chance to come back before their leases are lost.
    PERFORM FROM forwarder.claimers WHERE topic = _topic AND process = _process AND ends_at <= _seconds;
    IF FOUND THEN
        UPDATE forwarder.claimers SET ends_at = _seconds + _claim_seconds WHERE topic = _topic;
    END IF;
    WITH gone AS (
        DELETE FROM forwarder.claimers WHERE topic = _topic AND ends_at <= _seconds RETURNING process
    )
    SELECT coalesce(array_agg(process), '{}') INTO _gone FROM gone;
    DELETE FROM forwarder.claims WHERE topic = _topic AND process = ANY (_gone);
    IF _topic = 'delivery' THEN
        DELETE FROM forwarder.leases WHERE process = ANY (_gone);
    END IF;

    DELETE FROM forwarder.claims WHERE topic = _topic AND process = _process AND NOT name = ANY (_wanted);
    IF cardinality(_wanted) = 0 THEN
        DELETE FROM forwarder.claimers WHERE topic = _topic AND process = _process;
        RETURN QUERY SELECT '{}'::text[], 0;
        RETURN;
    END IF;
    INSERT INTO forwarder.claimers (topic, process, ends_at) VALUES (_topic, _process, _seconds + _claim_seconds)
    ON CONFLICT (topic, process) DO UPDATE SET ends_at = excluded.ends_at;
    _share := ceil(cardinality(_wanted)::numeric / (SELECT count(*) FROM forwarder.claimers WHERE topic = _topic));
    INSERT INTO forwarder.claims (topic, name, process)
    SELECT _topic, free.name, _process
    FROM unnest(_wanted) AS free (name)
    WHERE NOT EXISTS (SELECT FROM forwarder.claims AS held WHERE held.topic = _topic AND held.name = free.name)
    ORDER BY free.name
    LIMIT greatest(0, _share - (SELECT count(*) FROM forwarder.claims WHERE topic = _topic AND process = _process));
    names := ARRAY(SELECT name FROM forwarder.claims WHERE topic = _topic AND process = _process);
    surplus := greatest(0, cardinality(names) - _share);
    RETURN NEXT;
END;
$$;
