-- Open incidents, and the messages about incidents to recipients (store/notices.py). There are few of either, so they
-- have no further index.
CREATE TABLE incidents (
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    opened_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    away_since_ms INTEGER,
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE notices (
    notice_no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    recipient_id TEXT NOT NULL,
    created_at_ms INTEGER NOT NULL,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    due_ms INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    reason TEXT NOT NULL,
    settled_at_ms INTEGER
) STRICT;
