-- Keys of recent events, with their times, before they are merged into the seen tables: one row a commit, named by the
-- number of its first event. merged_slices counts how many slices of the keys had been merged when the row was written.
CREATE TABLE key_log (
    first_event_no INTEGER PRIMARY KEY,
    merged_slices INTEGER NOT NULL,
    keys BLOB NOT NULL
) STRICT;
