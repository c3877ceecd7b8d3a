-- Documents that expire: sessions, login links, failed logins, replays. Without history.
CREATE TABLE expiring_documents (
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX expiring_documents_by_time ON expiring_documents (kind, expires_at_ms);
