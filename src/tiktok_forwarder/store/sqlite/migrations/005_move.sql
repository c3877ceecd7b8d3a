-- The move of this store's contents to another store or from one, if there was one: its only row. `state` and what it
-- means: store/moving.py. While contents arrive, `part` and `position` are the place up to which they have.
CREATE TABLE move (
    row_no INTEGER PRIMARY KEY CHECK (row_no = 1),
    move_id TEXT NOT NULL,
    state TEXT NOT NULL,
    other_store TEXT NOT NULL,
    part TEXT NOT NULL,
    position BLOB NOT NULL
) STRICT;
