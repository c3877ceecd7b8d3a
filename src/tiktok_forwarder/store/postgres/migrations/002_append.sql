-- Functions that store new events. A function is one round trip and one transaction, which a node that stops in the
-- middle of a change cannot leave open. Names of parameters and variables begin with an underscore.
--
-- Advisory locks have two numbers. The first is 1414809175 ("TTFW") with 0 for the schema, 1 for the nodes, 2 for the
-- turns of the keys, 3 for the space, 4 for the documents, 5 for the claims and 6 for the activity; 1414809176 with the
-- number of a lane; 1414809177 with that of a node.
--
-- PL/pgSQL keeps the plans of its statements as long as a session lasts, which SQL functions do not. So that no plan
-- depends on how small a table once was, functions that read large tables set what the planner may use.

-- Whether the contents are elsewhere, or not all here yet (store/moving.py).
CREATE FUNCTION forwarder.is_moved() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM forwarder.move WHERE state <> 'arrived');
END;
$$;

-- Returns the node number of a process: its own, or else one that no process has used for an hour, or else a new one.
CREATE FUNCTION forwarder.claim_node(_process uuid) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    _node_no integer;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809175, 1);
    IF forwarder.is_moved() THEN
        RAISE EXCEPTION 'the contents of the database were moved, or are being moved' USING ERRCODE = 'TF002';
    END IF;
    SELECT node_no INTO _node_no FROM forwarder.nodes WHERE process = _process;
    IF FOUND THEN
        UPDATE forwarder.nodes SET seen_at = clock_timestamp() WHERE node_no = _node_no;
        RETURN _node_no;
    END IF;
    SELECT min(node_no) INTO _node_no FROM forwarder.nodes WHERE seen_at < clock_timestamp() - interval '1 hour';
    IF _node_no IS NULL THEN
        SELECT coalesce(max(node_no) + 1, 0) INTO _node_no FROM forwarder.nodes;
    END IF;
    INSERT INTO forwarder.nodes (node_no, process, group_no, admissions, seen_at)
    VALUES (_node_no, _process, 0, '', clock_timestamp())
    ON CONFLICT (node_no) DO UPDATE SET process = excluded.process, group_no = 0, admissions = '',
        seen_at = excluded.seen_at, key_ids = '{}';
    RETURN _node_no;
END;
$$;

-- Returns the admissions of a group that this process has stored already; null if it has not. Waits for a transaction
-- of the same node that is still under way.
CREATE FUNCTION forwarder.find_group(_process uuid, _node_no integer, _group_no bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    _node record;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809177, _node_no);
    SELECT * INTO _node FROM forwarder.nodes WHERE node_no = _node_no AND process = _process;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the number of this node was given to another process' USING ERRCODE = 'TF001';
    END IF;
    RETURN CASE WHEN _node.group_no = _group_no THEN _node.admissions END;
END;
$$;

