-- oldest program: 7
--
-- Connections that only record their events. The function with one parameter less is for programs before this one.

-- Stores a group of requests for which there is space: the admission of each event in order, s (stored), d (duplicate)
-- or r (recorded). Of the events at the places `_recorded` only the keys are stored: they are counted as dropped, and
-- need no space. Changes nothing and returns a state if more is needed: `turn` for a new turn of the keys, `room` for a
-- decision about each request, since space is short.
CREATE FUNCTION forwarder.append_group(
    _process uuid, _node_no integer, _group_no bigint, _now_ms bigint, _slots integer, _turn_ms bigint,
    _window_ms bigint, _row_bytes bigint, _most_of_connection bigint, _most_of_all bigint,
    _connection_ids text[], _sizes bigint[],
    _keys bytea[], _lane_nos integer[], _revisions integer[], _names bytea[], _ids bytea[], _times_ms bigint[],
    _subjects bytea[], _payloads bytea[],
    _counted_connections text[], _counters text[], _reasons text[], _numbers bigint[],
    _recorded bigint[]
) RETURNS TABLE (state text, admissions text)
LANGUAGE plpgsql AS $$
DECLARE
    _share integer := _node_no * 2;
    _slot integer;
    _places bigint[];
    _stored bigint[];
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
        _stored := _places;
        IF cardinality(_recorded) > 0 THEN
            _stored := ARRAY(SELECT unnest(_places) EXCEPT SELECT unnest(_recorded) ORDER BY 1);
        END IF;
        PERFORM forwarder.add_events(
            _share, _stored, _lane_nos, _revisions, _names, _ids, _times_ms, _subjects, _payloads
        );
        IF cardinality(_stored) = cardinality(_keys) THEN
            _admissions := repeat('s', cardinality(_keys));
        ELSE
            SELECT string_agg(
                CASE WHEN new.place IS NULL THEN 'd' WHEN recorded.place IS NULL THEN 's' ELSE 'r' END,
                '' ORDER BY event.place
            )
            INTO _admissions
            FROM generate_series(1, cardinality(_keys)) AS event (place)
            LEFT JOIN unnest(_places) AS new (place) USING (place)
            LEFT JOIN unnest(_recorded) AS recorded (place) USING (place);
            PERFORM forwarder.add_to_totals(
                _share, array_agg(connection_id), array_agg(counter), array_agg(reason), array_agg(1::bigint)
            )
            FROM unnest(_lane_nos, string_to_array(_admissions, NULL)) AS event (lane_no, admission)
            JOIN forwarder.lanes USING (lane_no)
            JOIN (VALUES ('d', 'duplicate', ''), ('r', 'accepted', ''), ('r', 'dropped', 'recorded'))
                AS counted (admission, counter, reason) USING (admission);
        END IF;
    END IF;
    PERFORM forwarder.add_to_totals(_share, _counted_connections, _counters, _reasons, _numbers);
    PERFORM forwarder.keep_group(_node_no, _group_no, _admissions);
    RETURN QUERY SELECT 'stored', _admissions;
END;
$$;
