-- oldest program: 7
--
-- Dead letters end after a time.
--
-- The version before shows the counter `expired` as it shows the other totals.

-- Deletes those of some dead letters that are of before a time, counted as `expired`; they stay counted as dead-lettered
-- too. Returns how many of them there were, by connection.
CREATE FUNCTION forwarder.expire_dead_letters(_event_nos bigint[], _before_ms bigint, _share integer)
RETURNS TABLE (connection_id text, events bigint)
LANGUAGE plpgsql SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    _sums record;
BEGIN
    WITH gone AS (
        DELETE FROM forwarder.dead_letters WHERE event_no = ANY (_event_nos) AND dead_lettered_at_ms < _before_ms
        RETURNING lane_no, octet_length(payload) AS size
    ), lane_sums AS (
        SELECT lane_no, count(*) AS events, sum(size)::bigint AS bytes FROM gone GROUP BY lane_no
    )
    SELECT array_agg(lane_no) AS lane_nos, array_agg(events) AS events, array_agg(-events) AS less_events,
        array_agg(-bytes) AS less_bytes, array_agg(0::bigint) AS zeros, sum(events)::bigint AS number
    INTO _sums FROM lane_sums;
    IF _sums.number IS NULL THEN
        RETURN;
    END IF;
    PERFORM forwarder.add_to_lane_counts(
        _share, _sums.lane_nos, _sums.zeros, _sums.zeros, _sums.less_events, _sums.less_bytes
    );
    PERFORM forwarder.count_by_lane(_share, 'expired', _sums.lane_nos, _sums.events);
    RETURN QUERY
    SELECT lanes.connection_id, sum(gone.events)::bigint
    FROM unnest(_sums.lane_nos, _sums.events) AS gone (lane_no, events)
    JOIN forwarder.lanes ON lanes.lane_no = gone.lane_no
    GROUP BY lanes.connection_id;
END;
$$;