CREATE FUNCTION forwarder.keep_group(_node_no integer, _group_no bigint, _admissions text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE forwarder.nodes SET group_no = _group_no, admissions = _admissions, seen_at = clock_timestamp()
    WHERE node_no = _node_no;
END;
$$;

-- Returns the slot that new keys go to, and holds the turn until the end of the transaction; null if the turn is over.
CREATE FUNCTION forwarder.current_slot(_now_ms bigint, _slots integer, _turn_ms bigint) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    _slot integer;
BEGIN
    PERFORM pg_advisory_xact_lock_shared(1414809175, 2);
    SELECT turn % _slots INTO _slot
    FROM (SELECT turn, started_at_ms FROM forwarder.seen_turns ORDER BY turn DESC LIMIT 1) AS latest
    WHERE abs(_now_ms - started_at_ms) < _turn_ms;
    RETURN _slot;
END;
$$;

-- Begins the next turn of the keys, unless another node has done so.
CREATE FUNCTION forwarder.begin_turn(_now_ms bigint, _slots integer, _turn_ms bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    _latest record;
    _turn bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1414809175, 2);
    SELECT * INTO _latest FROM forwarder.seen_turns ORDER BY turn DESC LIMIT 1;
    IF FOUND AND abs(_now_ms - _latest.started_at_ms) < _turn_ms THEN
        RETURN;
    END IF;
    _turn := coalesce(_latest.turn + 1, 0);
    EXECUTE format('TRUNCATE forwarder.seen_%s', _turn % _slots);
    DELETE FROM forwarder.seen_turns WHERE turn <= _turn - _slots;
    INSERT INTO forwarder.seen_turns (turn, started_at_ms) VALUES (_turn, _now_ms);
END;
$$;

-- Adds the keys that are new within the window, and returns the places (from 1) of the events that were first with
-- them. Waits for a node that is storing one of the keys. The keys are added in order, so that two nodes never wait for
-- each other.
CREATE FUNCTION forwarder.add_keys(_slot integer, _keys bytea[], _times_ms bigint[], _window_ms bigint) RETURNS bigint[]
LANGUAGE plpgsql SET enable_seqscan = off SET enable_bitmapscan = off SET enable_nestloop = off AS $$
DECLARE
    _places bigint[];
BEGIN
    WITH first AS MATERIALIZED (
        SELECT DISTINCT ON (key) key, accepted_at_ms, place
        FROM unnest(_keys, _times_ms) WITH ORDINALITY AS event (key, accepted_at_ms, place)
        ORDER BY key, place
    ), added AS (
        INSERT INTO forwarder.seen (slot, key, accepted_at_ms)
        SELECT _slot, key, accepted_at_ms FROM first
        -- A subquery for each key: a join could read a table of millions from its beginning to its end.
        WHERE (
            SELECT true FROM forwarder.seen
            WHERE seen.key = first.key AND seen.slot <> _slot
                AND seen.accepted_at_ms > first.accepted_at_ms - _window_ms
            LIMIT 1
        ) IS NULL
        ORDER BY key
        ON CONFLICT (key, slot) DO NOTHING
        RETURNING key
    )
    SELECT coalesce(array_agg(place ORDER BY place), '{}') INTO _places FROM added JOIN first USING (key);
    RETURN _places;
END;
$$;

-- Adds to the counts of a share; rows of zero are left out.
CREATE FUNCTION forwarder.add_to_totals(
    _share integer, _connection_ids text[], _counters text[], _reasons text[], _numbers bigint[]
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forwarder.totals AS stored (connection_id, counter, reason, share, count)
    SELECT connection_id, counter, reason, _share, sum(number)
    FROM unnest(_connection_ids, _counters, _reasons, _numbers) AS total (connection_id, counter, reason, number)
    GROUP BY connection_id, counter, reason HAVING sum(number) <> 0 ORDER BY connection_id, counter, reason
    ON CONFLICT (connection_id, counter, reason, share) DO UPDATE SET count = stored.count + excluded.count;
END;
$$;

CREATE FUNCTION forwarder.add_to_lane_counts(
    _share integer, _lane_nos integer[], _waiting bigint[], _waiting_bytes bigint[], _dead bigint[],
    _dead_bytes bigint[]
) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forwarder.lane_counts AS stored
        (lane_no, share, waiting, waiting_bytes, dead_letters, dead_letter_bytes)
    SELECT lane_no, _share, sum(waiting), sum(waiting_bytes), sum(dead), sum(dead_bytes)
    FROM unnest(_lane_nos, _waiting, _waiting_bytes, _dead, _dead_bytes)
        AS change (lane_no, waiting, waiting_bytes, dead, dead_bytes)
    GROUP BY lane_no ORDER BY lane_no
    ON CONFLICT (lane_no, share) DO UPDATE SET
        waiting = stored.waiting + excluded.waiting,
        waiting_bytes = stored.waiting_bytes + excluded.waiting_bytes,
        dead_letters = stored.dead_letters + excluded.dead_letters,
        dead_letter_bytes = stored.dead_letter_bytes + excluded.dead_letter_bytes;
END;
$$;

-- Stores the events at these places, and counts them as accepted.
CREATE FUNCTION forwarder.add_events(
    _share integer, _places bigint[], _lane_nos integer[], _revisions integer[], _names bytea[], _ids bytea[],
    _times_ms bigint[], _subjects bytea[], _payloads bytea[]
) RETURNS void
LANGUAGE plpgsql SET enable_nestloop = off AS $$
DECLARE
    _sums record;
BEGIN
    -- Seldom: only what is left out has a cost.
    IF cardinality(_places) < cardinality(_lane_nos) THEN
        SELECT array_agg(lane_no ORDER BY place), array_agg(revision ORDER BY place), array_agg(name ORDER BY place),
            array_agg(id ORDER BY place), array_agg(accepted_at_ms ORDER BY place), array_agg(subjects ORDER BY place),
            array_agg(payload ORDER BY place)
        INTO _lane_nos, _revisions, _names, _ids, _times_ms, _subjects, _payloads
        FROM unnest(_lane_nos, _revisions, _names, _ids, _times_ms, _subjects, _payloads)
            WITH ORDINALITY AS event (lane_no, revision, name, id, accepted_at_ms, subjects, payload, place)
        JOIN unnest(_places) AS wanted (place) USING (place);
    END IF;
    WITH added AS (
        INSERT INTO forwarder.fresh (
            event_no, accepted_at_ms, lane_no, connection_revision, event_name, event_id, subjects, payload
        )
        SELECT nextval('forwarder.event_no'), accepted_at_ms, lane_no, revision, name, id, subjects, payload
        FROM unnest(_lane_nos, _revisions, _names, _ids, _times_ms, _subjects, _payloads)
            AS event (lane_no, revision, name, id, accepted_at_ms, subjects, payload)
        RETURNING lane_no, octet_length(payload) AS size
    ), lane_sums AS (
        SELECT lane_no, count(*) AS events, sum(size) AS bytes FROM added GROUP BY lane_no
    )
    SELECT array_agg(lane_no) AS lane_nos, array_agg(events) AS events, array_agg(bytes) AS bytes,
        array_agg(0) AS zeros
    INTO _sums FROM lane_sums;
    IF _sums.lane_nos IS NULL THEN
        RETURN;
    END IF;
    PERFORM forwarder.add_to_lane_counts(_share, _sums.lane_nos, _sums.events, _sums.bytes, _sums.zeros, _sums.zeros);
    PERFORM forwarder.count_by_lane(_share, 'accepted', _sums.lane_nos, _sums.events);
END;
$$;

-- Counts under the connections of lanes.
CREATE FUNCTION forwarder.count_by_lane(_share integer, _counter text, _lane_nos integer[], _numbers bigint[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM forwarder.add_to_totals(
        _share, array_agg(connection_id), array_agg(_counter), array_agg(''::text), array_agg(number)
    )
    FROM unnest(_lane_nos, _numbers) AS counted (lane_no, number) JOIN forwarder.lanes USING (lane_no);
END;
$$;

-- How much connections take up, and how much all connections do together (null as connection).
CREATE FUNCTION forwarder.held_bytes(_connection_ids text[], _row_bytes bigint)
RETURNS TABLE (connection_id text, bytes bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY WITH lane AS MATERIALIZED (
        SELECT lane_no,
            sum(waiting_bytes + dead_letter_bytes + (waiting + dead_letters) * _row_bytes)::bigint AS bytes
        FROM forwarder.lane_counts GROUP BY lane_no
    )
    SELECT NULL::text, coalesce(sum(bytes), 0)::bigint FROM lane
    UNION ALL
    SELECT held.connection_id, coalesce(sum(lane.bytes), 0)::bigint
    FROM forwarder.lanes AS held LEFT JOIN lane USING (lane_no)
    WHERE held.connection_id = ANY (_connection_ids)
    GROUP BY held.connection_id;
END;
$$;

-- Whether so many bytes more for each of these connections fit.
CREATE FUNCTION forwarder.has_room(
    _row_bytes bigint, _most_of_connection bigint, _most_of_all bigint, _connection_ids text[], _sizes bigint[]
) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT bool_and(
            CASE WHEN held.connection_id IS NULL
                THEN held.bytes + (SELECT sum(size) FROM unnest(_sizes) AS needed (size)) <= _most_of_all
                ELSE held.bytes + _sizes[array_position(_connection_ids, held.connection_id)] <= _most_of_connection
            END
        )
        FROM forwarder.held_bytes(_connection_ids, _row_bytes) AS held
    );
END;
$$;

-- Stores a group of requests for which there is space: the admission of each event in order, s (stored) or d
-- (duplicate). Changes nothing and returns a state if more is needed: `turn` for a new turn of the keys, `room` for a
-- decision about each request, since space is short.
CREATE FUNCTION forwarder.append_group(
    _process uuid, _node_no integer, _group_no bigint, _now_ms bigint, _slots integer, _turn_ms bigint,
    _window_ms bigint, _row_bytes bigint, _most_of_connection bigint, _most_of_all bigint,
    _connection_ids text[], _sizes bigint[],
    _keys bytea[], _lane_nos integer[], _revisions integer[], _names bytea[], _ids bytea[], _times_ms bigint[],
    _subjects bytea[], _payloads bytea[],
    _counted_connections text[], _counters text[], _reasons text[], _numbers bigint[]
) RETURNS TABLE (state text, admissions text)
LANGUAGE plpgsql AS $$
DECLARE
    _share integer := _node_no * 2;
    _slot integer;
    _places bigint[];
    _admissions text;
BEGIN
    _admissions := forwarder.find_group(_process, _node_no, _group_no);
    IF _admissions IS NOT NULL THEN
        RETURN QUERY SELECT 'stored', _admissions;
        RETURN;
    END IF;
    _admissions := '';
    IF cardinality(_keys) > 0 THEN
        _slot := forwarder.current_slot(_now_ms, _slots, _turn_ms);
        IF _slot IS NULL THEN
            RETURN QUERY SELECT 'turn', '';
            RETURN;
        END IF;
        IF NOT forwarder.has_room(_row_bytes, _most_of_connection, _most_of_all, _connection_ids, _sizes) THEN
            RETURN QUERY SELECT 'room', '';
            RETURN;
        END IF;
        _places := forwarder.add_keys(_slot, _keys, _times_ms, _window_ms);
        PERFORM forwarder.add_events(
            _share, _places, _lane_nos, _revisions, _names, _ids, _times_ms, _subjects, _payloads
        );
        IF cardinality(_places) = cardinality(_keys) THEN
            _admissions := repeat('s', cardinality(_keys));
        ELSE
            SELECT string_agg(CASE WHEN stored.place IS NULL THEN 'd' ELSE 's' END, '' ORDER BY event.place)
            INTO _admissions
            FROM generate_series(1, cardinality(_keys)) AS event (place)
            LEFT JOIN unnest(_places) AS stored (place) USING (place);
            PERFORM forwarder.count_by_lane(_share, 'duplicate', array_agg(lane_no), array_agg(1::bigint))
            FROM unnest(_lane_nos, string_to_array(_admissions, NULL)) AS event (lane_no, admission)
            WHERE admission = 'd';
        END IF;
    END IF;
    PERFORM forwarder.add_to_totals(_share, _counted_connections, _counters, _reasons, _numbers);
    PERFORM forwarder.keep_group(_node_no, _group_no, _admissions);
    RETURN QUERY SELECT 'stored', _admissions;
END;
$$;
