-- Functions that move many events: to the dead letters, from them, or out of the store. Each is one step of a change.

-- Moves some of the waiting events of a lane below a number to the dead letters, leased ones too; returns how many.
CREATE FUNCTION forwarder.dead_letter_some(
    _lane_no integer, _before_no bigint, _reason text, _most integer, _now_ms bigint, _share integer
) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    _event_nos bigint[];
    _sum record;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809176, _lane_no);
    -- A settlement that is under way ends before the events are chosen.
    PERFORM FROM forwarder.leases WHERE lane_no = _lane_no ORDER BY token FOR UPDATE;
    _event_nos := ARRAY(
        (SELECT event_no FROM forwarder.fresh
            WHERE lane_no = _lane_no AND event_no < _before_no ORDER BY event_no LIMIT _most)
        UNION ALL
        (SELECT event_no FROM forwarder.returned
            WHERE lane_no = _lane_no AND event_no < _before_no ORDER BY event_no LIMIT _most)
        LIMIT _most
    );
    PERFORM forwarder.drop_places(_lane_no, _event_nos);
    SELECT count(*) AS events, coalesce(sum(size), 0)::bigint AS bytes INTO _sum
    FROM forwarder.move_to_dead_letters(
        _lane_no, _event_nos, array_fill(_reason, ARRAY[cardinality(_event_nos)]),
        array_fill(NULL::bytea, ARRAY[cardinality(_event_nos)]), _now_ms
    );
    IF _sum.events > 0 THEN
        PERFORM forwarder.add_to_lane_counts(
            _share, ARRAY[_lane_no], ARRAY[-_sum.events], ARRAY[-_sum.bytes], ARRAY[_sum.events], ARRAY[_sum.bytes]
        );
        PERFORM forwarder.count_by_lane(_share, 'dead_lettered', ARRAY[_lane_no], ARRAY[_sum.events]);
    END IF;
    RETURN _sum.events;
END;
$$;

-- Makes dead letters wait again, due immediately; returns how many of them there were.
CREATE FUNCTION forwarder.replay_events(_event_nos bigint[], _now_ms bigint, _share integer) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    _sums record;
BEGIN
    WITH gone AS (
        DELETE FROM forwarder.dead_letters WHERE event_no = ANY (_event_nos) RETURNING *
    ), added AS (
        INSERT INTO forwarder.returned (
            event_no, due_ms, scheduled_at_ms, accepted_at_ms, lane_no, connection_revision, attempts, event_name,
            event_id, answer, subjects, payload
        )
        SELECT event_no, 1, _now_ms, accepted_at_ms, lane_no, connection_revision, attempts, event_name, event_id,
            answer, subjects, payload
        FROM gone
        RETURNING lane_no, octet_length(payload) AS size
    ), lane_sums AS (
        SELECT lane_no, count(*) AS events, sum(size)::bigint AS bytes FROM added GROUP BY lane_no
    )
    SELECT array_agg(lane_no) AS lane_nos, array_agg(events) AS events, array_agg(bytes) AS bytes,
        array_agg(-events) AS less_events, array_agg(-bytes) AS less_bytes, sum(events)::bigint AS number
    INTO _sums FROM lane_sums;
    IF _sums.number IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM forwarder.add_to_lane_counts(
        _share, _sums.lane_nos, _sums.events, _sums.bytes, _sums.less_events, _sums.less_bytes
    );
    PERFORM forwarder.count_by_lane(_share, 'dead_lettered', _sums.lane_nos, _sums.less_events);
    PERFORM forwarder.count_by_lane(_share, 'replayed', _sums.lane_nos, _sums.events);
    RETURN _sums.number;
END;
$$;

-- Deletes dead letters, counted under `_counter`; returns how many of them there were. Discarded ones stay counted as
-- dead-lettered too.
CREATE FUNCTION forwarder.remove_dead_letters(_event_nos bigint[], _counter text, _share integer) RETURNS bigint
LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    _sums record;
BEGIN
    WITH gone AS (
        DELETE FROM forwarder.dead_letters WHERE event_no = ANY (_event_nos)
        RETURNING lane_no, octet_length(payload) AS size
    ), lane_sums AS (
        SELECT lane_no, count(*) AS events, sum(size)::bigint AS bytes FROM gone GROUP BY lane_no
    )
    SELECT array_agg(lane_no) AS lane_nos, array_agg(events) AS events, array_agg(-events) AS less_events,
        array_agg(-bytes) AS less_bytes, array_agg(0::bigint) AS zeros, sum(events)::bigint AS number
    INTO _sums FROM lane_sums;
    IF _sums.number IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM forwarder.add_to_lane_counts(
        _share, _sums.lane_nos, _sums.zeros, _sums.zeros, _sums.less_events, _sums.less_bytes
    );
    PERFORM forwarder.count_by_lane(_share, _counter, _sums.lane_nos, _sums.events);
    IF _counter <> 'discarded' THEN
        PERFORM forwarder.count_by_lane(_share, 'dead_lettered', _sums.lane_nos, _sums.less_events);
    END IF;
    RETURN _sums.number;
END;
$$;

-- Erases events wherever they are by now; returns how many there were. An event never changes its lane. With every lane
-- and lease locked, no event becomes a dead letter in between; one that leaves the dead letters is found waiting after.
CREATE FUNCTION forwarder.erase_events(_lane_nos integer[], _event_nos bigint[], _share integer) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    _lane_no integer;
    _of_lane bigint[];
    _sum record;
    _erased bigint := 0;
BEGIN
    FOR _lane_no IN SELECT DISTINCT no FROM unnest(_lane_nos) AS lane (no) ORDER BY no LOOP
        PERFORM pg_advisory_xact_lock(1414809176, _lane_no);
        PERFORM FROM forwarder.leases WHERE lane_no = _lane_no ORDER BY token FOR UPDATE;
    END LOOP;
    _erased := forwarder.remove_dead_letters(_event_nos, 'erased', _share);
    FOR _lane_no IN SELECT DISTINCT no FROM unnest(_lane_nos) AS lane (no) ORDER BY no LOOP
        _of_lane := ARRAY(
            SELECT event_no FROM unnest(_lane_nos, _event_nos) AS event (lane_no, event_no) WHERE lane_no = _lane_no
        );
        PERFORM forwarder.drop_places(_lane_no, _of_lane);
        SELECT count(*) AS events, coalesce(sum(size), 0)::bigint AS bytes INTO _sum
        FROM forwarder.remove_events(_lane_no, _of_lane);
        IF _sum.events > 0 THEN
            PERFORM forwarder.add_to_lane_counts(
                _share, ARRAY[_lane_no], ARRAY[-_sum.events], ARRAY[-_sum.bytes], ARRAY[0], ARRAY[0]
            );
            PERFORM forwarder.count_by_lane(_share, 'erased', ARRAY[_lane_no], ARRAY[_sum.events]);
        END IF;
        _erased := _erased + _sum.events;
    END LOOP;
    RETURN _erased;
END;
$$;
