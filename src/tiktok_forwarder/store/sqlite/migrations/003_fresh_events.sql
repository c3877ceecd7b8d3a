-- Fresh events: those that have not come back. A table by number fills its pages one after another, also with rows as
-- large as these. row_no is the number of a lane and, in its lower 46 bits, that of an event, so that a lane's events are
-- a run. An event that comes back moves to `waiting`; fresh ones that an earlier version left there have a due_ms of 0.
CREATE TABLE fresh (
    row_no INTEGER PRIMARY KEY,
    connection_revision INTEGER NOT NULL,
    event_name TEXT NOT NULL,
    event_id TEXT NOT NULL,
    accepted_at_ms INTEGER NOT NULL,
    subjects BLOB NOT NULL,
    payload BLOB NOT NULL
) STRICT;
